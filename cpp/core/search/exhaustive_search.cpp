#include "search/exhaustive_search.h"

#include <algorithm>
#include <numeric>

#include "platform/thread_pool.h"
#include "search/answers.h"
#include "search/exact_scorer.h"
#include "search/plan.h"

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

}  // namespace

void exhaustive_search(const Search& search) {
  const Rows& rows = search.rows;
  const SearchRequest& request = search.request;
  const std::vector<std::uint32_t> list = admitted(rows.count, request.allowed);
  const SearchPlan plan = plan_exhaustive(search, list.size());
  const std::size_t chunk = std::max<std::size_t>(16, kRowBytes / (rows.dim * sizeof(float)));
  Answers answers(search, plan.shards);

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
    std::vector<TopK> best(count, TopK(request.k, rows.ids));
    std::vector<std::uint32_t> others;
    for (std::size_t at = begin; at < end; at += chunk) {
      const std::size_t size = std::min(chunk, end - at);
      for (std::size_t q = 0; q < count; ++q) {
        ThreadPool::check_interrupt();
        const std::uint32_t* part = list.data() + at;
        std::size_t part_size = size;
        if (search.own_rows != nullptr) {
          others.assign(part, part + part_size);
          std::erase(others, search.own_rows[first + q]);
          part = others.data();
          part_size = others.size();
        }
        scorer.score(q, part, part_size, best[q]);
      }
    }
    for (std::size_t q = 0; q < count; ++q) answers.put(first + q, shard, best[q]);
    search.statistics.scored_rows += scorer.scored_rows();
  };
  ThreadPool::shared().run_sized(plan.work, plan.tasks(), request.threads, task, request.poll);
  answers.merge();
}

}  // namespace latentknn
