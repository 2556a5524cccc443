// AVX-512 (F, BW, DQ, VL): sixteen floats a register, tiles of 8 queries x 48 rows in 24 of the 32 registers.
#include "kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx512";
constexpr size_t kFp32Queries = 8;
constexpr size_t kFp32Vectors = 3;
constexpr size_t kExactRows = 8;

using Float = __m512;
constexpr size_t kFloats = 16;
inline Float load(const float* p) { return _mm512_loadu_ps(p); }
inline Float broadcast(float x) { return _mm512_set1_ps(x); }
inline Float maximum(Float a, Float b) { return _mm512_max_ps(a, b); }

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
