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
constexpr size_t kTileVectors = 1;

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
inline unsigned signs(const SixteenNumbers& numbers) {
  unsigned result = 0;
  for (size_t i = 0; i < 16; ++i) result |= static_cast<unsigned>(numbers[i] < 0) << i;
  return result;
}

#include "amx.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, TileScreen>();

}  // namespace

const KernelTable* amx_stand_in_kernels() { return &kTable; }

}  // namespace latentknn
