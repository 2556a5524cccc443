// What a caller asks of a search, and what is counted of all searches.
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
  std::size_t k;
  const std::uint8_t* allowed = nullptr;  // null: every row; else one flag a row
  std::size_t allowed_count = 0;
  std::size_t threads = 1;
  ThreadPool::Poll poll;
  AnswerArrays answers;
};

// What the searches of a database had to do.
struct SearchStatistics {
  std::atomic<std::uint64_t> queries{0};
  // Pairs of a query and a row.
  std::atomic<std::uint64_t> screened_rows{0};  // the others were out of reach
  std::atomic<std::uint64_t> finer_rows{0};     // screened on finer rungs than the one that searches begin on
  std::atomic<std::uint64_t> scored_rows{0};    // scored exactly
};

}  // namespace latentknn
