#include "search/cell_visits.h"

#include <algorithm>
#include <utility>

namespace latentknn {

void CellVisits::start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells) {
  const std::size_t count = end - begin;
  cells_ = cells;
  homes_.clear();
  for (std::size_t i = begin; i < end; ++i) homes_.push_back(placed.places[i] / layout_.cell_rows());
  wanted_.resize((count + query_tile_ - 1) / query_tile_);
  visited_.resize(tiles());
  for (std::vector<Window>& windows : wanted_) windows.clear();
  if (layout_.caps() == nullptr) return;
  points_ = layout_.caps()->pack(placed.points.data() + begin * layout_.width(), count);
  reaches_.assign(tiles() * query_tile_, CellCaps::kNowhere);
  marks_.resize(tiles() * CellCaps::kRun);
}

void CellVisits::widen(std::size_t width) {
  std::swap(visited_, wanted_);
  runs_.clear();
  for (std::size_t tile = 0; tile < tiles(); ++tile) {
    std::vector<Window>& windows = wanted_[tile];
    windows.clear();
    for (std::size_t q = tile * query_tile_; q < std::min((tile + 1) * query_tile_, homes_.size()); ++q) {
      const Window window = around(homes_[q], width);
      if (!windows.empty() && window.begin <= windows.back().end) {
        windows.back().end = window.end;
      } else {
        windows.push_back(window);
      }
    }
    for (const Window& window : windows) {
      for (std::size_t run = window.begin / CellCaps::kRun; run * CellCaps::kRun < window.end; ++run) {
        runs_.push_back(run);
      }
    }
  }
  std::sort(runs_.begin(), runs_.end());
  runs_.erase(std::unique(runs_.begin(), runs_.end()), runs_.end());
}

std::size_t CellVisits::visited(std::size_t tile) const {
  std::size_t count = 0;
  for (const Window& window : visited_[tile]) count += window.end - window.begin;
  return count;
}

Window CellVisits::around(std::size_t home, std::size_t width) const {
  const std::size_t last = cells_.end - width;
  const std::size_t begin = std::clamp(home, cells_.begin + width / 2, last + width / 2) - width / 2;
  return {begin, begin + width};
}

Window CellVisits::enter(std::size_t run, const std::vector<double>& similarities) {
  if (layout_.caps() != nullptr) {
    for (std::size_t i = 0; i < similarities.size(); ++i) reaches_[i] = layout_.caps()->reach(similarities[i]);
    layout_.caps()->mark(run, points_, reaches_.data(), tiles(), products_, marks_.data());
  }
  const std::size_t begin = run * CellCaps::kRun;
  return {std::max(begin, cells_.begin), std::min(begin + CellCaps::kRun, cells_.end)};
}

}  // namespace latentknn
