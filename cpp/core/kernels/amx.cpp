// AVX-512 with VNNI and VBMI2, which every processor with AMX has, and AMX for 8-bit integers: tile registers that are
// multiplied as matrices.
#include "kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512VNNI__) && defined(__AVX512VBMI2__) && defined(__AMX_TILE__) && defined(__AMX_INT8__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "amx";
// Tiles of float32 and 16-bit integers are 16 queries x 32 rows, as many queries as in 8 bits. They are computed in two
// passes, each in 16 of the 32 registers: one pass of 16 x 16 would load twice as much for a product.
constexpr size_t kTileQueries = 16;
constexpr size_t kTileVectors = 2;

#include "avx512.inl"

struct Int16 : SixteenBits {
  static constexpr Arithmetic kArithmetic = Arithmetic::int16;
  static constexpr double kGain = 1.9;
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_dpwssd_epi32(sum, a, b); }
};

// The eight tile registers, each of 16 lines of 64 bytes. Numbers of registers are part of the instructions' text.
struct Tiles {
  void release() { asm volatile("tilerelease" : : : "memory"); }

  void configure() {
    struct {
      uint8_t palette, first_line, reserved[14];
      uint16_t line_bytes[16];
      uint8_t lines[16];
    } configuration = {};
    static_assert(sizeof configuration == 64);
    configuration.palette = 1;
    for (size_t i = 0; i < 8; ++i) {
      configuration.line_bytes[i] = 64;
      configuration.lines[i] = 16;
    }
    asm volatile("ldtilecfg %0" : : "m"(configuration));
  }

  // Loads or stores a register whose lines stand `stride` bytes apart.
  template <int kRegister>
  void load(const void* from, size_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kRegister) : "memory");
  }
  template <int kRegister>
  void store(void* to, size_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(kRegister) : "memory");
  }
  // Adds the products of signed bytes, four by four.
  template <int kSums, int kLeft, int kRight>
  void add_products() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kLeft), "i"(kRight));
  }
};

typedef int32_t SixteenNumbers __attribute__((vector_size(64)));
typedef int8_t SignBytes __attribute__((vector_size(64)));

// Narrows four lines to bytes of the same signs. Byte 16 i + 4 j + l has number 4 i + l of line j.
inline void narrow(const SixteenNumbers (&lines)[4], SignBytes& bytes) {
  const auto pair = [&](size_t i) {
    return _mm512_packs_epi32(reinterpret_cast<const __m512i&>(lines[i]),
                              reinterpret_cast<const __m512i&>(lines[i + 1]));
  };
  reinterpret_cast<__m512i&>(bytes) = _mm512_packs_epi16(pair(0), pair(2));
}

// Returns a bit for each byte whose sign is clear.
inline uint64_t clear_signs(const SignBytes& signs) {
  return ~_mm512_movepi8_mask(reinterpret_cast<const __m512i&>(signs));
}

// Puts the numbers of the bits that are set in ascending order, then zeros up to 64 bytes. Returns how many there are.
inline size_t put_positions(uint64_t bits, uint8_t* positions) {
  alignas(64) static constexpr SignBytes kAll = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                                 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                                 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
  _mm512_storeu_si512(positions, _mm512_maskz_compress_epi8(bits, reinterpret_cast<const __m512i&>(kAll)));
  return static_cast<size_t>(__builtin_popcountll(bits));
}

#include "amx.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, TileScreen>();

}  // namespace

const KernelTable* amx_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::amx_kernels() { return nullptr; }
#endif
