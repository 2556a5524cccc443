#include "search/rescoring.h"

#include <algorithm>

#include "choice/costs.h"
#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr std::size_t kGroup = 8;     // least number of rows that are scored before the threshold is looked at again
constexpr std::size_t kTrimmed = 64;  // candidates by which a list grows before it is shortened
constexpr double kSpared = 0.03;      // share of the comparisons to come that scoring may cost for a better threshold

// Leaves room for the rows that are first visited around a query's own place, and for those that wait for a better
// threshold.
std::size_t list_capacity(std::size_t first_rows, std::size_t k) {
  return first_rows + std::min(14 * k, 4 * k + 2048) + 512;
}

}  // namespace

Rescoring::Rescoring(const Search& search, const Layout& layout, TileLadder& ladder)
    : search_(search),
      layout_(layout),
      ladder_(ladder),
      scored_first_(std::max(search.request.k, kGroup)),
      scorer_(search),
      lists_(search.kernels) {}

std::size_t Rescoring::bytes_per_query(std::size_t first_rows, std::size_t k) {
  return list_capacity(first_rows, k) * sizeof(Listed);
}

void Rescoring::start(const std::vector<std::size_t>& queries, std::size_t first_rows) {
  queries_ = queries;
  scorer_.start(queries_);
  lists_.start(queries_.size(), list_capacity(first_rows, search_.request.k));
  best_.resize(queries_.size(), TopK(search_.request.k, search_.rows.ids));
  for (TopK& best : best_) best.clear();
  for (std::size_t q = 0; q < queries_.size(); ++q) limit(q, first_rows);
}

void Rescoring::tighten(std::size_t q) {
  best_[q].tighten();
  ladder_.raise_threshold(q, best_[q].threshold());
}

void Rescoring::tighten_all() {
  for (std::size_t q = 0; q < queries_.size(); ++q) tighten(q);
}

// Excluding by bounds alone is cheap and often enough. Where it is not, scoring the likeliest candidates raises the
// threshold, and the others wait: most will be excluded unscored. Where neither makes room, because too many lie
// within the width of their bounds, the rest are scored exactly.
void Rescoring::make_room(std::size_t q) {
  exclude(q);
  if (!ladder_.bounded_below(q) || lists_.size(q) > lists_.capacity() / 4 * 3) {
    lists_.take_likeliest(q, scored_first_, ladder_.thresholds()[q], places_);
    score_places(q, places_);
    exclude(q);
  }
  if (lists_.size(q) > lists_.capacity() / 8 * 7) score_list(q);
  limit(q, lists_.size(q) + search_.request.k);
}

// Lists with bounds from below are shortened whenever that may raise the threshold much; others, when they are full.
void Rescoring::limit(std::size_t q, std::size_t size) {
  lists_.set_limit(q, ladder_.bounded_below(q) ? size + kTrimmed : lists_.capacity());
}

// Drops rows that are not admitted, and rows that cannot be among the k best by the threshold. Before that, bounds
// from below may raise the threshold.
void Rescoring::exclude(std::size_t q) {
  const std::size_t k = search_.request.k;
  if (!search_.admits_all()) {
    lists_.keep_places(q, [&](std::uint32_t place) { return search_.admits(queries_[q], layout_.order()[place]); });
  }
  if (ladder_.bounded_below(q) && lists_.size(q) > k) {
    ladder_.raise_threshold(q, lists_.reached_by(q, k, ladder_.thresholds()[q]));
  }
  lists_.keep_above(q, ladder_.thresholds()[q]);
}

void Rescoring::score_places(std::size_t q, const std::vector<std::uint32_t>& places) {
  rows_.clear();
  for (const std::uint32_t place : places) rows_.push_back(layout_.order()[place]);
  scorer_.score_scattered(q, rows_, best_[q]);
  tighten(q);
}

void Rescoring::score_cell(std::size_t cell, std::size_t tile, const PlaceSet& without) {
  scorer_.read_cell(layout_, cell, without, run_);
  for (std::size_t q = ladder_.first(tile); q < ladder_.end(tile); ++q) {
    scorer_.score_run(q, run_, queries_[q], best_[q]);
    ladder_.raise_threshold(q, best_[q].threshold());
  }
}

void Rescoring::score_some(std::size_t rows_to_come) {
  const double scored = static_cast<double>(search_.request.k) * costs::scored_row(search_.rows.dim);
  score_pairs([&](std::size_t q) {
    const bool pays = scored < kSpared * static_cast<double>(rows_to_come) * ladder_.cost_per_row(q);
    return ladder_.bounded_below(q) && !pays ? 0 : scored_first_;
  });
  tighten_all();
}

void Rescoring::score_likeliest() {
  score_pairs([this](std::size_t) { return scored_first_; });
  tighten_all();
}

void Rescoring::score_all() {
  // The threshold that the likeliest rows give excludes most of the others. Once these are scored, no threshold is
  // needed any more.
  score_likeliest();
  score_pairs([this](std::size_t q) { return lists_.size(q); });
}

// Scores the rows of the list, the likeliest first, until the threshold excludes the others.
void Rescoring::score_list(std::size_t q) {
  const double width = lists_.take_all(q, taken_);
  const auto higher = [](const Listed& a, const Listed& b) { return a.upper > b.upper; };
  const auto [most, least] = std::minmax_element(taken_.begin(), taken_.end(), higher);
  // Bounds that all overlap do not tell which rows are likelier.
  const bool apart = !ladder_.bounded_below(q) || static_cast<double>(most->upper - least->upper) > width;
  if (apart) std::sort(taken_.begin(), taken_.end(), higher);
  const std::vector<double>& thresholds = ladder_.thresholds();
  std::size_t group = apart ? scored_first_ : taken_.size();
  for (std::size_t begin = 0; begin < taken_.size() && static_cast<double>(taken_[begin].upper) >= thresholds[q];) {
    const std::size_t end = std::min(begin + group, taken_.size());
    places_.clear();
    for (std::size_t i = begin; i < end; ++i) places_.push_back(taken_[i].place);
    score_places(q, places_);
    begin = end;
    group = std::max(kGroup, search_.request.k / 2);  // raising the threshold costs as much as scoring a few rows
  }
}

// Scores the likeliest rows of all queries together, few(q) rows of query q.
template <class Few>
void Rescoring::score_pairs(const Few& few) {
  pairs_.clear();
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    exclude(q);
    const std::size_t count = few(q);
    if (count == 0) continue;
    lists_.take_likeliest(q, count, ladder_.thresholds()[q], places_);
    for (const std::uint32_t place : places_) pairs_.push_back({static_cast<std::uint32_t>(q), place});
  }
  ThreadPool::check_interrupt();
  scorer_.score(pairs_, layout_.order(), best_);
}

void Rescoring::hand_over(std::size_t shard, Answers& answers) {
  for (std::size_t q = 0; q < queries_.size(); ++q) answers.put(queries_[q], shard, best_[q]);
  search_.statistics.scored_rows += scorer_.scored_rows();
}

}  // namespace latentknn
