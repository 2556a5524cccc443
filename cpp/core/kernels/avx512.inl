// Shared by the tables with sixteen floats a register.

constexpr size_t kExactRows = 8;

struct FloatScores {
  using Number = float;
  using Score = __m512;
  using Hits = __mmask16;
  static constexpr size_t kLanes = 16;
  static Score spread(Number x) { return _mm512_set1_ps(x); }
  static Score maximum(Score a, Score b) { return _mm512_max_ps(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return _mm512_cmp_ps_mask(scores, cutoffs, _CMP_GE_OQ); }
  static Hits either(Hits a, Hits b) { return static_cast<Hits>(a | b); }
  static bool any(Hits hits) { return hits != 0; }
  static unsigned bits(Hits hits) { return hits; }
};

struct Fp32 : FloatScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::fp32;
  static constexpr double kGain = 1.0;
  using Element = float;
  using Vector = __m512;
  using Sum = __m512;
  static constexpr size_t kGroup = 1;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return _mm512_setzero_ps(); }
  static Vector load(const Element* p) { return _mm512_loadu_ps(p); }
  static Vector broadcast(const Element* p) { return _mm512_set1_ps(*p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return _mm512_fmadd_ps(a, b, sum); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// All of Int16 except add_product(), which adds products of neighbouring dimensions as they are made: 16-bit
// operands, 32-bit sums.
struct SixteenBits : FloatScores {
  using Element = int16_t;
  using Vector = __m512i;
  using Sum = __m512i;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return _mm512_setzero_si512(); }
  static Vector load(const Element* p) { return _mm512_loadu_si512(p); }
  static Vector broadcast(const Element* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Score to_score(Sum sum) { return _mm512_cvtepi32_ps(sum); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

template <class Sum>
inline void pin(Sum& sum) {
  asm volatile("" : "+v"(sum));
}

using Double = __m512d;
constexpr size_t kDoubles = 8;
using HalfFloat = __m256;
inline Double widen(HalfFloat x) { return _mm512_cvtps_pd(x); }

// Makes the additions of reduce() for two rows, then four, then eight in one vector.
constexpr size_t kTransposedRows = 8;
inline Double sum_transposed(const Double (&rows)[8][1]) {
  Double fours[4], twos[2];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    const Double a = rows[2 * i][0], b = rows[2 * i + 1][0];
    fours[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
               __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i) {
    const Double a = fours[2 * i], b = fours[2 * i + 1];
    twos[i] = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13) +
              __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
  }
  return __builtin_shufflevector(twos[0], twos[1], 0, 2, 4, 6, 8, 10, 12, 14) +
         __builtin_shufflevector(twos[0], twos[1], 1, 3, 5, 7, 9, 11, 13, 15);
}
