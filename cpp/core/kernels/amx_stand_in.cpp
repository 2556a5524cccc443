// The kernel of AMX with tile registers in memory, for tests on processors that lack them. What is not in tiles is
// compiled as in baseline.cpp.
#include "kernel_table.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace latentknn {
namespace {

constexpr char kName[] = "amx_stand_in";
constexpr size_t kTileQueries = 16;
constexpr size_t kTileVectors = 2;

#include "baseline.inl"

// The eight tile registers of amx.cpp. They hold nothing of use after configure(), as callers of functions must expect.
struct Tiles {
  void configure() { __builtin_memset(registers, 0x5a, sizeof registers); }
  void release() { configure(); }

  template <int kRegister>
  void load(const void* from, size_t stride) {
    for (size_t i = 0; i < 16; ++i) {
      __builtin_memcpy(registers[kRegister] + i * 64, static_cast<const char*>(from) + i * stride, 64);
    }
  }
  template <int kRegister>
  void store(void* to, size_t stride) {
    for (size_t i = 0; i < 16; ++i) {
      __builtin_memcpy(static_cast<char*>(to) + i * stride, registers[kRegister] + i * 64, 64);
    }
  }
  // Adds the products of signed bytes, four by four, modulo 2^32.
  template <int kSums, int kLeft, int kRight>
  void add_products() {
    for (size_t i = 0; i < 16; ++i) {
      uint32_t sums[16];
      __builtin_memcpy(sums, registers[kSums] + i * 64, sizeof sums);
      for (size_t j = 0; j < 64; ++j) {
        const int8_t left = registers[kLeft][i * 64 + j];
        const int8_t* const right = registers[kRight] + j / 4 * 64 + j % 4;
        for (size_t n = 0; n < 16; ++n) sums[n] += static_cast<uint32_t>(left * right[4 * n]);
      }
      __builtin_memcpy(registers[kSums] + i * 64, sums, sizeof sums);
    }
  }

  alignas(64) int8_t registers[8][1024];
};

typedef int32_t SixteenNumbers __attribute__((vector_size(64)));
typedef int8_t SignBytes __attribute__((vector_size(64)));
inline void narrow(const SixteenNumbers (&lines)[4], SignBytes& bytes) {
  for (size_t i = 0; i < 64; ++i) {
    bytes[i] = static_cast<int8_t>(lines[i / 4 % 4][i / 16 * 4 + i % 4] < 0 ? -1 : 0);
  }
}
inline uint64_t clear_signs(const SignBytes& signs) {
  uint64_t result = 0;
  for (size_t i = 0; i < 64; ++i) result |= static_cast<uint64_t>(signs[i] >= 0) << i;
  return result;
}
inline size_t put_positions(uint64_t bits, uint8_t* positions) {
  __builtin_memset(positions, 0, 64);
  size_t count = 0;
  for (; bits != 0; bits &= bits - 1) positions[count++] = static_cast<uint8_t>(__builtin_ctzll(bits));
  return count;
}

#include "amx.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, TileScreen>();

}  // namespace

const KernelTable* amx_stand_in_kernels() { return &kTable; }

}  // namespace latentknn
