// Shared by the tables with four floats a register: tiles of 8 queries x 12 rows, in 24 of the 32 registers.

constexpr size_t kTileQueries = 8;
constexpr size_t kTileVectors = 3;
constexpr size_t kExactRows = 4;

struct FloatScores {
  using Number = float;
  using Score = float32x4_t;
  using Hits = uint32x4_t;
  static constexpr size_t kLanes = 4;
  static Score spread(Number x) { return vdupq_n_f32(x); }
  static Score maximum(Score a, Score b) { return vmaxq_f32(a, b); }
  static Hits reaches(Score scores, Score cutoffs) { return vcgeq_f32(scores, cutoffs); }
  static Hits either(Hits a, Hits b) { return vorrq_u32(a, b); }
  static bool any(Hits hits) { return vmaxvq_u32(hits) != 0; }
  static unsigned bits(Hits hits) {
    const uint32x4_t weights = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(hits, weights));
  }
};

struct Fp32 : FloatScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::fp32;
  static constexpr double kGain = 1.0;
  using Element = float;
  using Vector = float32x4_t;
  using Sum = float32x4_t;
  static constexpr size_t kGroup = 1;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return vdupq_n_f32(0.0f); }
  static Vector load(const Element* p) { return vld1q_f32(p); }
  static Vector broadcast(const Element* p) { return vld1q_dup_f32(p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return vfmaq_f32(sum, a, b); }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// Adds products of neighbouring dimensions as they are made: 16-bit operands, 32-bit sums.
struct Int16 : FloatScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int16;
  static constexpr double kGain = 0.7;
  using Element = int16_t;
  using Vector = int16x8_t;
  using Sum = int32x4_t;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return vdupq_n_s32(0); }
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
  static Score to_score(Sum sum) { return vcvtq_f32_s32(sum); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

template <class Sum>
inline void pin(Sum& sum) {
  asm volatile("" : "+w"(sum));
}

using Double = float64x2_t;
constexpr size_t kDoubles = 2;
using HalfFloat = float32x2_t;
inline Double widen(HalfFloat x) { return vcvt_f64_f32(x); }

constexpr size_t kTransposedRows = 0;
