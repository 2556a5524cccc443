// A device for tests: the kernels of cpp/cuda run on the processor, and each thread of a block is a fiber. It is slow,
// and stricter than a real device: memory is poisoned first; streams and copies ahead do their work as late as allowed;
// tensor cores cut off as much as real ones may; blocks run in random order; and a collective that not all lanes reach
// is an error. Some errors it cannot show: fibers switch only where they wait for each other, so that a missing atomic
// goes unnoticed; registers are unlimited; and pageable memory is copied at once.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "runtime.h"

#define __global__
#define __device__
#define __launch_bounds__(...)

namespace latentknn::cuda {

struct Place {
  unsigned x;
};
extern Place threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

struct Exchange {  // values that a lane shows to the others of its warp
  double number;
  const void* address;
  std::uint32_t words[6];
};

// Appends a kernel to the calling thread's stream.
void run(std::size_t blocks, std::size_t threads, std::size_t shared_bytes, std::function<void()> kernel);
unsigned char* shared_memory();
void await_block();
// Shows a value to the warp, and waits for the values of all its lanes. They are valid until the next exchange but one.
const Exchange* exchange(const Exchange& own);
void await_warp();
void copy_ahead(void* shared, const void* global);
void end_group();
void await_groups(int unfinished);
float add_truncated(float sum, const double* terms, unsigned count);
// Returns the values of all float16 numbers, indexed by their bits.
const float* float16_values();

// Barriers in shared memory count arrivals and bytes. Copies are done when a thread waits for nothing else.
void begin_barrier(std::uint64_t* barrier, unsigned arrivals);
void arrive(std::uint64_t* barrier, unsigned bytes);
void await_phase(std::uint64_t* barrier, unsigned parity);
bool has_ended(std::uint64_t* barrier, unsigned parity);
void pause();
void copy_ahead(void* shared, const void* global, std::size_t bytes, std::uint64_t* barrier);
// The products of a thread are computed when it waits for them.
void multiply_ahead(std::function<void()> product);
void end_products();
void await_products(int unfinished);

// Ends the tests unless the memory belongs to the calling thread's device.
void check_device(const void* pointer, const char* what);
// Makes devices Hopper's from now on, as they are at first, or of the generation before.
void set_hopper(bool hopper);
// Sets the number of devices from now on, and the bytes of memory of each.
void set_devices(std::size_t count, std::size_t memory);
// Sets the bytes that can be allocated on each device from now on.
void limit_memory(std::size_t bytes);
// Makes one allocation of device or pinned memory fail, after so many that succeed.
void fail_allocation_after(std::size_t allocations);
// Returns the number of allocations so far.
std::size_t allocations_made();
// Returns the bytes allocated now, on all devices and of pinned memory.
std::size_t allocated();

}  // namespace emulation

inline void __syncthreads() { emulation::await_block(); }

template <class T>
T* shared_memory() {
  return reinterpret_cast<T*>(emulation::shared_memory());
}

inline std::uint16_t round_to_float16(float value) {
  const auto half = static_cast<_Float16>(value);
  std::uint16_t bits = 0;
  std::memcpy(&bits, &half, sizeof(bits));
  return bits;
}

// Looks the value up, because processors without such an instruction need long to compute it.
inline float float16_value(std::uint16_t bits) { return emulation::float16_values()[bits]; }

inline double from_above(double value, unsigned lanes) {
  const unsigned lane = threadIdx.x % 32;
  return emulation::exchange({value, nullptr, {}})[lane + lanes < 32 ? lane + lanes : lane].number;
}

inline double first_of_eight(double value) {
  return emulation::exchange({value, nullptr, {}})[threadIdx.x % 32 / 8 * 8].number;
}

