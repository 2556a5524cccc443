#include "search/comparison.h"

#include <algorithm>

namespace latentknn {
namespace {

constexpr std::size_t kHits = 4096;  // hits that are handled together, few enough for the L1 cache

}  // namespace

Comparison::Comparison(const Layout& layout, const PlaceSet& unscreened, TileLadder& ladder)
    : layout_(layout), unscreened_(unscreened), ladder_(ladder) {
  std::size_t scores = 0;
  for (std::size_t rung = 0; rung < ladder.rungs(); ++rung) {
    const ScreenKernel& kernel = ladder.rung(rung).kernel();
    scores = std::max(scores, kernel.query_tile * kernel.row_tile);
  }
  hits_.resize(std::max(kHits, 2 * scores));
  task_.hits = hits_.data();
  task_.hit_capacity = hits_.size();
  task_.context = this;
}

void Comparison::start(std::size_t queries) {
  task_.hit_count = 0;
  screened_rows_ = 0;
  finer_rows_ = 0;
  compared_.assign(ladder_.tiles(), 0);
  left_.assign(queries, 0);
}

void Comparison::reset_counts() {
  std::fill(compared_.begin(), compared_.end(), 0);
  std::fill(left_.begin(), left_.end(), 0);
}

void Comparison::want(std::size_t cell, std::size_t tile, std::size_t rung) {
  ladder_.rung(rung).want(cell, tile);
  compared_[tile] += layout_.rows_in(cell) * ladder_.size(tile);
}

void Comparison::compare(std::size_t rung) {
  const std::size_t pairs = compare_on(rung, true);
  screened_rows_ += pairs;
  if (ladder_.finer(rung)) finer_rows_ += pairs;
}

void Comparison::try_out(std::size_t rung) { compare_on(rung, false); }

// Returns the number of pairs that were compared.
std::size_t Comparison::compare_on(std::size_t rung, bool hands_on) {
  rung_ = rung;
  hands_on_ = hands_on;
  const std::size_t pairs = ladder_.rung(rung).compare(task_);
  task_.take_hits(task_.context);
  return pairs;
}

double Comparison::left_share(std::size_t tile) const {
  std::size_t left = 0;
  for (std::size_t q = ladder_.first(tile); q < ladder_.end(tile); ++q) left += left_[q];
  return compared_[tile] == 0 ? 0.0 : static_cast<double>(left) / static_cast<double>(compared_[tile]);
}

}  // namespace latentknn
