#include "search/tile_ladder.h"

#include <limits>
#include <memory>

namespace latentknn {

TileLadder::TileLadder(const Search& search, const Ladder& ladder, const Layout& layout)
    : query_tile_(ladder.cheapest().kernel().query_tile),
      coarsest_(ladder.begins_on),
      first_whole_(ladder.whole),
      begins_on_(ladder.begins_on) {
  for (const std::unique_ptr<Screen>& screen : ladder.screens) {
    rungs_.emplace_back(*screen, layout, search.rows);
  }
}

void TileLadder::start(const float* queries, const double* squared_norms, std::size_t count) {
  thresholds_.assign(count, -std::numeric_limits<double>::infinity());
  for (Rung& rung : rungs_) rung.start(queries, squared_norms, count);
  rung_of_.assign((count + query_tile_ - 1) / query_tile_, begins_on_);
  rungs_[begins_on_].pack_queries(thresholds_);
}

void TileLadder::stand_on(std::size_t tile, std::size_t rung) {
  rung_of_[tile] = rung;
  if (rung < rungs_.size()) set_cutoffs(tile, rung);
}

void TileLadder::set_cutoffs(std::size_t tile, std::size_t rung) {
  rungs_[rung].pack_queries(thresholds_);
  for (std::size_t q = first(tile); q < end(tile); ++q) rungs_[rung].set_threshold(q, thresholds_[q]);
}

void TileLadder::raise_threshold(std::size_t q, double similarity) {
  if (!(similarity > thresholds_[q])) return;
  thresholds_[q] = similarity;
  const std::size_t rung = rung_of_query(q);
  if (rung < rungs_.size()) rungs_[rung].set_threshold(q, similarity);
}

double TileLadder::cost_per_row(std::size_t q) const {
  const std::size_t rung = std::min(rung_of_query(q), rungs_.size() - 1);
  return rungs_[rung].cost_per_row(std::numeric_limits<double>::infinity());
}

}  // namespace latentknn
