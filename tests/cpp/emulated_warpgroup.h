// Hopper's warpgroups on the emulated device. Copies and products are done as late as they may. Registers and time are
// not emulated. Nor are the rules of when asynchronous units see ordinary writes:
// they read only what they have written.
#pragma once

#include "emulated_device.h"

namespace latentknn::cuda {

inline constexpr bool kHasWarpgroups = true;

using Barrier = std::uint64_t;

inline void begin_barrier(Barrier* barrier, unsigned arrivals) { emulation::begin_barrier(barrier, arrivals); }
inline void show_barriers() {}
inline void arrive(Barrier* barrier) { emulation::arrive(barrier, 0); }
inline void arrive_expecting(Barrier* barrier, unsigned bytes) { emulation::arrive(barrier, bytes); }
inline void await_phase(Barrier* barrier, unsigned parity) { emulation::await_phase(barrier, parity); }
inline bool has_ended(Barrier* barrier, unsigned parity) { return emulation::has_ended(barrier, parity); }
inline void pause() { emulation::pause(); }
inline void copy_ahead(void* shared, const void* global, unsigned bytes, Barrier* barrier) {
  emulation::copy_ahead(shared, global, bytes, barrier);
}

template <int kCount>
void leave_registers() {}
template <int kCount>
void take_registers() {}

inline void begin_products() {}
inline void end_products() { emulation::end_products(); }
template <int kUnfinished>
void await_products() {
  emulation::await_products(kUnfinished);
}

namespace emulation {

// Returns a chunk of a vector of a matrix, by the 64-byte swizzle of addresses.
inline const unsigned char* chunk_of(const char* matrix, unsigned vector, unsigned chunk) {
  const auto begin = reinterpret_cast<const char*>(shared_memory());
  const std::size_t at = static_cast<std::size_t>(matrix - begin) + vector * 64 + chunk * 16;
  return shared_memory() + (at ^ (at >> 7 & 3) << 4);
}

// Multiplies eight float16 numbers of a query by those of a row.
inline void multiply_halves(const unsigned char* query, const unsigned char* row, double* products) {
  for (unsigned k = 0; k < 8; ++k) {
    std::uint16_t left = 0, right = 0;
    std::memcpy(&left, query + 2 * k, sizeof(left));
    std::memcpy(&right, row + 2 * k, sizeof(right));
    products[k] = static_cast<double>(float16_value(left)) * float16_value(right);
  }
}

template <class Sum>
Sum sum_of(Sum sum, const char* queries, const char* rows, unsigned query, unsigned row) {
  double terms[16];
  for (unsigned chunk = 0; chunk < 2; ++chunk) {
    const unsigned char* left = chunk_of(queries, query, chunk);
    const unsigned char* right = chunk_of(rows, row, chunk);
    if constexpr (std::is_same_v<Sum, float>) {
      multiply_halves(left, right, terms + 8 * chunk);
    } else {
      for (unsigned k = 0; k < 16; ++k) sum += static_cast<std::int8_t>(left[k]) * static_cast<std::int8_t>(right[k]);
    }
  }
  if constexpr (std::is_same_v<Sum, float>) return add_truncated(sum, terms, 16);
  return sum;
}

}  // namespace emulation

using Matrix = const char*;
inline Matrix matrix_at(const char* shared) { return shared; }
inline Matrix behind(Matrix matrix, unsigned bytes) { return matrix + bytes; }

template <class Sum>
void multiply_ahead(Sum (&sums)[64], Matrix queries, Matrix rows, bool first) {
  // The sums are poisoned, because they may not be read before the products are done.
  if (first) std::memset(sums, 0xFF, sizeof(sums));
  emulation::multiply_ahead([&sums, queries, rows, first] {
    const unsigned lane = threadIdx.x % 32, first_query = threadIdx.x / 32 % 4 * 16 + lane / 4;
    for (unsigned i = 0; i < 64; ++i) {
      const unsigned query = first_query + i / 2 % 2 * 8, row = i / 4 * 8 + lane % 4 * 2 + i % 2;
      sums[i] = emulation::sum_of(first ? Sum{} : sums[i], queries, rows, query, row);
    }
  });
}

template <class Sum>
void use_sums(Sum (&)[64]) {}

}  // namespace latentknn::cuda
