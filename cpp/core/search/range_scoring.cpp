#include "search/range_scoring.h"

#include <algorithm>

#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr std::size_t kFetchedBytes = std::size_t{256} << 10;  // bytes of rows fetched since the last scoring
constexpr std::uint32_t kNoPlace = ~std::uint32_t{0};

}  // namespace

RangeScoring::RangeScoring(const Search& search, const Layout& layout, const TileLadder& ladder, RangeAnswers& answers)
    : search_(search),
      layout_(layout),
      ladder_(ladder),
      answers_(answers),
      counts_only_(answers.counts_only()),
      scorer_(search),
      most_fetched_(std::max<std::size_t>(1, kFetchedBytes / (search.rows.dim * sizeof(float)))),
      recent_(kRecent) {
  pairs_.resize(kPairs);
  by_query_.resize(kPairs);
  scores_.resize(kPairs);
}

void RangeScoring::start(const std::vector<std::size_t>& queries) {
  queries_ = queries;
  scorer_.start(queries_);
  count_ = fetched_ = 0;
  std::fill(recent_.begin(), recent_.end(), kNoPlace);
  while (found_.size() < queries_.size()) found_.emplace_back(answers_);
  for (std::size_t q = 0; q < queries_.size(); ++q) found_[q].start(ladder_.thresholds()[q]);
}

void RangeScoring::score_places(std::size_t q, const std::vector<std::uint32_t>& places) {
  rows_.clear();
  for (const std::uint32_t place : places) rows_.push_back(layout_.order()[place]);
  scorer_.score_scattered(q, rows_, found_[q]);
}

void RangeScoring::score_cell(std::size_t cell, std::size_t tile, const PlaceSet& without) {
  scorer_.read_cell(layout_, cell, without, run_);
  for (std::size_t q = ladder_.first(tile); q < ladder_.end(tile); ++q) {
    scorer_.score_run(q, run_, queries_[q], found_[q]);
  }
}

void RangeScoring::score_all() {
  ThreadPool::check_interrupt();
  const Pair* const pairs = sorted();
  scorer_.similarities(pairs, count_, scores_.data());
  for (std::size_t begin = 0; begin < count_;) {
    const std::uint32_t q = pairs[begin].query;
    std::size_t end = begin + 1;
    while (end < count_ && pairs[end].query == q) ++end;
    found_[q].push(scores_.data() + begin, pairs + begin, end - begin);
    begin = end;
  }
  count_ = fetched_ = 0;
}

// Returns the pairs that wait: by query, where they are so many that queries are worth to be read once only.
const Pair* RangeScoring::sorted() {
  if (count_ < queries_.size()) return pairs_.data();
  ends_.assign(queries_.size() + 1, 0);
  for (std::size_t i = 0; i < count_; ++i) ++ends_[pairs_[i].query + 1];
  for (std::size_t q = 0; q < queries_.size(); ++q) ends_[q + 1] += ends_[q];
  for (std::size_t i = 0; i < count_; ++i) by_query_[ends_[pairs_[i].query]++] = pairs_[i];
  return by_query_.data();
}

void RangeScoring::hand_over(std::size_t part) {
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    ThreadPool::check_interrupt();  // sorting a long answer takes a while
    found_[q].hand_over(queries_[q], part);
  }
  search_.statistics.scored_rows += scorer_.scored_rows();
}

}  // namespace latentknn
