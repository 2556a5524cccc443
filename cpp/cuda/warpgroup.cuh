// All that kernels use of Hopper's warpgroups: barriers that count bytes, copies that no thread waits for,
// and products that are computed while their threads do something else. Tests replace it by an emulation.
#pragma once

#ifdef LATENTKNN_EMULATED_DEVICE
#include "emulated_warpgroup.h"
#else

#include "simt.cuh"

namespace latentknn::cuda {

// Whether the code is compiled for the architecture with warpgroups. Elsewhere their kernels do nothing,
// and agree.cpp finds that their results differ from those of warps.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
inline constexpr bool kHasWarpgroups = true;
#else
inline constexpr bool kHasWarpgroups = false;
#endif

// A barrier in shared memory. A phase ends after a number of arrivals and the bytes that they announced.
using Barrier = std::uint64_t;

__device__ inline std::uint32_t shared_address(const void* shared) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

__device__ inline void begin_barrier(Barrier* barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
// Shows the barriers that this thread has begun to others. A barrier of the block must follow.
__device__ inline void show_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ inline void arrive(Barrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
__device__ inline void arrive_expecting(Barrier* barrier, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
// Waits until the phase of this parity has ended. Phases count from 0; one of parity 1 has ended before them.
__device__ inline void await_phase(Barrier* barrier, unsigned parity) {
  asm volatile(
      "{ .reg .pred ended; again: mbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1; @ended bra done; bra "
      "again; "
      "done: }" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

// Returns whether the phase of this parity has ended, without waiting.
__device__ inline bool has_ended(Barrier* barrier, unsigned parity) {
  std::uint32_t ended = 0;
  asm volatile(
      "{ .reg .pred ended; mbarrier.test_wait.parity.shared::cta.b64 ended, [%1], %2; selp.u32 %0, 1, 0, ended; }"
      : "=r"(ended)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return ended != 0;
}
// Leaves the multiprocessor to others for a moment.
__device__ inline void pause() { __nanosleep(500); }

// Copies bytes, a multiple of 16, from global to shared memory. They count for the barrier when they have come.
__device__ inline void copy_ahead(void* shared, const void* global, unsigned bytes, Barrier* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   shared_address(shared)),
               "l"(global), "r"(bytes), "r"(shared_address(barrier))
               : "memory");
}

// Set the registers of a thread: one warpgroup gives some to another. All warps of a warpgroup call.
template <int kCount>
__device__ void leave_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}

// Begins a group of a warpgroup's products, whose sums may have been used before. end_products ends it.
__device__ inline void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until at most kUnfinished of the warpgroup's groups of products are unfinished.
template <int kUnfinished>
__device__ void await_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kUnfinished) : "memory");
}

// A matrix of slices.h in shared memory, as the tensor cores want it described: vectors are 64 bytes apart, and chunks
// have the order of the 64-byte swizzle, which repeats after eight vectors.
struct Matrix {
  std::uint32_t low;  // half of the description; the other half is the same for all
};
inline constexpr std::uint32_t kMatrixHigh = std::uint32_t{2} << 30 | 8 * 64 / 16;  // swizzle, bytes of eight vectors
__device__ inline Matrix matrix_at(const char* shared) {
  constexpr std::uint32_t kNotUsed = std::uint32_t{1} << 16;
  return {(shared_address(shared) & 0x3FFFF) / 16 | kNotUsed};
}
// Returns the matrix that lies so many bytes behind another one.
__device__ inline Matrix behind(const Matrix& matrix, unsigned bytes) { return {matrix.low + bytes / 16}; }

// sums (64 x 128) = sums, or 0 if `first`, + half a slice of 64 queries times half a slice of 128 rows,
// over a warpgroup. Half a slice has 32 bytes of each vector. A thread has 2 x 32 of the sums:
// sums[i] is of its first query if i / 2 % 2 is 0, else of its second one, 8 queries later.
#define LATENTKNN_FOUR(kind, i) kind(sums[i]), kind(sums[i + 1]), kind(sums[i + 2]), kind(sums[i + 3])
#define LATENTKNN_SIXTEEN(kind, i) \
  LATENTKNN_FOUR(kind, i), LATENTKNN_FOUR(kind, i + 4), LATENTKNN_FOUR(kind, i + 8), LATENTKNN_FOUR(kind, i + 12)
#define LATENTKNN_ALL_SUMS(kind) \
  LATENTKNN_SIXTEEN(kind, 0), LATENTKNN_SIXTEEN(kind, 16), LATENTKNN_SIXTEEN(kind, 32), LATENTKNN_SIXTEEN(kind, 48)
#define LATENTKNN_SUM_OPERANDS                                                                                      \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "  \
  "%46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
#define LATENTKNN_MATRICES                                                 \
  "{ .reg .pred more; .reg .b64 queries, rows; setp.eq.b32 more, %66, 0; " \
  "mov.b64 queries, {%64, %67}; mov.b64 rows, {%65, %67}; "

__device__ inline void multiply_ahead(float (&sums)[64], const Matrix& queries, const Matrix& rows, bool first) {
  asm volatile(LATENTKNN_MATRICES "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 " LATENTKNN_SUM_OPERANDS
                                  ", queries, rows, more, 1, 1, 0, 0; }"
               : LATENTKNN_ALL_SUMS("+f")
               : "r"(queries.low), "r"(rows.low), "r"(static_cast<int>(first)), "n"(kMatrixHigh));
}
__device__ inline void multiply_ahead(std::int32_t (&sums)[64], const Matrix& queries, const Matrix& rows, bool first) {
  asm volatile(LATENTKNN_MATRICES "wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 " LATENTKNN_SUM_OPERANDS
                                  ", queries, rows, more; }"
               : LATENTKNN_ALL_SUMS("+r")
               : "r"(queries.low), "r"(rows.low), "r"(static_cast<int>(first)), "n"(kMatrixHigh));
}

// Keeps the compiler from reading the sums earlier, when called after await_products.
__device__ inline void use_sums(float (&sums)[64]) { asm volatile("" : LATENTKNN_ALL_SUMS("+f")::"memory"); }
__device__ inline void use_sums(std::int32_t (&sums)[64]) { asm volatile("" : LATENTKNN_ALL_SUMS("+r")::"memory"); }

#undef LATENTKNN_FOUR
#undef LATENTKNN_SIXTEEN
#undef LATENTKNN_ALL_SUMS
#undef LATENTKNN_SUM_OPERANDS
#undef LATENTKNN_MATRICES

}  // namespace latentknn::cuda

#endif
