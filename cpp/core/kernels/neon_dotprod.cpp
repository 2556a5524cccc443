// NEON with dot products: one instruction multiplies four 8-bit operands a lane and adds up the products.
#include "kernel_table.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>

namespace latentknn {
namespace {

constexpr char kName[] = "neon_dotprod";

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

// Multiplies 8-bit operands into 32-bit sums, so that no sum wraps. Both operands are signed.
struct Int8 : LongScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 3.3;  // The gain is that of avx512_vnni; nobody has measured it.
  using Element = int8_t;
  using Vector = int8x16_t;
  using Sum = int32x4_t;
  static constexpr size_t kGroup = 4;
  static constexpr size_t kStartBytes = sizeof(int32_t);
  static constexpr int kQueryLargest = 127;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void* rows, size_t vector) {
    return vld1q_s32(static_cast<const int32_t*>(rows) + vector * kLanes);
  }
  static Vector load(const Element* p) { return vld1q_s8(p); }
  static Vector broadcast(const Element* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  static Sum add_product(Sum sum, Vector a, Vector b) { return vdotq_s32(sum, a, b); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* neon_dotprod_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::neon_dotprod_kernels() { return nullptr; }
#endif