inline std::uint32_t from_below(std::uint32_t value, unsigned lanes) {
  const unsigned lane = threadIdx.x % 32;
  return emulation::exchange({0.0, nullptr, {value}})[lane >= lanes ? lane - lanes : lane].words[0];
}
inline std::uint32_t any_of_warp(std::uint32_t bits) {
  const emulation::Exchange* all = emulation::exchange({0.0, nullptr, {bits}});
  std::uint32_t any = 0;
  for (unsigned lane = 0; lane < 32; ++lane) any |= all[lane].words[0];
  return any;
}
inline std::uint32_t lanes_where(bool holds) {
  return any_of_warp(static_cast<std::uint32_t>(holds) << threadIdx.x % 32);
}
inline unsigned bits_in(std::uint32_t bits) { return static_cast<unsigned>(__builtin_popcount(bits)); }
inline void await_warp() { emulation::await_warp(); }
inline unsigned lowest_bit(std::uint32_t bits) { return static_cast<unsigned>(__builtin_ctz(bits)); }

inline std::uint32_t add_to(std::uint32_t* counter, std::uint32_t value) {
  const std::uint32_t before = *counter;
  *counter += value;
  return before;
}
inline void raise_to(float* largest, float value) { *largest = std::fmax(*largest, value); }
inline std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float float_of(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

inline void copy_ahead(void* shared, const void* global) { emulation::copy_ahead(shared, global); }
inline void end_group() { emulation::end_group(); }
template <int kUnfinished>
void await_groups() {
  emulation::await_groups(kUnfinished);
}

inline void load_matrices(std::uint32_t (&parts)[4], const void* shared) {
  const unsigned lane = threadIdx.x % 32;
  const emulation::Exchange* lanes = emulation::exchange({0.0, shared, {}});
  for (unsigned matrix = 0; matrix < 4; ++matrix) {
    const auto* row = static_cast<const unsigned char*>(lanes[8 * matrix + lane / 4].address);
    std::memcpy(&parts[matrix], row + 4 * (lane % 4), 4);
  }
}

inline void multiply_add(float (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  const unsigned lane = threadIdx.x % 32;
  const emulation::Exchange* lanes = emulation::exchange({0.0, nullptr, {a[0], a[1], a[2], a[3], b0, b1}});
  const auto half = [&](unsigned from, unsigned word, unsigned k) {
    return static_cast<double>(float16_value(static_cast<std::uint16_t>(lanes[from].words[word] >> (k % 2 * 16))));
  };
  for (unsigned v = 0; v < 4; ++v) {
    const unsigned row = lane / 4 + v / 2 * 8, column = lane % 4 * 2 + v % 2;
    double terms[16];
    for (unsigned k = 0; k < 16; ++k) {
      terms[k] = half(row % 8 * 4 + k % 8 / 2, row / 8 + k / 8 * 2, k) * half(column * 4 + k % 8 / 2, 4 + k / 8, k);
    }
    sums[v] = emulation::add_truncated(sums[v], terms, 16);
  }
}

inline void multiply_add(std::int32_t (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  const unsigned lane = threadIdx.x % 32;
  const emulation::Exchange* lanes = emulation::exchange({0.0, nullptr, {a[0], a[1], a[2], a[3], b0, b1}});
  const auto byte = [&](unsigned from, unsigned word, unsigned k) {
    return static_cast<std::int32_t>(static_cast<std::int8_t>(lanes[from].words[word] >> (k % 4 * 8)));
  };
  for (unsigned v = 0; v < 4; ++v) {
    const unsigned row = lane / 4 + v / 2 * 8, column = lane % 4 * 2 + v % 2;
    for (unsigned k = 0; k < 32; ++k) {
      sums[v] += byte(row % 8 * 4 + k % 16 / 4, row / 8 + k / 16 * 2, k) * byte(column * 4 + k % 16 / 4, 4 + k / 16, k);
    }
  }
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), std::size_t blocks, std::size_t threads, std::size_t shared_bytes,
            const Arguments&... arguments) {
  const auto check = [](const auto& argument) {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(argument)>>) {
      emulation::check_device(argument, "a kernel is given another device's memory");
    } else if constexpr (requires { argument.packed_rows; }) {
      for (const void* each :
           {static_cast<const void*>(argument.packed_rows), static_cast<const void*>(argument.packed_queries)}) {
        emulation::check_device(each, "a search is given another device's memory");
      }
    }
  };
  if (blocks == 0) return;
  (check(arguments), ...);
  emulation::run(blocks, threads, shared_bytes, [=] { kernel(arguments...); });
}

}  // namespace latentknn::cuda
