// Scores rows for a block of queries by rule 1 of the contract, and offers them to what collects the queries' rows: a
// TopK, or RowsInRange.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "layout/layout.h"
#include "rows/rows.h"
#include "search/place_set.h"
#include "search/search.h"
#include "search/top_k.h"

namespace latentknn {

// Rows that stand next to each other. Equal rows are multiplied once.
struct RowRun {
  std::vector<std::uint32_t> distinct;
  std::vector<std::size_t> ends;  // for each distinct row: the end of its members
  std::vector<std::uint32_t> members;
};

class ExactScorer {
 public:
  struct PlacedPair {
    std::uint32_t query;
    std::uint32_t place;
  };

  explicit ExactScorer(const Search& search);

  // Begins a block of queries, by their numbers in the search.
  void start(const std::vector<std::size_t>& queries);

  template <class Collected>
  void score(std::size_t query, const std::uint32_t* list, std::size_t count, Collected& best);

  // Scores rows that are scattered in memory, and fetches them before they are needed.
  template <class Collected>
  void score_scattered(std::size_t query, const std::vector<std::uint32_t>& list, Collected& best);

  // Makes a run of the rows of a cell, except those at the places `without`, and fetches them.
  void read_cell(const Layout& layout, std::size_t cell, const PlaceSet& without, RowRun& run) const;

  // Scores the members of a run that the query admits. `asked` is its number in the search.
  template <class Collected>
  void score_run(std::size_t query, const RowRun& run, std::size_t asked, Collected& best);

  // Scores pairs of a query and the row at a place of `order`; the pairs are sorted by query. Near places come
  // together: a row that several queries want is then read from memory once.
  template <class Collected>
  void score(const std::vector<PlacedPair>& pairs, const std::vector<std::uint32_t>& order,
             std::vector<Collected>& best);

  // Computes the similarities of pairs of a query of the block and a row.
  void similarities(const Pair* pairs, std::size_t count, double* out);

  // Asks the processor to load a row into the cache before it is needed.
  void fetch(std::uint32_t row) const;

  std::uint64_t scored_rows() const { return scored_rows_; }

 private:
  // Most rows are below the threshold, which can be told without a root and a division. excludes() is true only for
  // products that belong to smaller similarities, however all of it is rounded.
  class Threshold {
   public:
    explicit Threshold(double threshold) : square_(square(threshold)) {}
    bool excludes(double product, double squared_norms) const {
      return product * std::abs(product) < square_ * squared_norms;
    }

   private:
    // The square of a tiny threshold is rounded by more than the margin, or is zero.
    static double square(double threshold) {
      constexpr double kTiny = 0x1p-500;
      if (threshold > kTiny) return threshold * threshold * (1.0 - 0x1p-48);
      return threshold > 0.0 ? 0.0 : -std::numeric_limits<double>::infinity();
    }

    double square_;
  };

  void multiply(std::size_t query, const std::uint32_t* list, std::size_t count);

  const Search& search_;
  const Rows& rows_;
  std::size_t padded_dim_;
  std::vector<double> squared_norms_;
  std::vector<double> wide_;  // queries in float64, padded for the kernel
  std::vector<double> products_;
  std::vector<PlacedPair> sorted_;
  std::vector<std::uint32_t> sorted_rows_;
  std::vector<std::size_t> ends_;       // by chunk of places: the end of its pairs
  std::vector<std::uint32_t> fetched_;  // by place in a chunk: the number of the chunk that it was fetched for
  std::uint32_t chunks_ = 0;            // number of chunks in all calls so far
  std::uint64_t scored_rows_ = 0;
};

}  // namespace latentknn
