#include "search/exhaustive_search.h"

#include <algorithm>
#include <numeric>

#include "choice/costs.h"
#include "search/exact_scorer.h"

namespace latentknn {
namespace {

constexpr std::size_t kRowBytes = std::size_t{192} << 10;  // rows scored against a block of queries: in the L2 cache
constexpr std::size_t kQueryBlock = 16;
constexpr double kFloat64 = 8.0;  // how many times longer than in float32 a product takes

SearchPlan plan(const SearchRequest& request, std::size_t row_count) {
  SearchPlan plan;
  plan.query_block = std::min(kQueryBlock, std::max<std::size_t>(1, request.queries.rows / request.threads));
  plan.blocks = (request.queries.rows + plan.query_block - 1) / plan.query_block;
  const std::size_t wanted = plan.blocks >= request.threads ? 1 : 2 * request.threads;
  plan.shards = std::clamp<std::size_t>(row_count / (4 * request.k + 1024), 1, wanted);
  return plan;
}

}  // namespace

void exhaustive_search(const KernelTable& kernels, const Rows& rows, const SearchRequest& request) {
  std::vector<std::uint32_t> list;
  list.reserve(rows.count);
  for (std::uint32_t row = 0; row < rows.count; ++row) {
    if (request.allowed == nullptr || request.allowed[row] != 0) list.push_back(row);
  }
  const SearchPlan cut = plan(request, list.size());
  const std::size_t chunk = std::max<std::size_t>(16, kRowBytes / (rows.dim * sizeof(float)));
  AnswerSink sink(request, rows, cut.shards);

  const auto task = [&](std::size_t index) {
    const std::size_t block = index / cut.shards;
    const std::size_t shard = index % cut.shards;
    const std::size_t first = block * cut.query_block;
    const std::size_t count = std::min(cut.query_block, request.queries.rows - first);
    const std::size_t begin = list.size() * shard / cut.shards;
    const std::size_t end = list.size() * (shard + 1) / cut.shards;

    ExactScorer scorer(kernels, rows);
    std::vector<std::size_t> queries(count);
    std::iota(queries.begin(), queries.end(), first);
    scorer.start(request, queries);
    std::vector<TopK> best(count, TopK(request.k, rows.ids));
    std::vector<std::uint32_t> others;
    for (std::size_t at = begin; at < end; at += chunk) {
      const std::size_t size = std::min(chunk, end - at);
      for (std::size_t q = 0; q < count; ++q) {
        ThreadPool::check_interrupt();
        const std::uint32_t* part = list.data() + at;
        std::size_t part_size = size;
        if (request.exclude_self) {
          others.assign(part, part + part_size);
          std::erase(others, static_cast<std::uint32_t>(first + q));
          part = others.data();
          part_size = others.size();
        }
        scorer.score(q, part, part_size, best[q]);
      }
    }
    for (std::size_t q = 0; q < count; ++q) sink.put(first + q, shard, best[q]);
    if (request.statistics != nullptr) request.statistics->scored_rows += scorer.scored_rows();
  };
  const double work =
      kFloat64 * static_cast<double>(request.queries.rows) * costs::searched_query(rows.count, rows.dim);
  ThreadPool::shared().run_sized(work, cut.blocks * cut.shards, request.threads, task, request.poll);
  sink.merge();
}

}  // namespace latentknn
