#include "search/screened_search.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "choice/costs.h"
#include "search/block_search.h"
#include "search/placed_queries.h"

namespace latentknn {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} << 10;    // packed queries of a block: half an L2 cache
constexpr std::size_t kCandidateBytes = std::size_t{8} << 20;  // candidate lists of a block
constexpr std::size_t kPartialBytes = std::size_t{32} << 20;   // best rows of all shards, before the merge
constexpr std::size_t kSmallestBlock = 64;                     // queries; below, split the database instead
constexpr std::size_t kTasksPerThread = 6;                     // so that threads finish together

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
std::size_t round_up(std::size_t a, std::size_t b) { return divide_up(a, b) * b; }

SearchPlan plan(const Ladder& ladder, const Layout& layout, const Rows& rows, const SearchRequest& request) {
  const Screen& screen = *ladder.screens[ladder.first];
  const ScreenKernel& kernel = screen.kernel();
  const std::size_t tile = kernel.query_tile;
  const std::size_t count = request.queries.rows;
  const std::size_t tasks = kTasksPerThread * request.threads;
  const std::size_t most = std::min(kBlockBytes / kernel.query_bytes(screen.packed_dim()),
                                    kCandidateBytes / BlockSearch::candidate_bytes(layout.cell_rows(), request.k)) /
                           tile * tile;

  SearchPlan plan;
  plan.query_block = std::max(std::min(most, std::max(round_up(divide_up(count, tasks), tile),
                                                      round_up(std::min(count, kSmallestBlock), tile))),
                              tile);
  plan.blocks = divide_up(count, plan.query_block);
  const std::size_t useful = rows.count / (8 * request.k + 1024);
  const std::size_t affordable = kPartialBytes / (count * request.k * sizeof(ScoredRow));
  plan.shards = std::max<std::size_t>(1, std::min({divide_up(tasks, plan.blocks), useful, affordable}));
  return plan;
}

}  // namespace

void screened_search(const KernelTable& kernels, const Ladder& ladder, const Layout& layout, const Rows& rows,
                     const SearchRequest& request) {
  const PlacedQueries placed(kernels, layout, request);
  const SearchPlan cut = plan(ladder, layout, rows, request);
  const std::size_t cells = divide_up(rows.count, layout.cell_rows());
  AnswerSink sink(request, rows, cut.shards);

  std::mutex idle_mutex;
  std::vector<std::unique_ptr<BlockSearch>> idle;

  const auto task = [&](std::size_t index) {
    std::unique_ptr<BlockSearch> search;
    {
      const std::lock_guard lock(idle_mutex);
      if (!idle.empty()) {
        search = std::move(idle.back());
        idle.pop_back();
      }
    }
    if (!search) search = std::make_unique<BlockSearch>(kernels, ladder, layout, rows, request);
    const std::size_t first = index / cut.shards * cut.query_block;
    const std::size_t last = std::min(first + cut.query_block, request.queries.rows);
    // The shard of the queries' own place comes first: its thresholds spare the others most of their work.
    const std::size_t home = placed.places[(first + last) / 2] / layout.cell_rows() * cut.shards / cells;
    const std::size_t shard = (index + home) % cut.shards;
    search->search(placed, first, last, cells * shard / cut.shards, cells * (shard + 1) / cut.shards, shard, sink);
    const std::lock_guard lock(idle_mutex);
    idle.push_back(std::move(search));
  };
  const double work = static_cast<double>(request.queries.rows) * costs::searched_query(rows.count, rows.dim);
  ThreadPool::shared().run_sized(work, cut.blocks * cut.shards, request.threads, task, request.poll);
  sink.merge();
}

}  // namespace latentknn
