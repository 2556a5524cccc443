// AVX-512 (F, BW, DQ, VL): sixteen floats a register.
#include "kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx512";
// A tile is 8 queries x 48 rows, in 24 of the 32 registers.
constexpr size_t kTileQueries = 8;
constexpr size_t kTileVectors = 3;

#include "avx512.inl"

struct ShortScores {
  using Number = int16_t;
  using Score = __m512i;
  using Hits = __mmask32;
  static constexpr size_t kLanes = 32;
  static Score spread(Number x) { return _mm512_set1_epi16(x); }
  static Score maximum(Score a, Score b) { return _mm512_max_epi16(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return _mm512_cmpge_epi16_mask(scores, cutoffs); }
  static Hits either(Hits a, Hits b) { return a | b; }
  static bool any(Hits hits) { return hits != 0; }
  static unsigned bits(Hits hits) { return hits; }
};

struct Int16 : SixteenBits {
  static constexpr Arithmetic kArithmetic = Arithmetic::int16;
  static constexpr double kGain = 1.5;
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }
};

// Multiplies 8-bit operands into 16-bit sums; see avx2.cpp.
struct Int8 : ShortScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 2.6;
  using Element = int8_t;
  using Vector = __m512i;
  using Sum = __m512i;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kStartBytes = sizeof(int16_t);
  static constexpr int kQueryLargest = 63;
  static constexpr int kQueryOffset = 64;
  static constexpr size_t kQueryCopies = 2;  // broadcasting two bytes would take one shuffle more than four bytes
  static Sum start(const void* rows, size_t vector) {
    return _mm512_loadu_si512(static_cast<const char*>(rows) + vector * sizeof(__m512i));
  }
  static Vector load(const Element* p) { return _mm512_loadu_si512(p); }
  static Vector broadcast(const Element* p) {
    int32_t pairs;
    __builtin_memcpy(&pairs, p, sizeof pairs);
    return _mm512_set1_epi32(pairs);
  }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_add_epi16(sum, _mm512_maddubs_epi16(a, b)); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* avx512_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::avx512_kernels() { return nullptr; }
#endif
