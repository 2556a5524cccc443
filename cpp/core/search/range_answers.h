// The answers of a range search: all rows of each query that are at least as similar as it asks.
//
// Tasks put what they have found by query and part; no task needs room for more than its own block. At the end the
// caller, who knows how many there are by then, has them written to arrays: the answers of all queries one behind the
// other, those of query q from the sum of the counts before.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "platform/aligned_buffer.h"
#include "platform/thread_pool.h"
#include "rows/rows.h"
#include "search/top_k.h"

namespace latentknn {

// Thrown once more rows are found than were asked for at most.
struct TooManyFound : std::length_error {
  using std::length_error::length_error;
};

// Arrays of as many elements as there are rows in all answers.
struct RangeArrays {
  float* similarities;
  std::int64_t* positions;
  std::int64_t* ids;  // null where they are not asked for, as they are the positions
  double* scores64;   // null where float64 similarities are not asked for
};

class RangeAnswers {
 public:
  enum class Wanted {
    counts,         // how many rows are in range
    by_similarity,  // the rows, in the order of the contract
    by_position,    // the rows, in ascending order of their positions
  };

  // There may be `most` rows in all.
  RangeAnswers(std::size_t queries, Wanted wanted, std::uint64_t most);

  bool counts_only() const { return wanted_ == Wanted::counts; }

  // Tells that queries are numbered from `first_query` on, until it is called again. No task is at work then.
  void number_from(std::size_t first_query) { first_query_ = first_query; }
  // Adds a part, which lives until everything is written; its number is returned. No task is at work then.
  std::size_t add_part(const Rows& rows);

  // Several threads may call these at once. note() throws TooManyFound.
  void note(std::size_t more);
  void put(std::size_t query, std::size_t part, std::size_t count, AlignedBuffer<ScoredRow>& rows);

  std::size_t count(std::size_t query) const { return counts_[query]; }

  // Writes all rows. Throws Interrupted.
  void write(const RangeArrays& arrays, std::size_t threads, const ThreadPool::Poll& poll) const;

 private:
  // What one task has found for a query in a part, sorted: its similarities, and its rows behind them.
  struct Piece {
    std::size_t part;
    std::size_t count;
    double* scores;
    std::uint32_t* rows;
  };
  // A row, as it is known outside of its part.
  struct Found {
    double score;
    std::int64_t id;
    std::int64_t position;
  };
  struct FoundOrder;
  static constexpr std::size_t kLocks = 64;

  void sort(AlignedBuffer<ScoredRow>& rows, const Rows& of) const;
  Piece room_for(std::size_t part, std::size_t count);
  void merge(const std::vector<Piece>& pieces, std::vector<Found>& all) const;
  void write_piece(const Piece& piece, std::size_t at, const RangeArrays& arrays) const;

  const Wanted wanted_;
  const std::uint64_t most_;
  std::atomic<std::uint64_t> noted_{0};
  std::size_t first_query_ = 0;
  std::vector<Rows> parts_;
  std::vector<std::size_t> counts_;         // by query
  std::vector<std::vector<Piece>> pieces_;  // by query; none where rows are only counted
  // Pieces stand one behind the other in blocks of memory, of which the last has room for more.
  std::mutex memory_mutex_;
  std::vector<AlignedBuffer<double>> memory_;
  std::size_t used_ = 0;
  // Queries whose numbers leave the same remainder share a lock.
  std::mutex locks_[kLocks];
};

}  // namespace latentknn
