#include "cell_visits.h"

#include <algorithm>
#include <utility>

namespace latentknn {

void CellVisits::start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells) {
  const std::size_t count = end - begin;
  cells_ = cells;
  homes_.clear();
  for (std::size_t first = 0; first < count; first += query_tile_) {
    const std::size_t middle = begin + (first + std::min(first + query_tile_, count)) / 2;
    homes_.push_back(placed.places[middle] / layout_.cell_rows());
  }
  wanted_.assign(tiles(), {0, 0});
  if (layout_.caps() == nullptr) return;
  points_ = layout_.caps()->pack(placed.points.data() + begin * layout_.width(), count);
  reaches_.assign(tiles() * query_tile_, CellCaps::kNowhere);
  marks_.resize(tiles() * CellCaps::kRun);
}

void CellVisits::widen(std::size_t width) {
  std::swap(visited_, wanted_);
  wanted_.clear();
  all_wanted_ = {cells_.end, cells_.begin};
  for (const std::size_t home : homes_) {
    const Window window = around(home, width);
    wanted_.push_back(window);
    all_wanted_ = {std::min(all_wanted_.begin, window.begin), std::max(all_wanted_.end, window.end)};
  }
}

Window CellVisits::around(std::size_t home, std::size_t width) const {
  const std::size_t last = cells_.end - width;
  const std::size_t begin = std::clamp(home, cells_.begin + width / 2, last + width / 2) - width / 2;
  return {begin, begin + width};
}

Window CellVisits::runs() const {
  return {all_wanted_.begin / CellCaps::kRun, (all_wanted_.end + CellCaps::kRun - 1) / CellCaps::kRun};
}

Window CellVisits::enter(std::size_t run, const std::vector<double>& similarities) {
  if (layout_.caps() != nullptr) {
    for (std::size_t i = 0; i < similarities.size(); ++i) reaches_[i] = layout_.caps()->reach(similarities[i]);
    layout_.caps()->mark(run, points_, reaches_.data(), tiles(), products_, marks_.data());
  }
  const std::size_t begin = run * CellCaps::kRun;
  return {std::max(begin, all_wanted_.begin), std::min(begin + CellCaps::kRun, all_wanted_.end)};
}

}  // namespace latentknn
