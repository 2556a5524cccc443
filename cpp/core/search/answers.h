// Writes the neighbours that tasks have found to the caller's arrays.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "search/search.h"
#include "search/top_k.h"

namespace latentknn {

// Writes the best rows of a query, in the contract's order. Where fewer than k reach the similarity that the request
// asks for, the rest of the answer is AnswerArrays::kNone. Returns false where fewer than k reach the query's guess, so
// that rows below it may belong to the answer too.
bool write_answer(const Search& search, std::size_t query, const std::vector<ScoredRow>& best);

// With one shard, answers are written as they come; with several, merge() writes the best of all shards at the end.
// Several threads may put answers at once, each of another pair of a query and a shard.
class Answers {
 public:
  Answers(const Search& search, std::size_t shards);
  void put(std::size_t query, std::size_t shard, TopK& best);
  void merge();

  // Returns the queries whose guesses were too high, ascending, once all answers are written.
  std::vector<std::size_t> refuted() const;

  // A similarity that k rows of some shard reach, or the query's guess: no row below it is among the query's best
  // unless the guess is refuted. It is minus infinity where there is only one shard, which knows its own threshold.
  double threshold(std::size_t query) const {
    return shards_ == 1 ? -std::numeric_limits<double>::infinity() : thresholds_[query].load(std::memory_order_relaxed);
  }
  void raise_threshold(std::size_t query, double value);

 private:
  const Search& search_;
  std::size_t shards_;
  std::vector<std::vector<ScoredRow>> partial_;
  std::vector<std::atomic<double>> thresholds_;
  std::vector<std::uint8_t> refuted_;  // one flag a query
};

}  // namespace latentknn
