// AVX-512 with VNNI: one instruction multiplies 8-bit or 16-bit operands and adds up the products.
#include "kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512VNNI__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx512_vnni";
// A tile is 8 queries x 48 rows, in 24 of the 32 registers.
constexpr size_t kTileQueries = 8;
constexpr size_t kTileVectors = 3;

#include "avx512.inl"

struct LongScores {
  using Number = int32_t;
  using Score = __m512i;
  using Hits = __mmask16;
  static constexpr size_t kLanes = 16;
  static Score spread(Number x) { return _mm512_set1_epi32(x); }
  static Score maximum(Score a, Score b) { return _mm512_max_epi32(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return _mm512_cmpge_epi32_mask(scores, cutoffs); }
  static Hits either(Hits a, Hits b) { return a | b; }
  static bool any(Hits hits) { return hits != 0; }
  static unsigned bits(Hits hits) { return hits; }
};

struct Int16 : SixteenBits {
  static constexpr Arithmetic kArithmetic = Arithmetic::int16;
  static constexpr double kGain = 1.9;
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_dpwssd_epi32(sum, a, b); }
};

// Multiplies 8-bit operands into 32-bit sums, so that no sum wraps. The instruction wants one unsigned operand:
// queries, which their offset makes 1 to 255.
struct Int8 : LongScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 3.3;
  using Element = int8_t;
  using Vector = __m512i;
  using Sum = __m512i;
  static constexpr size_t kGroup = 4;
  static constexpr size_t kStartBytes = sizeof(int32_t);
  static constexpr int kQueryLargest = 127;
  static constexpr int kQueryOffset = 128;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void* rows, size_t vector) {
    return _mm512_loadu_si512(static_cast<const char*>(rows) + vector * sizeof(__m512i));
  }
  static Vector load(const Element* p) { return _mm512_loadu_si512(p); }
  static Vector broadcast(const Element* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_dpbusd_epi32(sum, a, b); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* avx512_vnni_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::avx512_vnni_kernels() { return nullptr; }
#endif
