#include "search/block_search.h"

#include <algorithm>

#include "platform/thread_pool.h"

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
    : search_(search),
      layout_(layout),
      unscreened_(ladder.unscreened_places(), search.rows.count),
      ladder_(search, ladder, layout),
      rescoring_(search, layout, ladder_),
      comparison_(layout, unscreened_, ladder_, rescoring_),
      visits_(layout, ladder.cheapest().kernel().query_tile),
      choice_(search, layout, ladder_, visits_, comparison_) {}

void BlockSearch::look(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells,
                       Answers& answers) {
  start(placed, begin, end, cells);
  visit(std::min(first_width(search_.request.k, layout_.cell_rows()), cells.end - cells.begin), answers);
  rescoring_.score_likeliest();
  hand_over(0, answers);
}

void BlockSearch::search(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells,
                         std::size_t shard, Answers& answers) {
  start(placed, begin, end, cells);
  score_unscreened(cells);
  const std::size_t all = cells.end - cells.begin, cell_rows = layout_.cell_rows();
  for (std::size_t width = first_width(search_.request.k, cell_rows); width < all / 2; width *= kWiden) {
    visit(width, answers);
    rescoring_.score_some(std::min(all, width * kWiden) * cell_rows);
    choice_.climb();
  }
  visit(all, answers);
  rescoring_.score_all();
  hand_over(shard, answers);
}

void BlockSearch::hand_over(std::size_t shard, Answers& answers) {
  rescoring_.hand_over(shard, answers);
  search_.statistics.screened_rows += comparison_.screened_rows();
  search_.statistics.finer_rows += comparison_.finer_rows();
}

void BlockSearch::start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells) {
  const auto at = [](std::size_t i) { return static_cast<std::ptrdiff_t>(i); };
  queries_.assign(placed.queries.begin() + at(begin), placed.queries.begin() + at(end));
  const Queries& queries = search_.queries;
  vectors_.resize(queries_.size() * queries.dim());
  squared_norms_.resize(queries_.size());
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    std::copy_n(queries.vector(queries_[q]), queries.dim(), vectors_.data() + q * queries.dim());
    squared_norms_[q] = queries.squared_norms()[queries_[q]];
  }
  ladder_.start(vectors_.data(), squared_norms_.data(), queries_.size());
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    ladder_.raise_threshold(q, search_.at_least(queries_[q]));
    if (search_.guesses != nullptr) ladder_.raise_threshold(q, search_.guesses[queries_[q]]);
  }
  rescoring_.start(queries_, first_rows(layout_.cell_rows(), search_.request.k));
  comparison_.start(queries_.size());
  visits_.start(placed, begin, end, cells);
}

// Scores the rows that a screen says nothing about: they may be the best of all.
void BlockSearch::score_unscreened(Window cells) {
  std::vector<std::uint32_t> places;
  for (std::size_t q = 0; q < queries_.size() && !unscreened_.empty(); ++q) {
    places.clear();
    for (const std::uint32_t place : unscreened_.places()) {
      const bool wanted =
          cells.contains(place / layout_.cell_rows()) && search_.admits(queries_[q], layout_.order()[place]);
      if (wanted) places.push_back(place);
    }
    rescoring_.score_places(q, places);
  }
}

// Visits so many cells around each query's own, without those visited before.
void BlockSearch::visit(std::size_t width, Answers& answers) {
  visits_.widen(width);
  if (width >= kTriedAmong) {
    exchange_thresholds(answers);
    choice_.try_rungs();
  }
  comparison_.reset_counts();
  for (const std::size_t run : visits_.runs()) {
    ThreadPool::check_interrupt();
    exchange_thresholds(answers);
    want(visits_.enter(run, ladder_.thresholds()));
    for (std::size_t rung = 0; rung < ladder_.rungs(); ++rung) comparison_.compare(rung);
  }
}

// Shares thresholds with the other shards, which spares them work.
void BlockSearch::exchange_thresholds(Answers& answers) {
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    answers.raise_threshold(queries_[q], ladder_.thresholds()[q]);
    ladder_.raise_threshold(q, answers.threshold(queries_[q]));
  }
}

// Asks for the comparisons of some cells; for tiles that are on no rung, scores the cells at once.
void BlockSearch::want(Window cells) {
  for (std::size_t cell = cells.begin; cell < cells.end; ++cell) {
    for (std::size_t tile = 0; tile < ladder_.tiles(); ++tile) {
      if (!visits_.wants(cell, tile)) continue;
      const std::size_t rung = ladder_.rung_of(tile);
      if (rung == ladder_.rungs()) {
        rescoring_.score_cell(cell, tile, unscreened_);
      } else {
        comparison_.want(cell, tile, rung);
      }
    }
  }
}

}  // namespace latentknn
