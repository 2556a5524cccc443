// AVX2 with FMA: eight floats a register, tiles of 6 queries x 16 rows in 12 of the 16 registers.
#include "kernel_table.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

namespace latentknn {
namespace {

constexpr char kName[] = "avx2";
constexpr size_t kFp32Queries = 6;
constexpr size_t kFp32Vectors = 2;
constexpr size_t kExactRows = 4;

using Float = __m256;
constexpr size_t kFloats = 8;
inline Float load(const float* p) { return _mm256_loadu_ps(p); }
inline Float broadcast(float x) { return _mm256_set1_ps(x); }
inline Float maximum(Float a, Float b) { return _mm256_max_ps(a, b); }

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
