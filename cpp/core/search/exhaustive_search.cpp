#include "search/exhaustive_search.h"

#include <algorithm>
#include <numeric>

#include "platform/thread_pool.h"
#include "search/answers.h"
#include "search/exact_scorer.h"
#include "search/plan.h"
#include "search/rows_in_range.h"

namespace latentknn {
namespace {

constexpr std::size_t kRowBytes = std::size_t{192} << 10;  // bytes of rows that are scored together: in the L2 cache

// Returns the rows that a mask allows; null allows all.
std::vector<std::uint32_t> admitted(std::size_t count, const std::uint8_t* allowed) {
  std::vector<std::uint32_t> list(count);
  std::iota(list.begin(), list.end(), std::uint32_t{0});
  if (allowed != nullptr) std::erase_if(list, [allowed](std::uint32_t row) { return allowed[row] == 0; });
  return list;
}

// Scores all admitted rows for all queries, and offers those of a query in a shard to what made(query) returns. Calls
// done(query, shard, collected) at the end of each.
template <class Made, class Done>
void score_all(const Search& search, const std::vector<std::uint32_t>& list, const SearchPlan& plan, const Made& made,
               const Done& done) {
  const std::size_t chunk = std::max<std::size_t>(16, kRowBytes / (search.rows.dim * sizeof(float)));
  const auto task = [&](std::size_t index) {
    const std::size_t block = index / plan.shards;
    const std::size_t shard = index % plan.shards;
    const std::size_t first = block * plan.query_block;
    const std::size_t count = std::min(plan.query_block, search.queries.count() - first);
    const std::size_t begin = list.size() * shard / plan.shards;
    const std::size_t end = list.size() * (shard + 1) / plan.shards;

    ExactScorer scorer(search);
    std::vector<std::size_t> queries(count);
    std::iota(queries.begin(), queries.end(), first);
    scorer.start(queries);
    std::vector<decltype(made(first))> collected;
    collected.reserve(count);
    for (std::size_t q = 0; q < count; ++q) collected.push_back(made(first + q));
    std::vector<std::uint32_t> others;
    for (std::size_t at = begin; at < end; at += chunk) {
      const std::size_t size = std::min(chunk, end - at);
      for (std::size_t q = 0; q < count; ++q) {
        ThreadPool::check_interrupt();
        const std::uint32_t* part = list.data() + at;
        std::size_t part_size = size;
        if (search.own_rows != nullptr) {
          others.assign(part, part + part_size);
          std::erase_if(others, [&](std::uint32_t row) { return !search.admits(first + q, row); });
          part = others.data();
          part_size = others.size();
        }
        scorer.score(q, part, part_size, collected[q]);
      }
    }
    for (std::size_t q = 0; q < count; ++q) {
      ThreadPool::check_interrupt();
      done(first + q, shard, collected[q]);
    }
    search.statistics.scored_rows += scorer.scored_rows();
  };
  ThreadPool::shared().run_sized(plan.work, plan.tasks(), search.request.threads, task, search.request.poll);
}

}  // namespace

void exhaustive_search(const Search& search) {
  const std::vector<std::uint32_t> list = admitted(search.rows.count, search.request.allowed);
  const SearchPlan plan = plan_exhaustive(search, list.size());
  Answers answers(search, plan.shards);
  score_all(
      search, list, plan, [&](std::size_t) { return TopK(search.request.k, search.rows.ids); },
      [&](std::size_t query, std::size_t shard, TopK& best) { answers.put(query, shard, best); });
  answers.merge();
}

void exhaustive_range_search(const Search& search, RangeAnswers& answers, std::size_t part) {
  const std::vector<std::uint32_t> list = admitted(search.rows.count, search.request.allowed);
  const auto made = [&](std::size_t query) {
    RowsInRange found(answers);
    found.start(search.at_least(query));
    return found;
  };
  score_all(search, list, plan_exhaustive(search, list.size()), made,
            [&](std::size_t query, std::size_t, RowsInRange& found) { found.hand_over(query, part); });
}

}  // namespace latentknn
