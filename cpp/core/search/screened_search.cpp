#include "search/screened_search.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "platform/thread_pool.h"
#include "search/answers.h"
#include "search/block_search.h"
#include "search/placed_queries.h"
#include "search/plan.h"

namespace latentknn {

void screened_search(const Search& search, const Ladder& ladder, const Layout& layout) {
  const PlacedQueries placed(search, layout);
  const SearchPlan plan = plan_screened(search, ladder, layout);
  const std::size_t cells = (search.rows.count + layout.cell_rows() - 1) / layout.cell_rows();
  Answers answers(search, plan.shards);

  std::mutex idle_mutex;
  std::vector<std::unique_ptr<BlockSearch>> idle;

  const auto task = [&](std::size_t index) {
    std::unique_ptr<BlockSearch> block;
    {
      const std::lock_guard lock(idle_mutex);
      if (!idle.empty()) {
        block = std::move(idle.back());
        idle.pop_back();
      }
    }
    if (!block) block = std::make_unique<BlockSearch>(search, ladder, layout);
    const std::size_t first = index / plan.shards * plan.query_block;
    const std::size_t last = std::min(first + plan.query_block, search.queries.count());
    // The shard of the queries' own places comes first: its thresholds spare the others most of their work.
    const std::size_t home = placed.places[(first + last) / 2] / layout.cell_rows() * plan.shards / cells;
    const std::size_t shard = (index + home) % plan.shards;
    const Window window{cells * shard / plan.shards, cells * (shard + 1) / plan.shards};
    block->search(placed, first, last, window, shard, answers);
    const std::lock_guard lock(idle_mutex);
    idle.push_back(std::move(block));
  };
  ThreadPool::shared().run_sized(plan.work, plan.tasks(), search.request.threads, task, search.request.poll);
  answers.merge();
}

}  // namespace latentknn
