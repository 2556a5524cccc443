// AVX2 with FMA: eight floats a register, tiles of 6 queries x 16 rows in 12 of the 16 registers.
#include "kernel_table.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx2";
constexpr size_t kTileQueries = 6;
constexpr size_t kTileVectors = 2;
constexpr size_t kExactRows = 4;
constexpr double kInt16Gain = 1.5;

using Float = __m256;
constexpr size_t kFloats = 8;
inline Float broadcast(float x) { return _mm256_set1_ps(x); }
inline Float maximum(Float a, Float b) { return _mm256_max_ps(a, b); }

struct Fp32 {
  using Element = float;
  using Vector = Float;
  using Sum = Float;
  static constexpr size_t kGroup = 1;
  static Vector load(const Element* p) { return _mm256_loadu_ps(p); }
  static Vector broadcast(const Element* p) { return _mm256_broadcast_ss(p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm256_fmadd_ps(a, b, sum); }
  static Float to_float(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// Products of neighbouring dimensions are added as they are made, sixteen bits wide into thirty-two.
struct Int16 {
  using Element = int16_t;
  using Vector = __m256i;
  using Sum = __m256i;
  static constexpr size_t kGroup = 2;
  static Vector load(const Element* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Vector broadcast(const Element* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
  static Float to_float(Sum sum) { return _mm256_cvtepi32_ps(sum); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

template <class Sum>
inline void pin(Sum& sum) {
  asm volatile("" : "+x"(sum));
}

using Hits = __m256;
inline Hits reaches(Float scores, Float cutoffs) { return _mm256_cmp_ps(scores, cutoffs, _CMP_GE_OQ); }
inline Hits either(Hits a, Hits b) { return _mm256_or_ps(a, b); }
inline bool any(Hits hits) { return _mm256_movemask_ps(hits) != 0; }
inline unsigned bits(Hits hits) { return static_cast<unsigned>(_mm256_movemask_ps(hits)); }

using Double = __m256d;
constexpr size_t kDoubles = 4;
using HalfFloat = __m128;
inline Double widen(HalfFloat x) { return _mm256_cvtps_pd(x); }

#include "table.inl"

}  // namespace

const KernelTable* avx2_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::avx2_kernels() { return nullptr; }
#endif
