#include "parts/packing.h"

#include <algorithm>
#include <utility>

namespace latentknn {
namespace {

// Where queries reach a larger share of cells, looking for the other cells costs more than it saves.
constexpr double kReachedShare = 0.9;

// A screen suits rows where at most count / kUnscreenedShare + kUnscreenedRows of them are unscreened.
constexpr std::size_t kUnscreenedShare = 256;
constexpr std::size_t kUnscreenedRows = 64;

// Packs all rows. Returns false where a screen does not suit them.
bool pack(Ladder& ladder, const Layout& layout, const Rows& rows, std::size_t threads, const ThreadPool::Poll& poll) {
  ladder.reserve_rows(rows.count);
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * kRowsAtOnce;
    const std::size_t count = std::min(kRowsAtOnce, rows.count - begin);
    const GatheredRows gathered(rows, layout.order().data() + begin, count);
    ladder.pack_rows(gathered.values.data(), gathered.squared_norms.data(), begin, count);
  };
  ThreadPool::shared().run((rows.count + kRowsAtOnce - 1) / kRowsAtOnce, threads, task, poll);
  return ladder.unscreened_places().size() <= rows.count / kUnscreenedShare + kUnscreenedRows;
}

}  // namespace

Packing::Packing(Strategy strategy, const KernelTable& kernels, const Rows& rows, std::size_t threads,
                 const ThreadPool::Poll& poll) {
  const GatheredRows sample = deciding_rows(strategy, rows);
  const std::vector<float> directions = directions_for(strategy, kernels, sample.view(), rows.count, threads);
  layout = std::make_unique<Layout>(kernels, directions, rows, threads, poll);
  Choice choice = choose_screen(strategy, kernels, sample.view(), rows.count, directions, *layout, threads);
  if (choice.reached > kReachedShare) {
    layout->forget_caps();
  } else if (choice.reached > 0.0) {
    layout->predict_reached(choice.reached);
  }
  ladder = std::move(choice.ladder);
  considered = std::move(choice.considered);
  if (!ladder.empty() && !pack(ladder, *layout, rows, threads, poll)) {
    ladder = fallback_ladder(kernels, rows.dim);
    pack(ladder, *layout, rows, threads, poll);
  }
}

}  // namespace latentknn
