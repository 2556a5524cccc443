// The first stage of a block's search. It compares tiles of queries with cells of rows, each tile on its rung, hands
// the rows that the screens leave to the second stage, and counts them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "layout/layout.h"
#include "platform/aligned_buffer.h"
#include "search/place_set.h"
#include "search/rung.h"
#include "search/tile_ladder.h"

namespace latentknn {

class Comparison {
 public:
  // What screens leave is handed to `second`, by add(q, candidate). Its kThresholdsRise says whether add() may raise
  // thresholds, and whether anybody asks for the share of the rows that were handed on.
  template <class SecondStage>
  Comparison(const Layout& layout, const PlaceSet& unscreened, TileLadder& ladder, SecondStage& second)
      : Comparison(layout, unscreened, ladder) {
    second_ = &second;
    task_.take_hits = [](void* context) { static_cast<Comparison*>(context)->take_hits<SecondStage>(); };
  }

  // Begins the block of queries that the ladder has begun.
  void start(std::size_t queries);

  void reset_counts();

  // Asks for a tile to be compared with a cell on a rung. The cells wanted on a rung come in ascending order.
  void want(std::size_t cell, std::size_t tile, std::size_t rung);
  // Compares everything that is wanted on a rung.
  void compare(std::size_t rung);
  // Compares everything that is wanted on a rung, but only counts the rows that are left.
  void try_out(std::size_t rung);

  // The share that screening has left of the tile's pairs compared since the counts were reset.
  double left_share(std::size_t tile) const;
  bool compared_any(std::size_t tile) const { return compared_[tile] > 0; }

  // Pairs that were compared for the block; finer_rows() counts those on rungs finer than the one searches begin on.
  std::uint64_t screened_rows() const { return screened_rows_; }
  std::uint64_t finer_rows() const { return finer_rows_; }

 private:
  Comparison(const Layout& layout, const PlaceSet& unscreened, TileLadder& ladder);
  std::size_t compare_on(std::size_t rung, bool hands_on);
  template <class SecondStage>
  void take_hits();

  const Layout& layout_;
  const PlaceSet& unscreened_;
  TileLadder& ladder_;
  void* second_ = nullptr;
  AlignedBuffer<Hit> hits_;
  ScreenTask task_{};
  std::size_t rung_ = 0;               // rung that the task's hits come from
  bool hands_on_ = false;              // whether hits become candidates
  std::vector<std::size_t> compared_;  // by tile: pairs that were compared
  std::vector<std::size_t> left_;      // by query: pairs that screening has left
  std::uint64_t screened_rows_ = 0;
  std::uint64_t finer_rows_ = 0;
};

// Counts the kernel's hits, makes candidates of them where hands_on_ is set, and empties their buffer.
template <class SecondStage>
void Comparison::take_hits() {
  SecondStage& second = *static_cast<SecondStage*>(second_);
  const Rung& rung = ladder_.rung(rung_);
  const bool all_screened = unscreened_.empty(), hands_on = hands_on_;
  const double* const thresholds = ladder_.thresholds().data();
  std::size_t* const left = left_.data();
  for (const Hit *hit = hits_.data(), *end = hit + task_.hit_count; hit != end; ++hit) {
    const std::size_t q = hit->query;
    const Candidate candidate = rung.candidate(q, hit->score, hit->row);
    // A full list may have raised the threshold since the kernel compared this row.
    if (SecondStage::kThresholdsRise && !(static_cast<double>(candidate.upper) >= thresholds[q])) continue;
    if (!all_screened && unscreened_.has(hit->row)) continue;
    if (SecondStage::kThresholdsRise || !hands_on) ++left[q];
    if (hands_on) second.add(q, candidate);
  }
  task_.hit_count = 0;
}

}  // namespace latentknn
