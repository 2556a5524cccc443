#include "search/range_scoring.h"

#include "platform/thread_pool.h"

namespace latentknn {

RangeScoring::RangeScoring(const Search& search, const Layout& layout, const TileLadder& ladder, RangeAnswers& answers)
    : search_(search),
      layout_(layout),
      ladder_(ladder),
      answers_(answers),
      counts_only_(answers.counts_only()),
      scorer_(search) {}

void RangeScoring::start(const std::vector<std::size_t>& queries) {
  queries_ = queries;
  scorer_.start(queries_);
  pairs_.clear();
  if (found_.size() < queries_.size()) found_.resize(queries_.size(), RowsInRange(answers_));
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
  if (!search_.admits_all()) {
    std::erase_if(pairs_, [this](const ExactScorer::Pair& pair) { return !admits(pair.query, pair.place); });
  }
  // A counting sort by query: the scorer reads a query's rows in turn.
  ends_.assign(queries_.size() + 1, 0);
  for (const ExactScorer::Pair& pair : pairs_) ++ends_[pair.query + 1];
  for (std::size_t q = 0; q < queries_.size(); ++q) ends_[q + 1] += ends_[q];
  by_query_.resize(pairs_.size());
  for (const ExactScorer::Pair& pair : pairs_) by_query_[ends_[pair.query]++] = pair;
  pairs_.clear();
  ThreadPool::check_interrupt();
  scorer_.score(by_query_, layout_.order(), found_);
}

void RangeScoring::hand_over(std::size_t part) {
  for (std::size_t q = 0; q < queries_.size(); ++q) found_[q].hand_over(queries_[q], part);
  search_.statistics.scored_rows += scorer_.scored_rows();
}

}  // namespace latentknn
