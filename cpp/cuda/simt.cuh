// All that kernels use of a device. Tests replace it, to run the same kernels on a processor.
#pragma once

#ifdef LATENTKNN_EMULATED_DEVICE
#include "emulated_device.h"
#else

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <mutex>
#include <string>

#include "runtime.h"

namespace latentknn::cuda {

// Returns the block's memory. Its size is given at the launch.
template <class T>
__device__ T* shared_memory() {
  extern __shared__ __align__(1024) unsigned char latentknn_shared_memory[];
  return reinterpret_cast<T*>(latentknn_shared_memory);
}

__device__ inline std::uint16_t round_to_float16(float value) { return __half_as_ushort(__float2half_rn(value)); }
__device__ inline float float16_value(std::uint16_t bits) { return __half2float(__ushort_as_half(bits)); }

// Returns the value of the lane that is `lanes` above, within the warp.
__device__ inline double from_above(double value, unsigned lanes) { return __shfl_down_sync(~0u, value, lanes); }
// Returns the value of the first lane of the calling lane's eight.
__device__ inline double first_of_eight(double value) { return __shfl_sync(~0u, value, 0, 8); }

// Returns the value of the lane that is `lanes` below, within the warp, or else the calling lane's own.
__device__ inline std::uint32_t from_below(std::uint32_t value, unsigned lanes) {
  return __shfl_up_sync(~0u, value, lanes);
}
// Returns the bits that any lane of the warp has set.
__device__ inline std::uint32_t any_of_warp(std::uint32_t bits) { return __reduce_or_sync(~0u, bits); }
// Returns one bit for each lane of the warp: set if `holds` is true there.
__device__ inline std::uint32_t lanes_where(bool holds) { return __ballot_sync(~0u, holds); }
__device__ inline unsigned bits_in(std::uint32_t bits) { return static_cast<unsigned>(__popc(bits)); }
// Waits until all lanes of the warp are here and see what the others have written.
__device__ inline void await_warp() { __syncwarp(); }
// Returns the index of the lowest set bit. `bits` must not be zero.
__device__ inline unsigned lowest_bit(std::uint32_t bits) {
  return static_cast<unsigned>(__ffs(static_cast<int>(bits))) - 1;
}

__device__ inline std::uint32_t add_to(std::uint32_t* counter, std::uint32_t value) {
  return atomicAdd(counter, value);
}
// Neither float may be negative: such floats have the order of their bits.
__device__ inline void raise_to(float* largest, float value) {
  atomicMax(reinterpret_cast<unsigned*>(largest), __float_as_uint(value));
}
__device__ inline std::uint32_t bits_of(float value) { return __float_as_uint(value); }
__device__ inline float float_of(std::uint32_t bits) { return __uint_as_float(bits); }

// Copies 16 bytes from global to shared memory while the thread goes on.
__device__ inline void copy_ahead(void* shared, const void* global) {
  const auto to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
}
__device__ inline void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most kUnfinished groups of this thread's copies are unfinished.
template <int kUnfinished>
__device__ void await_groups() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kUnfinished) : "memory");
}

// Loads four matrices of 8 x 8 float16 numbers. Lane i gives the address of row i % 8 of matrix i / 8,
// and gets two numbers of each matrix: columns 2 (i % 4) and 2 (i % 4) + 1 of row i / 4.
__device__ inline void load_matrices(std::uint32_t (&parts)[4], const void* shared) {
  const auto from = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(parts[0]), "=r"(parts[1]), "=r"(parts[2]), "=r"(parts[3])
               : "r"(from)
               : "memory");
}

// sums (16 x 8, float32) += a (16 x 16, float16) times the transpose of b (8 x 16, float16), over a warp.
__device__ inline void multiply_add(float (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// sums (16 x 8, 32-bit integers) += a (16 x 32, int8) times the transpose of b (8 x 32, int8), over a warp.
__device__ inline void multiply_add(std::int32_t (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                    std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), std::size_t blocks, std::size_t threads, std::size_t shared_bytes,
            const Arguments&... arguments) {
  if (blocks == 0) return;
  // The size is an attribute of the kernel, not of the launch.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  cudaError_t result =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  if (result == cudaSuccess) {
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = shared_bytes;
    config.stream = static_cast<cudaStream_t>(current_stream());
    result = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
  }
  if (result != cudaSuccess) {
    cudaGetLastError();
    throw DeviceError(std::string("launching a kernel failed: ") + cudaGetErrorString(result));
  }
}

}  // namespace latentknn::cuda

#endif
