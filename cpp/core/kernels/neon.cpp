// NEON on AArch64: four floats a register, tiles of 8 queries x 12 rows in 24 of the 32 registers.
#include "kernel_table.h"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

namespace latentknn {
namespace {

constexpr char kName[] = "neon";
constexpr size_t kTileQueries = 8;
constexpr size_t kTileVectors = 3;
constexpr size_t kExactRows = 4;
constexpr double kInt16Gain = 0.7;

using Float = float32x4_t;
constexpr size_t kFloats = 4;
inline Float broadcast(float x) { return vdupq_n_f32(x); }
inline Float maximum(Float a, Float b) { return vmaxq_f32(a, b); }

struct Fp32 {
  using Element = float;
  using Vector = Float;
  using Sum = Float;
  static constexpr size_t kGroup = 1;
  static Vector load(const Element* p) { return vld1q_f32(p); }
  static Vector broadcast(const Element* p) { return vld1q_dup_f32(p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return vfmaq_f32(sum, a, b); }
  static Float to_float(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// Products of neighbouring dimensions are added as they are made, sixteen bits wide into thirty-two.
struct Int16 {
  using Element = int16_t;
  using Vector = int16x8_t;
  using Sum = int32x4_t;
  static constexpr size_t kGroup = 2;
  static Vector load(const Element* p) { return vld1q_s16(p); }
  static Vector broadcast(const Element* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return vreinterpretq_s16_s32(vdupq_n_s32(pair));
  }
  static Sum add_product(Sum sum, Vector a, Vector b) {
    const int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
    return vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(a, b)));
  }
  static Float to_float(Sum sum) { return vcvtq_f32_s32(sum); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

template <class Sum>
inline void pin(Sum& sum) {
  asm volatile("" : "+w"(sum));
}

using Hits = uint32x4_t;
inline Hits reaches(Float scores, Float cutoffs) { return vcgeq_f32(scores, cutoffs); }
inline Hits either(Hits a, Hits b) { return vorrq_u32(a, b); }
inline bool any(Hits hits) { return vmaxvq_u32(hits) != 0; }
inline unsigned bits(Hits hits) {
  const uint32x4_t weights = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(hits, weights));
}

using Double = float64x2_t;
constexpr size_t kDoubles = 2;
using HalfFloat = float32x2_t;
inline Double widen(HalfFloat x) { return vcvt_f64_f32(x); }

#include "table.inl"

}  // namespace

const KernelTable* neon_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::neon_kernels() { return nullptr; }
#endif
