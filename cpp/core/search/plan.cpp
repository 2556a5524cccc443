#include "search/plan.h"

#include <algorithm>

#include "choice/costs.h"
#include "platform/thread_pool.h"
#include "search/block_search.h"
#include "search/top_k.h"

namespace latentknn {
namespace {

constexpr std::size_t kScoredBlock = 16;                       // queries that are scored together
constexpr double kFloat64 = 8.0;                               // time of a product in float64, relative to float32
constexpr std::size_t kCandidateBytes = std::size_t{8} << 20;  // bytes of a block's candidate lists
constexpr std::size_t kPartialBytes = std::size_t{32} << 20;   // bytes of the best rows of all shards, before the merge
constexpr std::size_t kRangeBlock =
    512;  // queries of the largest block of a range search, so that a cache has its rows
constexpr std::size_t kSmallestBlock = 64;  // queries of the smallest block; then the rows are split instead
constexpr std::size_t kTasksPerThread = 6;  // enough for threads to finish together

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
std::size_t round_up(std::size_t a, std::size_t b) { return divide_up(a, b) * b; }

double work_of(const Search& search) {
  return static_cast<double>(search.queries.count()) * costs::searched_query(search.rows.count, search.rows.dim);
}

std::size_t threads_for(double work, const Search& search) {
  return ThreadPool::is_little(work) ? 1 : search.request.threads;
}

}  // namespace

SearchPlan plan_exhaustive(const Search& search, std::size_t rows) {
  const std::size_t count = search.queries.count();
  SearchPlan plan;
  plan.work = kFloat64 * work_of(search);
  const std::size_t threads = threads_for(plan.work, search);
  plan.query_block = std::min(kScoredBlock, std::max<std::size_t>(1, count / threads));
  plan.blocks = divide_up(count, plan.query_block);
  const std::size_t wanted = plan.blocks >= threads ? 1 : 2 * threads;
  plan.shards = std::clamp<std::size_t>(rows / (4 * search.request.k + 1024), 1, wanted);
  return plan;
}

SearchPlan plan_look(const Search& search, const Ladder& ladder, const Layout& layout) {
  SearchPlan plan = plan_screened(search, ladder, layout);
  const std::size_t rows = BlockSearch::first_rows(layout.cell_rows(), search.request.k);
  plan.work = static_cast<double>(search.queries.count()) * costs::searched_query(rows, search.rows.dim);
  plan.shards = 1;
  return plan;
}

SearchPlan plan_screened(const Search& search, const Ladder& ladder, const Layout& layout) {
  const Screen& screen = *ladder.screens[ladder.begins_on];
  const std::size_t tile = screen.kernel().query_tile;
  const std::size_t count = search.queries.count(), k = std::max<std::size_t>(1, search.request.k);
  const std::size_t few =
      search.request.k == 0 ? kRangeBlock : kCandidateBytes / BlockSearch::candidate_bytes(layout.cell_rows(), k);
  const std::size_t most =
      std::min(screen.kernel().block_bytes / screen.kernel().query_bytes(screen.packed_dim()), few) / tile * tile;
  SearchPlan plan;
  plan.work = work_of(search);
  const std::size_t threads = threads_for(plan.work, search), tasks = kTasksPerThread * threads;
  plan.query_block = std::max(std::min(most, std::max(round_up(divide_up(count, tasks), tile),
                                                      round_up(std::min(count, kSmallestBlock), tile))),
                              tile);
  plan.blocks = divide_up(count, plan.query_block);
  plan.shards = 1;
  if (threads == 1) return plan;  // a shard has lower thresholds than the whole
  const std::size_t useful = search.rows.count / (8 * k + 1024);
  const std::size_t affordable = kPartialBytes / (count * k * sizeof(ScoredRow));
  plan.shards = std::max<std::size_t>(1, std::min({divide_up(tasks, plan.blocks), useful, affordable}));
  return plan;
}

}  // namespace latentknn
