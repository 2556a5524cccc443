// A tile of scores, kept in registers, for any arithmetic of screening. Both operands are stored across a tile, one
// group of dimensions after another (packing.inl), so that one step loads kVectors vectors of rows and broadcasts one
// group of every query.
//
// Besides what packing.inl asks for, an Arithmetic has Vector, Sum, kLanes (scores of a Sum), load(), broadcast(),
// add_product(), start(), Score and to_score(). A Sum has kLanes rows of one query, or kLanes / 2 rows of two: then the
// Arithmetic has kSumQueries = 2, and to_scores() takes the sums of kLanes rows apart. A tile with more sums than
// kMostSums is computed in two passes of half of its queries. The including file also defines
// pin(), which tells the compiler that a sum is final in its register. Without it, GCC 12 begins all products of a step
// before it adds them up, runs out of registers and spills the sums.

#include "packing.inl"

template <class Arithmetic>
constexpr size_t sum_queries() {
  if constexpr (requires { Arithmetic::kSumQueries; }) {
    return Arithmetic::kSumQueries;
  } else {
    return 1;
  }
}

constexpr size_t kMostSums = 24;  // sums that stay in registers, where there are 32

template <class Arithmetic>
struct Tile : Packing<Arithmetic, kTileQueries, kTileVectors * Arithmetic::kLanes> {
  using Packed = Packing<Arithmetic, kTileQueries, kTileVectors * Arithmetic::kLanes>;
  using Element = typename Arithmetic::Element;
  using Sum = typename Arithmetic::Sum;
  using Score = typename Arithmetic::Score;
  static constexpr size_t kGroup = Arithmetic::kGroup;
  static constexpr size_t kQueries = kTileQueries;
  static constexpr size_t kVectors = kTileVectors;
  static constexpr size_t kLanes = Arithmetic::kLanes;
  static constexpr size_t kRows = Packed::kRows;
  static constexpr size_t kSumQueries = sum_queries<Arithmetic>();
  static constexpr size_t kPassQueries = kQueries * kVectors > kMostSums ? kQueries / 2 : kQueries;
  static_assert(kQueries % kPassQueries == 0 && kPassQueries % kSumQueries == 0);
  static constexpr size_t kQuerySums = kPassQueries / kSumQueries;  // sums of a pass for each of its kRowSums
  static constexpr size_t kRowSums = kVectors * kSumQueries;
  static constexpr size_t kSumRows = kLanes / kSumQueries;
  static constexpr size_t kQueryStep = kSumQueries * Packed::kQueryStep;  // elements that a step takes for a sum

  struct Scores {
    Score of[kQueries][kVectors];
  };

  static inline __attribute__((always_inline)) void compute(const void* queries, const void* rows, size_t dim,
                                                            Scores& scores) {
#pragma GCC unroll 2
    for (size_t first = 0; first < kQueries; first += kPassQueries) compute_pass(queries, rows, dim, first, scores);
  }

 private:
  // Computes the scores of the queries of a pass, from the tile's query `first` on.
  static inline __attribute__((always_inline)) void compute_pass(const void* queries, const void* rows, size_t dim,
                                                                 size_t first, Scores& scores) {
    const Element* q = static_cast<const Element*>(queries) + first * Packed::kQueryStep;
    Sum sums[kQuerySums][kRowSums];
#pragma GCC unroll 8
    for (size_t v = 0; v < kRowSums; ++v) {
      const Sum start = Arithmetic::start(rows, v);
#pragma GCC unroll 16
      for (size_t i = 0; i < kQuerySums; ++i) {
        sums[i][v] = start;
        pin(sums[i][v]);
      }
    }
    const char* const elements = static_cast<const char*>(rows) + kRows * Arithmetic::kStartBytes;
    const Element* x = reinterpret_cast<const Element*>(elements);
    for (size_t step = Packed::groups(dim); step > 0; --step, q += kQueries * Packed::kQueryStep, x += kRows * kGroup) {
      typename Arithmetic::Vector row[kRowSums];
#pragma GCC unroll 8
      for (size_t v = 0; v < kRowSums; ++v) row[v] = Arithmetic::load(x + v * kSumRows * kGroup);
#pragma GCC unroll 16
      for (size_t i = 0; i < kQuerySums; ++i) {
        const typename Arithmetic::Vector group = Arithmetic::broadcast(q + i * kQueryStep);
#pragma GCC unroll 8
        for (size_t v = 0; v < kRowSums; ++v) {
          sums[i][v] = Arithmetic::add_product(sums[i][v], group, row[v]);
          pin(sums[i][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kQuerySums; ++i) {
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) {
        if constexpr (kSumQueries == 1) {
          scores.of[first + i][v] = Arithmetic::to_score(sums[i][v]);
        } else {
          static_assert(kSumQueries == 2);
          Arithmetic::to_scores(sums[i][2 * v], sums[i][2 * v + 1], scores.of[first + 2 * i][v],
                                scores.of[first + 2 * i + 1][v]);
        }
      }
    }
  }
};
