#include "search/plan.h"

#include <algorithm>
#include <limits>

#include "choice/costs.h"
#include "platform/thread_pool.h"
#include "search/block_search.h"
#include "search/top_k.h"

namespace latentknn {
namespace {

constexpr std::size_t kScoredBlock = 16;                        // queries that are scored together
constexpr double kFloat64 = 8.0;                                // time of a product in float64, relative to float32
constexpr std::size_t kCandidateBytes = std::size_t{10} << 20;  // bytes of a block's candidate lists
constexpr std::size_t kPartialBytes = std::size_t{32} << 20;  // bytes of the best rows of all shards, before the merge
constexpr std::size_t kRangeBlock =
    512;  // queries of the largest block of a range search, so that a cache has its rows
constexpr std::size_t kRangeCells = 128;        // least number of cells of a range search's shard
constexpr std::size_t kMostTasksPerThread = 8;  // most tasks of a thread: more saved no time
constexpr double kWaits = 0.25;                 // share of a task for which threads wait for the last of them

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
std::size_t round_up(std::size_t a, std::size_t b) { return divide_up(a, b) * b; }

double work_of(const Search& search) {
  return static_cast<double>(search.queries.count()) * costs::searched_query(search.rows.count, search.rows.dim);
}

std::size_t threads_for(double work, const Search& search) {
  return ThreadPool::is_little(work) ? 1 : search.request.threads;
}

// Cuts a search that screens so many rows. Every block of queries reads all rows, and every shard finds k rows of its
// own for each query, so few of both are best, as long as all threads have the same to do.
SearchPlan cut_screened(const Search& search, const Ladder& ladder, const Layout& layout, double rows, double work,
                        std::size_t most_shards) {
  const Screen& screen = *ladder.screens[ladder.begins_on];
  const ScreenKernel& kernel = screen.kernel();
  const std::size_t tile = kernel.query_tile, count = search.queries.count(), k = search.request.k;
  const std::size_t few = k == 0 ? kRangeBlock : kCandidateBytes / BlockSearch::candidate_bytes(layout.cell_rows(), k);
  const std::size_t most = std::min(kernel.block_bytes / kernel.query_bytes(screen.packed_dim()), few) / tile * tile;
  const std::size_t threads = threads_for(work, search);
  const double read = rows * costs::read_row(kernel.row_bytes(screen.packed_dim()));
  const double compared = rows * costs::compared_row(kernel, screen.packed_dim());
  const double found = costs::query_in_shard(search.rows.dim, k);

  SearchPlan best{};
  double least = std::numeric_limits<double>::infinity();
  const auto consider = [&](std::size_t blocks, std::size_t tasks) {
    SearchPlan plan{};
    plan.query_block = std::max(tile, std::min(most, round_up(divide_up(count, blocks), tile)));
    plan.blocks = divide_up(count, plan.query_block);
    plan.shards = std::min(divide_up(tasks, plan.blocks), most_shards);
    plan.work = work;
    const std::size_t queries = std::min(plan.query_block, count);
    const double screened = read + static_cast<double>(round_up(queries, tile)) * compared;
    const double task = screened / static_cast<double>(plan.shards) + static_cast<double>(queries) * found;
    const double rounds = static_cast<double>(divide_up(plan.tasks(), threads)) + kWaits;
    if (rounds * task >= least) return;
    least = rounds * task;
    best = plan;
  };
  for (std::size_t tasks = threads; tasks <= kMostTasksPerThread * threads; tasks += threads) {
    for (std::size_t blocks = 1; blocks <= std::min(tasks, divide_up(count, tile)); ++blocks) {
      consider(blocks, tasks);
    }
  }
  return best;
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
  const std::size_t rows = BlockSearch::first_rows(layout.cell_rows(), search.request.k);
  const double work = static_cast<double>(search.queries.count()) * costs::searched_query(rows, search.rows.dim);
  return cut_screened(search, ladder, layout, static_cast<double>(rows), work, 1);
}

SearchPlan plan_screened(const Search& search, const Ladder& ladder, const Layout& layout) {
  const std::size_t rows = search.rows.count, found = std::max<std::size_t>(1, search.request.k);
  // A range search chooses rungs where its shard has cells enough.
  const std::size_t least_rows = search.request.k == 0 ? kRangeCells * layout.cell_rows() : 8 * found + 1024;
  const double work = work_of(search);
  // A shard has lower thresholds than the whole. One thread has no use for it.
  const std::size_t useful = threads_for(work, search) == 1 ? 1 : rows / least_rows;
  const std::size_t affordable = kPartialBytes / (search.queries.count() * found * sizeof(ScoredRow));
  return cut_screened(search, ladder, layout, layout.reached() * static_cast<double>(rows), work,
                      std::max<std::size_t>(1, std::min(useful, affordable)));
}

}  // namespace latentknn
