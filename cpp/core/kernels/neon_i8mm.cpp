// NEON with matrix products of 8-bit operands: one instruction multiplies eight dimensions of two queries and two rows.
#include "kernel_table.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_MATMUL_INT8)
#include <arm_neon.h>

namespace latentknn {
namespace {

constexpr char kName[] = "neon_i8mm";

#include "neon.inl"

struct LongScores {
  using Number = int32_t;
  using Score = int32x4_t;
  using Hits = uint32x4_t;
  static constexpr size_t kLanes = 4;
  static Score spread(Number x) { return vdupq_n_s32(x); }
  static Score maximum(Score a, Score b) { return vmaxq_s32(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return vcgeq_s32(scores, cutoffs); }
  static Hits either(Hits a, Hits b) { return FloatScores::either(a, b); }
  static bool any(Hits hits) { return FloatScores::any(hits); }
  static unsigned bits(Hits hits) { return FloatScores::bits(hits); }
};

// Multiplies 8-bit operands into 32-bit sums, so that no sum wraps: 2,000 dimensions of +-127 give 2^25. Both operands
// are signed. A sum has two rows of one query, then the same two rows of the next query.
struct Int8 : LongScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 3.3;  // assumed: not more than neon_dotprod; nobody has measured it
  using Element = int8_t;
  using Vector = int8x16_t;
  using Sum = int32x4_t;
  static constexpr size_t kGroup = 8;
  static constexpr size_t kSumQueries = 2;
  static constexpr size_t kStartBytes = sizeof(int32_t);
  static constexpr int kQueryLargest = 127;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void* rows, size_t vector) {
    int64_t two;
    __builtin_memcpy(&two, static_cast<const char*>(rows) + vector * sizeof two, sizeof two);
    return vreinterpretq_s32_s64(vdupq_n_s64(two));
  }
  static Vector load(const Element* p) { return vld1q_s8(p); }
  static Vector broadcast(const Element* p) { return vld1q_s8(p); }
  static Sum add_product(Sum sum, Vector queries, Vector rows) { return vmmlaq_s32(sum, queries, rows); }
  static void to_scores(Sum first_rows, Sum next_rows, Score& first_query, Score& second_query) {
    const int64x2_t a = vreinterpretq_s64_s32(first_rows), b = vreinterpretq_s64_s32(next_rows);
    first_query = vreinterpretq_s32_s64(vzip1q_s64(a, b));
    second_query = vreinterpretq_s32_s64(vzip2q_s64(a, b));
  }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* neon_i8mm_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::neon_i8mm_kernels() { return nullptr; }
#endif
