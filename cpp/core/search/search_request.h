// The request of a search, and the counts of all searches.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/thread_pool.h"
#include "rows/convert.h"
#include "search/answer_arrays.h"

namespace latentknn {

struct SearchRequest {
  Matrix queries;
  std::size_t k;  // neighbours of a query; 0 where all in range are wanted, which `answers` have no room for
  const std::uint8_t* allowed = nullptr;  // one flag a row; null admits every row
  std::size_t allowed_count = 0;
  // By query: a similarity that neighbours have at least. Null: they may have any.
  const double* at_least = nullptr;
  std::size_t threads = 1;
  ThreadPool::Poll poll;
  AnswerArrays answers;
};

// Counts of what the searches of a database have done.
struct SearchStatistics {
  std::atomic<std::uint64_t> queries{0};
  std::atomic<std::uint64_t> screened_rows{0};  // screened pairs of a query and a row; others were out of reach
  std::atomic<std::uint64_t> finer_rows{0};     // pairs screened on finer rungs than the one that searches begin on
  std::atomic<std::uint64_t> scored_rows{0};    // pairs that were scored exactly
};

}  // namespace latentknn
