// AVX-512 (F, BW, DQ, VL): sixteen floats a register, tiles of 8 queries x 48 rows in 24 of the 32 registers.
#include "kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx512";
constexpr size_t kTileQueries = 8;
constexpr size_t kTileVectors = 3;
constexpr size_t kExactRows = 8;
constexpr double kInt16Gain = 1.5;

using Float = __m512;
constexpr size_t kFloats = 16;
inline Float broadcast(float x) { return _mm512_set1_ps(x); }
inline Float maximum(Float a, Float b) { return _mm512_max_ps(a, b); }

struct Fp32 {
  using Element = float;
  using Vector = Float;
  using Sum = Float;
  static constexpr size_t kGroup = 1;
  static Vector load(const Element* p) { return _mm512_loadu_ps(p); }
  static Vector broadcast(const Element* p) { return _mm512_set1_ps(*p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_fmadd_ps(a, b, sum); }
  static Float to_float(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// Products of neighbouring dimensions are added as they are made, sixteen bits wide into thirty-two.
struct Int16 {
  using Element = int16_t;
  using Vector = __m512i;
  using Sum = __m512i;
  static constexpr size_t kGroup = 2;
  static Vector load(const Element* p) { return _mm512_loadu_si512(p); }
  static Vector broadcast(const Element* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }
  static Float to_float(Sum sum) { return _mm512_cvtepi32_ps(sum); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

template <class Sum>
inline void pin(Sum& sum) {
  asm volatile("" : "+v"(sum));
}

using Hits = __mmask16;
inline Hits reaches(Float scores, Float cutoffs) { return _mm512_cmp_ps_mask(scores, cutoffs, _CMP_GE_OQ); }
inline Hits either(Hits a, Hits b) { return static_cast<Hits>(a | b); }
inline bool any(Hits hits) { return hits != 0; }
inline unsigned bits(Hits hits) { return hits; }

using Double = __m512d;
constexpr size_t kDoubles = 8;
using HalfFloat = __m256;
inline Double widen(HalfFloat x) { return _mm512_cvtps_pd(x); }

#include "table.inl"

}  // namespace

const KernelTable* avx512_kernels() { return &kTable; }

}  // namespace latentknn
#else
const latentknn::KernelTable* latentknn::avx512_kernels() { return nullptr; }
#endif
