// What every processor has, through the compiler's own vectors of 16 bytes: SSE2 on x86-64, plain NEON
// registers on AArch64, scalar code elsewhere. Tiles of 4 queries x 8 rows in 8 registers.
#include "kernel_table.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace latentknn {
namespace {

constexpr char kName[] = "baseline";
constexpr size_t kTileQueries = 4;
constexpr size_t kTileVectors = 2;
constexpr size_t kExactRows = 2;
constexpr double kInt16Gain = 1.5;

typedef float Float __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));
typedef int16_t Shorts __attribute__((vector_size(16)));
using Hits = Ints;
constexpr size_t kFloats = 4;
template <class Vector>
inline Vector load_vector(const void* p) {
  Vector x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
inline Float broadcast(float x) { return Float{x, x, x, x}; }
inline Float maximum(Float a, Float b) { return a > b ? a : b; }
struct Fp32 {
  using Element = float;
  using Vector = Float;
  using Sum = Float;
  static constexpr size_t kGroup = 1;
  static Vector load(const Element* p) { return load_vector<Float>(p); }
  static Vector broadcast(const Element* p) { return latentknn::broadcast(*p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return sum + a * b; }
  static Float to_float(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// Products of neighbouring dimensions are added as they are made, sixteen bits wide into thirty-two.
struct Int16 {
  using Element = int16_t;
  using Vector = Shorts;
  using Sum = Ints;
  static constexpr size_t kGroup = 2;
  static Vector load(const Element* p) { return load_vector<Shorts>(p); }
  static Vector broadcast(const Element* p) { return Shorts{p[0], p[1], p[0], p[1], p[0], p[1], p[0], p[1]}; }
  static Sum add_product(Sum sum, Vector a, Vector b) {
#if defined(__SSE2__)
    return sum + reinterpret_cast<Ints>(_mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
    for (size_t i = 0; i < kFloats; ++i) sum[i] += a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
    return sum;
#endif
  }
  static Float to_float(Sum sum) { return __builtin_convertvector(sum, Float); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

template <class Sum>
inline void pin(Sum& sum) {
#if defined(__SSE2__)
  asm volatile("" : "+x"(sum));
#elif defined(__aarch64__)
  asm volatile("" : "+w"(sum));
#endif
}

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
