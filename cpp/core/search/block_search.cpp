#include "search/block_search.h"

#include <algorithm>

namespace latentknn {
namespace {

constexpr std::size_t kFirstCells = 2;   // cells first visited around a query's own place, besides those of 2 k rows
constexpr std::size_t kWiden = 4;        // factor by which each further visit is wider
constexpr std::size_t kTriedAmong = 64;  // least width of a visit before which rungs are tried

std::size_t first_width(std::size_t k, std::size_t cell_rows) { return kFirstCells + 2 * k / cell_rows; }

}  // namespace

std::size_t BlockSearch::first_rows(std::size_t cell_rows, std::size_t k) {
  return first_width(k, cell_rows) * cell_rows;
}

std::size_t BlockSearch::candidate_bytes(std::size_t cell_rows, std::size_t k) {
  return Rescoring::bytes_per_query(first_rows(cell_rows, k), k);
}

BlockSearch::BlockSearch(const Search& search, const Ladder& ladder, const Layout& layout)
    : ScreenedBlock(search, ladder, layout), first_thresholds_(search, ladder, layout) {}

void BlockSearch::look(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells,
                       Answers& answers) {
  start(placed, begin, end, cells);
  visit(std::min(first_width(search_.request.k, layout_.cell_rows()), cells.end - cells.begin), answers);
  second_.score_likeliest();
  hand_over(0, answers);
}

void BlockSearch::search(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells,
                         std::size_t shard, Answers& answers) {
  start(placed, begin, end, cells);
  score_unscreened(cells);
  const std::size_t all = cells.end - cells.begin, cell_rows = layout_.cell_rows();
  const std::size_t compared = search_.blocks_find_thresholds ? first_thresholds_.raise(visits_, cells, ladder_) : 0;
  const std::size_t first = std::max(first_width(search_.request.k, cell_rows), compared);
  for (std::size_t width = first; width < all / 2; width *= kWiden) {
    visit(width, answers);
    second_.score_some(std::min(all, width * kWiden) * cell_rows);
    choice_.climb();
  }
  visit(all, answers);
  second_.score_all();
  hand_over(shard, answers);
}

void BlockSearch::hand_over(std::size_t shard, Answers& answers) {
  second_.hand_over(shard, answers);
  count_screened();
}

void BlockSearch::start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells) {
  ScreenedBlock::start(placed, begin, end, cells);
  second_.start(queries_, first_rows(layout_.cell_rows(), search_.request.k));
}

// Visits so many cells around each query's own, without those visited before.
void BlockSearch::visit(std::size_t width, Answers& answers) {
  visits_.widen(width);
  if (width >= kTriedAmong) {
    exchange_thresholds(answers);
    choice_.try_rungs();
  }
  for (std::size_t q = 0; q < queries_.size(); ++q) second_.set_width(q, ladder_.width(q));
  compare_wanted([&] { exchange_thresholds(answers); });
}

// Shares thresholds with the other shards, which spares them work.
void BlockSearch::exchange_thresholds(Answers& answers) {
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    answers.raise_threshold(queries_[q], ladder_.thresholds()[q]);
    ladder_.raise_threshold(q, answers.threshold(queries_[q]));
  }
}

}  // namespace latentknn
