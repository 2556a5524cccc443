// AVX2 with FMA.
#include "kernel_table.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx2";
#include "avx2.inl"

struct ShortScores {
  using Number = int16_t;
  using Score = __m256i;
  using Hits = __m256i;
  static constexpr size_t kLanes = 16;
  static Score spread(Number x) { return _mm256_set1_epi16(x); }
  static Score maximum(Score a, Score b) { return _mm256_max_epi16(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return _mm256_cmpeq_epi16(maximum(scores, cutoffs), scores); }
  static Hits either(Hits a, Hits b) { return _mm256_or_si256(a, b); }
  static bool any(Hits hits) { return _mm256_movemask_epi8(hits) != 0; }
  static unsigned bits(Hits hits) {
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(hits), _mm256_extracti128_si256(hits, 1));
    return static_cast<unsigned>(_mm_movemask_epi8(bytes));
  }
};

struct Int16 : SixteenBits {
  static constexpr Arithmetic kArithmetic = Arithmetic::int16;
  static constexpr double kGain = 1.5;
  static Sum add_product(Sum sum, Vector a, Vector b) {
    const __m256i products = _mm256_madd_epi16(a, b);
    asm("vpaddd %1, %0, %0" : "+x"(sum) : "x"(products));  // GCC 12 would add in another register and move the sum back
    return sum;
  }
};

// Multiplies 8-bit operands into 16-bit sums. The instruction wants one unsigned operand: queries, which their offset
// makes 1 to 127, so that no pair of products saturates. Sums may wrap, as a score is modulo 2^16.
struct Int8 : ShortScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 2.6;
  using Element = int8_t;
  using Vector = __m256i;
  using Sum = __m256i;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kStartBytes = sizeof(int16_t);
  static constexpr int kQueryLargest = 63;
  static constexpr int kQueryOffset = 64;
  static constexpr size_t kQueryCopies = 2;  // broadcasting two bytes would take one shuffle more than four bytes
  static Sum start(const void* rows, size_t vector) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(rows) + vector);
  }
  static Vector load(const Element* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Vector broadcast(const Element* p) {
    int32_t pairs;
    __builtin_memcpy(&pairs, p, sizeof pairs);
    return _mm256_set1_epi32(pairs);
  }
  static Sum add_product(Sum sum, Vector a, Vector b) {
    const __m256i products = _mm256_maddubs_epi16(a, b);
    asm("vpaddw %1, %0, %0" : "+x"(sum) : "x"(products));
    return sum;
  }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* avx2_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::avx2_kernels() { return nullptr; }
#endif
