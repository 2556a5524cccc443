// NEON on AArch64.
#include "kernel_table.h"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

namespace latentknn {
namespace {

constexpr char kName[] = "neon";
#include "neon.inl"

struct ShortScores {
  using Number = int16_t;
  using Score = int16x8_t;
  using Hits = uint16x8_t;
  static constexpr size_t kLanes = 8;
  static Score spread(Number x) { return vdupq_n_s16(x); }
  static Score maximum(Score a, Score b) { return vmaxq_s16(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return vcgeq_s16(scores, cutoffs); }
  static Hits either(Hits a, Hits b) { return vorrq_u16(a, b); }
  static bool any(Hits hits) { return vmaxvq_u16(hits) != 0; }
  static unsigned bits(Hits hits) {
    const uint16x8_t weights = {1, 2, 4, 8, 16, 32, 64, 128};
    return vaddvq_u16(vandq_u16(hits, weights));
  }
};

// Multiplies 8-bit operands into 16-bit sums, which may wrap, as a score is modulo 2^16.
struct Int8 : ShortScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 2.0;
  using Element = int8_t;
  using Vector = int8x8_t;
  using Sum = int16x8_t;
  static constexpr size_t kGroup = 1;
  static constexpr size_t kStartBytes = sizeof(int16_t);
  static constexpr int kQueryLargest = 63;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void* rows, size_t vector) {
    return vld1q_s16(static_cast<const int16_t*>(rows) + vector * kLanes);
  }
  static Vector load(const Element* p) { return vld1_s8(p); }
  static Vector broadcast(const Element* p) { return vld1_dup_s8(p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return vmlal_s8(sum, a, b); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* neon_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::neon_kernels() { return nullptr; }
#endif
