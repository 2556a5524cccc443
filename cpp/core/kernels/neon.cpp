// NEON on AArch64: four floats a register, tiles of 8 queries x 12 rows in 24 of the 32 registers.
#include "kernel_table.h"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

namespace latentknn {
namespace {

constexpr char kName[] = "neon";
constexpr size_t kFp32Queries = 8;
constexpr size_t kFp32Vectors = 3;
constexpr size_t kExactRows = 4;

using Float = float32x4_t;
constexpr size_t kFloats = 4;
inline Float load(const float* p) { return vld1q_f32(p); }
inline Float broadcast(float x) { return vdupq_n_f32(x); }
inline Float maximum(Float a, Float b) { return vmaxq_f32(a, b); }

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
