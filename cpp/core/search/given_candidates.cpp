#include "search/given_candidates.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "platform/thread_pool.h"
#include "search/answers.h"
#include "search/exact_scorer.h"

namespace latentknn {
namespace {

constexpr std::size_t kQueriesPerTask = 16;

// Returns the positions that stand for rows, each once.
std::vector<std::uint32_t> rows_of(const std::int64_t* positions, std::size_t count, std::size_t row_count) {
  std::vector<std::uint32_t> list;
  for (std::size_t i = 0; i < count; ++i) {
    if (positions[i] < 0) continue;
    if (static_cast<std::uint64_t>(positions[i]) >= row_count) {
      throw std::invalid_argument("position " + std::to_string(positions[i]) + " is not one of the " +
                                  std::to_string(row_count) + " rows");
    }
    list.push_back(static_cast<std::uint32_t>(positions[i]));
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

}  // namespace

void score_given(const Search& search, const std::int64_t* positions, std::size_t per_query) {
  const SearchRequest& request = search.request;
  if (request.k < 1) throw std::invalid_argument("k must be at least 1");
  const std::size_t count = search.queries.count();
  const auto task = [&](std::size_t index) {
    ExactScorer scorer(search);
    for (std::size_t q = index * kQueriesPerTask; q < std::min((index + 1) * kQueriesPerTask, count); ++q) {
      ThreadPool::check_interrupt();
      const std::vector<std::uint32_t> list = rows_of(positions + q * per_query, per_query, search.rows.count);
      if (list.size() < request.k) {
        throw std::invalid_argument("query " + std::to_string(q) + " has " + std::to_string(list.size()) +
                                    " candidates, fewer than k = " + std::to_string(request.k));
      }
      scorer.start({q});
      TopK best(request.k, search.rows.ids);
      scorer.score_scattered(0, list, best);
      write_answer(search, q, best.sorted());
    }
  };
  ThreadPool::shared().run((count + kQueriesPerTask - 1) / kQueriesPerTask, request.threads, task, request.poll);
}

}  // namespace latentknn
