// What every processor has, through the compiler's own vectors of 16 bytes: SSE2 on x86-64, plain NEON
// registers on AArch64, scalar code elsewhere. Tiles of 4 queries x 8 rows in 8 registers.
#include "kernel_table.h"

namespace latentknn {
namespace {

constexpr char kName[] = "baseline";
constexpr size_t kFp32Queries = 4;
constexpr size_t kFp32Vectors = 2;
constexpr size_t kExactRows = 2;

typedef float Float __attribute__((vector_size(16)));
typedef int32_t Hits __attribute__((vector_size(16)));
constexpr size_t kFloats = 4;
inline Float load(const float* p) {
  Float x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
inline Float broadcast(float x) { return Float{x, x, x, x}; }
inline Float maximum(Float a, Float b) { return a > b ? a : b; }
inline Hits reaches(Float scores, Float cutoffs) { return scores >= cutoffs; }
inline Hits either(Hits a, Hits b) { return a | b; }
inline unsigned bits(Hits hits) {
  return static_cast<unsigned>((hits[0] & 1) | (hits[1] & 2) | (hits[2] & 4) | (hits[3] & 8));
}
inline bool any(Hits hits) {
  typedef int64_t Halves __attribute__((vector_size(16)));
  Halves halves;
  __builtin_memcpy(&halves, &hits, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

typedef double Double __attribute__((vector_size(16)));
typedef float HalfFloat __attribute__((vector_size(8)));
constexpr size_t kDoubles = 2;
inline Double widen(HalfFloat x) { return Double{x[0], x[1]}; }

#include "table.inl"

}  // namespace

const KernelTable* baseline_kernels() { return &kTable; }

}  // namespace latentknn
