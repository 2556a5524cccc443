// AVX-512 with VNNI, and AMX for 8-bit integers: tile registers that are multiplied as matrices.
#include "kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512VNNI__) && defined(__AMX_TILE__) && defined(__AMX_INT8__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "amx";
// Tiles of float32 and 16-bit integers are 16 queries x 16 rows, in 16 of the 32 registers: as many queries as in 8
// bits.
constexpr size_t kTileQueries = 16;
constexpr size_t kTileVectors = 1;

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
inline unsigned signs(const SixteenNumbers& numbers) {
  return _mm512_movepi32_mask(reinterpret_cast<const __m512i&>(numbers));
}

#include "amx.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, TileScreen>();

}  // namespace

const KernelTable* amx_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::amx_kernels() { return nullptr; }
#endif
