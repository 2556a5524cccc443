// Shared by the tables with eight floats a register: tiles of 6 queries x 16 rows, in 12 of the 16 registers.

constexpr size_t kTileQueries = 6;
constexpr size_t kTileVectors = 2;
constexpr size_t kExactRows = 4;

struct FloatScores {
  using Number = float;
  using Score = __m256;
  using Hits = __m256;
  static constexpr size_t kLanes = 8;
  static Score spread(Number x) { return _mm256_set1_ps(x); }
  static Score maximum(Score a, Score b) { return _mm256_max_ps(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return _mm256_cmp_ps(scores, cutoffs, _CMP_GE_OQ); }
  static Hits either(Hits a, Hits b) { return _mm256_or_ps(a, b); }
  static bool any(Hits hits) { return _mm256_movemask_ps(hits) != 0; }
  static unsigned bits(Hits hits) { return static_cast<unsigned>(_mm256_movemask_ps(hits)); }
};

struct Fp32 : FloatScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::fp32;
  static constexpr double kGain = 1.0;
  using Element = float;
  using Vector = __m256;
  using Sum = __m256;
  static constexpr size_t kGroup = 1;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return _mm256_setzero_ps(); }
  static Vector load(const Element* p) { return _mm256_loadu_ps(p); }
  static Vector broadcast(const Element* p) { return _mm256_broadcast_ss(p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm256_fmadd_ps(a, b, sum); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// All of Int16 except add_product(), which adds products of neighbouring dimensions as they are made: 16-bit
// operands, 32-bit sums.
struct SixteenBits : FloatScores {
  using Element = int16_t;
  using Vector = __m256i;
  using Sum = __m256i;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return _mm256_setzero_si256(); }
  static Vector load(const Element* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Vector broadcast(const Element* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static Score to_score(Sum sum) { return _mm256_cvtepi32_ps(sum); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

template <class Sum>
inline void pin(Sum& sum) {
  asm volatile("" : "+x"(sum));
}

using Double = __m256d;
constexpr size_t kDoubles = 4;
using HalfFloat = __m128;
inline Double widen(HalfFloat x) { return _mm256_cvtps_pd(x); }

// Makes the additions of reduce() for two rows, then four in one vector.
constexpr size_t kTransposedRows = 4;
inline Double sum_transposed(const Double (&rows)[4][2]) {
  Double twos[2];
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i) {
    const Double a = rows[2 * i][0] + rows[2 * i][1], b = rows[2 * i + 1][0] + rows[2 * i + 1][1];
    twos[i] = __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
  }
  return __builtin_shufflevector(twos[0], twos[1], 0, 2, 4, 6) + __builtin_shufflevector(twos[0], twos[1], 1, 3, 5, 7);
}
