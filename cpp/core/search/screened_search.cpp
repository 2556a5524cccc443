#include "search/screened_search.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "platform/thread_pool.h"
#include "search/answers.h"
#include "search/block_search.h"
#include "search/first_thresholds.h"
#include "search/guesses.h"
#include "search/placed_queries.h"
#include "search/plan.h"
#include "search/range_block.h"

namespace latentknn {
namespace {

// Up to so many neighbours, thresholds that blocks find cost less than guesses.
constexpr std::size_t kMostByBlocks = 128;
constexpr std::size_t kAgainAtOnce = 1024;  // queries whose answers are copied when they are searched for again

// Does each task of a plan with a block that no other thread uses: work(block, first, last, index). Makes a Block of
// the search, the ladder, the layout and `more`.
template <class Block, class Work, class... Arguments>
void for_each_block(const Search& search, const Ladder& ladder, const Layout& layout, const SearchPlan& plan,
                    const Work& work, Arguments&... more) {
  std::mutex idle_mutex;
  std::vector<std::unique_ptr<Block>> idle;
  const auto task = [&](std::size_t index) {
    std::unique_ptr<Block> block;
    {
      const std::lock_guard lock(idle_mutex);
      if (!idle.empty()) {
        block = std::move(idle.back());
        idle.pop_back();
      }
    }
    if (!block) block = std::make_unique<Block>(search, ladder, layout, more...);
    const std::size_t first = index / plan.shards * plan.query_block;
    work(*block, first, std::min(first + plan.query_block, search.queries.count()), index);
    const std::lock_guard lock(idle_mutex);
    idle.push_back(std::move(block));
  };
  ThreadPool::shared().run_sized(plan.work, plan.tasks(), search.request.threads, task, search.request.poll);
}

std::size_t cells_of(const Search& search, const Layout& layout) {
  return (search.rows.count + layout.cell_rows() - 1) / layout.cell_rows();
}

// Returns the queries whose guesses were too high.
std::vector<std::size_t> search_blocks(const Search& search, const Ladder& ladder, const Layout& layout,
                                       const SearchPlan& plan) {
  const PlacedQueries placed(search, layout);
  const std::size_t cells = cells_of(search, layout);
  Answers answers(search, plan.shards);
  for_each_block<BlockSearch>(search, ladder, layout, plan,
                              [&](BlockSearch& block, std::size_t first, std::size_t last, std::size_t index) {
                                // The shard of the queries' own places comes first: its thresholds spare the others
                                // most of their work.
                                const std::size_t place = placed.places[(first + last) / 2];
                                const std::size_t home = place / layout.cell_rows() * plan.shards / cells;
                                const std::size_t shard = (index + home) % plan.shards;
                                const Window window{cells * shard / plan.shards, cells * (shard + 1) / plan.shards};
                                block.search(placed, first, last, window, shard, answers);
                              });
  answers.merge();
  return answers.refuted();
}

// Searches without guesses for `count` of the queries, by their numbers.
void search_some(const Search& search, const std::size_t* which, std::size_t count, const Ladder& ladder,
                 const Layout& layout) {
  const std::size_t k = search.request.k, dim = search.queries.dim();
  std::vector<float> vectors(count * dim), similarities(count * k);
  std::vector<double> squared_norms(count), at_least(count), scores(count * k);
  std::vector<std::int64_t> positions(count * k), ids(count * k);
  std::vector<std::uint32_t> own_rows(search.own_rows != nullptr ? count : 0);
  for (std::size_t i = 0; i < count; ++i) {
    std::copy_n(search.queries.vector(which[i]), dim, vectors.data() + i * dim);
    squared_norms[i] = search.queries.squared_norms()[which[i]];
    at_least[i] = search.at_least(which[i]);
    if (search.own_rows != nullptr) own_rows[i] = search.own_rows[which[i]];
  }
  const Queries queries(vectors.data(), squared_norms.data(), count, dim);
  SearchRequest request = search.request;
  request.at_least = at_least.data();
  request.answers = {similarities.data(), positions.data(), ids.data(), scores.data()};
  const Search some{search.kernels,   search.rows, queries, request, own_rows.empty() ? nullptr : own_rows.data(),
                    search.statistics};
  search_blocks(some, ladder, layout, plan_screened(some, ladder, layout));
  const AnswerArrays& answers = search.request.answers;
  for (std::size_t i = 0; i < count; ++i) {
    const auto copy = [&](const auto& from, auto* to) {
      if (to != nullptr) std::copy_n(from.data() + i * k, k, to + which[i] * k);
    };
    copy(similarities, answers.similarities);
    copy(positions, answers.positions);
    copy(ids, answers.ids);
    copy(scores, answers.scores64);
  }
}

}  // namespace

void screened_search(const Search& search, const Ladder& ladder, const Layout& layout) {
  const SearchPlan plan = plan_screened(search, ladder, layout);
  Search begun = search;
  std::vector<double> guesses;
  if (search.guesses == nullptr) {
    const bool possible = FirstThresholds::possible(search, ladder, plan.shards);
    if (!possible || search.request.k > kMostByBlocks) guesses = guess_thresholds(search, layout, possible);
    if (!guesses.empty()) begun.guesses = guesses.data();
    begun.blocks_find_thresholds = possible && guesses.empty();
  }
  const std::vector<std::size_t> refuted = search_blocks(begun, ladder, layout, plan);
  for (std::size_t begin = 0; begin < refuted.size(); begin += kAgainAtOnce) {
    search_some(search, refuted.data() + begin, std::min(kAgainAtOnce, refuted.size() - begin), ladder, layout);
  }
}

void screened_range_search(const Search& search, const Ladder& ladder, const Layout& layout, RangeAnswers& answers,
                           std::size_t part) {
  const PlacedQueries placed(search, layout);
  const SearchPlan plan = plan_screened(search, ladder, layout);
  const std::size_t cells = cells_of(search, layout);
  const auto work = [&](RangeBlock& block, std::size_t first, std::size_t last, std::size_t index) {
    const std::size_t shard = index % plan.shards;
    block.search(placed, first, last, {cells * shard / plan.shards, cells * (shard + 1) / plan.shards}, part);
  };
  for_each_block<RangeBlock>(search, ladder, layout, plan, work, answers);
}

void look_near(const Search& search, const Ladder& ladder, const Layout& layout) {
  const PlacedQueries placed(search, layout);
  const SearchPlan plan = plan_look(search, ladder, layout);
  const Window all{0, cells_of(search, layout)};
  Answers answers(search, plan.shards);
  for_each_block<BlockSearch>(search, ladder, layout, plan,
                              [&](BlockSearch& block, std::size_t first, std::size_t last, std::size_t) {
                                block.look(placed, first, last, all, answers);
                              });
}

}  // namespace latentknn
