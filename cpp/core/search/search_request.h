// One batch search: what is asked, over which rows, and where the answers go.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/kernel_table.h"
#include "platform/thread_pool.h"
#include "rows/convert.h"
#include "rows/rows.h"
#include "search/top_k.h"

namespace latentknn {

// What a search had to do.
struct SearchStatistics {
  std::atomic<std::uint64_t> queries{0};
  std::atomic<std::uint64_t> screened_rows{0};  // by their screened score; the others were out of reach
  std::atomic<std::uint64_t> finer_rows{0};     // rows screened on finer rungs than the first
  std::atomic<std::uint64_t> scored_rows{0};    // exactly, after screening
};

struct SearchRequest {
  Matrix queries;
  std::size_t k;
  const std::uint8_t* allowed = nullptr;  // null: every row; else one flag a row
  std::size_t allowed_count = 0;
  bool exclude_self = false;  // query i is row i of the database and not among its own neighbours
  std::size_t threads = 1;
  ThreadPool::Poll poll;

  // (queries, k) each, in the contract's order; scores64 may be null.
  float* similarities;
  std::int64_t* positions;
  std::int64_t* ids;
  double* scores64;
  SearchStatistics* statistics = nullptr;

  bool admits(std::size_t query, std::uint32_t row) const {
    return (allowed == nullptr || allowed[row] != 0) && !(exclude_self && row == query);
  }
};

// Writes one query's k best rows.
void write_answer(const SearchRequest& request, const Rows& rows, std::size_t query,
                  const std::vector<ScoredRow>& best);

// How a batch is cut into tasks: blocks of queries times shards of the database.
struct SearchPlan {
  std::size_t query_block;
  std::size_t blocks;
  std::size_t shards;
};

// Gathers the answers of all tasks. With one shard they are written as they come; with several, each
// shard's best are kept and merged at the end. Safe from several threads for different (query, shard).
class AnswerSink {
 public:
  AnswerSink(const SearchRequest& request, const Rows& rows, std::size_t shards);
  void put(std::size_t query, std::size_t shard, TopK& best);
  void merge();

  // A similarity that some shard has found enough rows of: no row below it is among the query's best. Minus
  // infinity where there is one shard only, which knows by itself.
  double threshold(std::size_t query) const {
    return shards_ == 1 ? -std::numeric_limits<double>::infinity() : thresholds_[query].load(std::memory_order_relaxed);
  }
  void raise_threshold(std::size_t query, double value);

 private:
  const SearchRequest& request_;
  const Rows& rows_;
  std::size_t shards_;
  std::vector<std::vector<ScoredRow>> partial_;
  std::vector<std::atomic<double>> thresholds_;
};

}  // namespace latentknn
