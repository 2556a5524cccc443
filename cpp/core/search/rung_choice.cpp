#include "search/rung_choice.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "choice/costs.h"

namespace latentknn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kCrowded = 0.6;        // scoring all rows is cheaper where the last rung leaves a larger share
constexpr std::size_t kTriedRuns = 4;   // runs of cells on which rungs are tried
constexpr std::size_t kTriedCells = 2;  // cells of each of these runs

// Returns the share of rows that even the best screen leaves, with a margin. Of rows without any order, a share of
// k / seen are better than the k-th best of those seen before.
double natural_share(std::size_t k, std::size_t seen) {
  const double better = std::min(1.0, static_cast<double>(k) / static_cast<double>(seen));
  return std::min(4.0 * better, (1.0 + better) / 2.0);
}

}  // namespace

RungChoice::RungChoice(const Search& search, const Layout& layout, TileLadder& ladder, CellVisits& visits,
                       Comparison& comparison)
    : search_(search),
      layout_(layout),
      ladder_(ladder),
      visits_(visits),
      comparison_(comparison),
      left_cost_(search.request.k > 0 ? costs::left_row(search.rows.dim) : costs::row_in_range(search.rows.dim)) {}

// Counts the rows in the cells that were wanted before the last visit.
std::size_t RungChoice::rows_seen(std::size_t tile) const { return visits_.visited(tile) * layout_.cell_rows(); }

void RungChoice::climb() {
  std::size_t highest = 0, climbed = 0;
  for (std::size_t tile = 0; tile < ladder_.tiles(); ++tile) {
    // Rows that are packed for one query alone are dear.
    const auto cost = [&](std::size_t rung) {
      return ladder_.rung(rung).cost_per_row(static_cast<double>(ladder_.size(tile)));
    };
    const std::size_t seen = rows_seen(tile), rung = ladder_.rung_of(tile);
    if (seen == 0 || rung == ladder_.rungs() || ladder_.in_subspace(rung)) continue;
    const double excess = comparison_.left_share(tile) - natural_share(search_.request.k, seen);
    const bool last = rung + 1 == ladder_.rungs();
    const bool up = last ? crowded(tile) : excess * left_cost_ > cost(rung + 1) - cost(rung);
    if (!up) continue;
    ladder_.stand_on(tile, rung + 1);
    ++climbed;
    highest = std::max(highest, rung + 1);
  }
  // The next block begins on the rung that would have suited this block better.
  if (2 * climbed > ladder_.tiles()) ladder_.begin_on(std::min(highest, ladder_.rungs() - 1));
}

// Whether a tile's rows are closer to each other than its rung can tell.
bool RungChoice::crowded(std::size_t tile) const {
  const std::size_t k = search_.request.k, seen = rows_seen(tile);
  if (!ladder_.bounded_below(ladder_.first(tile))) return false;
  if (k == 0) return comparison_.left_share(tile) > kCrowded;
  return seen > 0 && comparison_.left_share(tile) > std::max(kCrowded, natural_share(k, seen));
}

// Whether another rung may be better for a tile: a cheaper one that it has not tried, or a finer one.
bool RungChoice::doubtful(std::size_t tile) const {
  const std::size_t rung = ladder_.rung_of(tile);
  if (rung == ladder_.rungs()) return false;
  if (rung > 0) return true;
  return ladder_.rungs() > 1 && comparison_.left_share(tile) * left_cost_ >
                                    ladder_.rung(1).cost_per_row(kInfinity) - ladder_.rung(0).cost_per_row(kInfinity);
}

void RungChoice::try_rungs() {
  std::vector<std::size_t> undecided;
  for (std::size_t tile = 0; tile < ladder_.tiles(); ++tile) {
    if (doubtful(tile)) undecided.push_back(tile);
  }
  try_rungs(std::move(undecided));
}

void RungChoice::choose_rungs() {
  std::vector<std::size_t> all(ladder_.tiles());
  std::iota(all.begin(), all.end(), std::size_t{0});
  try_rungs(std::move(all));
}

void RungChoice::try_rungs(std::vector<std::size_t> undecided) {
  if (undecided.empty()) return;
  const std::vector<Trial> trials = trials_of(undecided);
  std::vector<double> least(ladder_.tiles(), kInfinity);
  for (std::size_t rung = 0; rung < ladder_.rungs() && !undecided.empty(); ++rung) {
    try_rung(rung, undecided, trials);
    std::erase_if(undecided, [&](std::size_t tile) {
      const double cost = ladder_.rung(rung).cost_per_row(together_) + comparison_.left_share(tile) * left_cost_;
      if (comparison_.compared_any(tile) && cost < least[tile]) {
        least[tile] = cost;
        ladder_.stand_on(tile, rung);
      }
      const std::size_t next = rung + 1;
      if (next == ladder_.rungs() && crowded(tile)) ladder_.stand_on(tile, next);
      return next < ladder_.rungs() && ladder_.rung(next).cost_per_row(together_) >= least[tile];
    });
  }
}

// Returns a few of the cells that each tile wants, and sets together_.
std::vector<RungChoice::Trial> RungChoice::trials_of(const std::vector<std::size_t>& tiles) {
  const std::vector<std::size_t>& runs = visits_.runs();
  std::vector<Trial> trials;
  std::size_t wants = 0, wanted = 0;
  for (std::size_t i = 0; i < kTriedRuns; ++i) {
    const Window cells = visits_.enter(runs[(2 * i + 1) * runs.size() / (2 * kTriedRuns)], ladder_.thresholds());
    const std::size_t count = cells.end - cells.begin;
    for (const std::size_t tile : tiles) {
      std::size_t found = 0;
      for (std::size_t j = 0; j < count && found < kTriedCells; ++j) {
        const std::size_t cell = cells.begin + (i * 37 + j * 5) % count;
        if (!visits_.wants(cell, tile)) continue;
        trials.push_back({tile, cell});
        ++found;
      }
    }
    for (std::size_t cell = cells.begin; cell < cells.end; ++cell) {
      std::size_t by = 0;
      for (const std::size_t tile : tiles) by += visits_.wants(cell, tile) ? ladder_.size(tile) : 0;
      wants += by;
      wanted += by > 0 ? 1 : 0;
    }
  }
  together_ =
      static_cast<double>(std::max<std::size_t>(1, wants)) / static_cast<double>(std::max<std::size_t>(1, wanted));
  std::stable_sort(trials.begin(), trials.end(), [](const Trial& a, const Trial& b) { return a.cell < b.cell; });
  return trials;
}

// Counts the rows that a rung leaves to `tiles` in the cells of their pairs.
void RungChoice::try_rung(std::size_t rung, const std::vector<std::size_t>& tiles, const std::vector<Trial>& trials) {
  comparison_.reset_counts();
  for (const std::size_t tile : tiles) ladder_.set_cutoffs(tile, rung);
  for (const Trial& trial : trials) {
    if (std::binary_search(tiles.begin(), tiles.end(), trial.tile)) comparison_.want(trial.cell, trial.tile, rung);
  }
  comparison_.try_out(rung);
}

}  // namespace latentknn
