// Shared by the tables that are made of the compiler's own vectors of 16 bytes.

constexpr size_t kExactRows = 2;

typedef float Float __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));
typedef int16_t Shorts __attribute__((vector_size(16)));

template <class Vector>
inline Vector load_vector(const void* p) {
  Vector x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}

// Shared by all kinds of scores. Hits is a vector of 0 and -1.
template <class Number_, class Score_, class Hits_>
struct VectorScores {
  using Number = Number_;
  using Score = Score_;
  using Hits = Hits_;
  static constexpr size_t kLanes = sizeof(Score) / sizeof(Number);
  static Score spread(Number x) { return x - Score{}; }
  static Score maximum(Score a, Score b) { return a > b ? a : b; }
  static Hits reaches(Score scores, Score cutoffs) { return scores >= cutoffs; }
  static Hits either(Hits a, Hits b) { return a | b; }
  static bool any(Hits hits) {
    typedef int64_t Halves __attribute__((vector_size(16)));
    const Halves halves = load_vector<Halves>(&hits);
    return (halves[0] | halves[1]) != 0;
  }
  static unsigned bits(Hits hits) {
    unsigned result = 0;
    for (size_t i = 0; i < kLanes; ++i) result |= static_cast<unsigned>(hits[i] & 1) << i;
    return result;
  }
};
using FloatScores = VectorScores<float, Float, Ints>;

struct Fp32 : FloatScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::fp32;
  static constexpr double kGain = 1.0;
  using Element = float;
  using Vector = Float;
  using Sum = Float;
  static constexpr size_t kGroup = 1;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return Sum{}; }
  static Vector load(const Element* p) { return load_vector<Float>(p); }
  static Vector broadcast(const Element* p) { return spread(*p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return sum + a * b; }
  static Score to_score(Sum sum) { return sum; }
  static Element quantise(double x) { return static_cast<float>(x); }
};

// Adds products of neighbouring dimensions as they are made: 16-bit operands, 32-bit sums.
struct Int16 : FloatScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int16;
  static constexpr double kGain = 1.5;
  using Element = int16_t;
  using Vector = Shorts;
  using Sum = Ints;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kStartBytes = 0;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void*, size_t) { return Sum{}; }
  static Vector load(const Element* p) { return load_vector<Shorts>(p); }
  static Vector broadcast(const Element* p) { return Shorts{p[0], p[1], p[0], p[1], p[0], p[1], p[0], p[1]}; }
  static Sum add_product(Sum sum, Vector a, Vector b) {
#if defined(__SSE2__)
    return sum + reinterpret_cast<Ints>(_mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
    for (size_t i = 0; i < kLanes; ++i) sum[i] += a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
    return sum;
#endif
  }
  static Score to_score(Sum sum) { return __builtin_convertvector(sum, Float); }
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

typedef double Double __attribute__((vector_size(16)));
typedef float HalfFloat __attribute__((vector_size(8)));
constexpr size_t kDoubles = 2;
inline Double widen(HalfFloat x) { return Double{x[0], x[1]}; }

constexpr size_t kTransposedRows = 0;
