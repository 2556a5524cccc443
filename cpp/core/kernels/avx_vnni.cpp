// AVX2 with VNNI: one instruction multiplies 8-bit or 16-bit operands and adds up the products.
#include "kernel_table.h"

#if defined(__AVX2__) && defined(__FMA__) && (defined(__AVXVNNI__) || defined(__AVX512VNNI__))
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx_vnni";

#include "avx2.inl"

// Processors with AVX-512's VNNI run the same code in its encoding, for tests (LATENTKNN_AVX_VNNI_STAND_IN).
#ifdef __AVXVNNI__
inline __m256i add_products_of_bytes(__m256i sum, __m256i a, __m256i b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }
inline __m256i add_products_of_shorts(__m256i sum, __m256i a, __m256i b) { return _mm256_dpwssd_avx_epi32(sum, a, b); }
#else
inline __m256i add_products_of_bytes(__m256i sum, __m256i a, __m256i b) { return _mm256_dpbusd_epi32(sum, a, b); }
inline __m256i add_products_of_shorts(__m256i sum, __m256i a, __m256i b) { return _mm256_dpwssd_epi32(sum, a, b); }
#endif

struct LongScores {
  using Number = int32_t;
  using Score = __m256i;
  using Hits = __m256i;
  static constexpr size_t kLanes = 8;
  static Score spread(Number x) { return _mm256_set1_epi32(x); }
  static Score maximum(Score a, Score b) { return _mm256_max_epi32(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return _mm256_cmpeq_epi32(maximum(scores, cutoffs), scores); }
  static Hits either(Hits a, Hits b) { return _mm256_or_si256(a, b); }
  static bool any(Hits hits) { return _mm256_movemask_epi8(hits) != 0; }
  static unsigned bits(Hits hits) { return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(hits))); }
};

struct Int16 : SixteenBits {
  static constexpr Arithmetic kArithmetic = Arithmetic::int16;
  static constexpr double kGain = 1.9;
  static Sum add_product(Sum sum, Vector a, Vector b) { return add_products_of_shorts(sum, a, b); }
};

// Multiplies 8-bit operands into 32-bit sums, so that no sum wraps. The instruction wants one unsigned operand:
// queries, which their offset makes 1 to 255.
struct Int8 : LongScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 3.3;
  using Element = int8_t;
  using Vector = __m256i;
  using Sum = __m256i;
  static constexpr size_t kGroup = 4;
  static constexpr size_t kStartBytes = sizeof(int32_t);
  static constexpr int kQueryLargest = 127;
  static constexpr int kQueryOffset = 128;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void* rows, size_t vector) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(rows) + vector);
  }
  static Vector load(const Element* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Vector broadcast(const Element* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Sum add_product(Sum sum, Vector a, Vector b) { return add_products_of_bytes(sum, a, b); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* avx_vnni_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::avx_vnni_kernels() { return nullptr; }
#endif
