// The largest sums of groups of rows, from which the first cutoffs are computed.
#pragma once

#include "products.cuh"
#include "sums.cuh"

namespace latentknn::cuda {

// An epilogue that writes the largest sum of each group of every tile.
template <class Share, class Sum>
class Maxima {
 public:
  __device__ explicit Maxima(const Search& search) : search_(search) {}

  __device__ void begin_item(const Item& item) {
    first_query_ = std::size_t{item.query_tile} * kQueryTile;
#pragma unroll
    for (unsigned which = 0; which < Share::kQueries; ++which) {
      const std::size_t query = first_query_ + share_.query(which);
      most_[which] = most_sum(query < search_.query_count ? search_.ceilings[query] : INFINITY, Sum{});
    }
  }

  template <class Sums>
  __device__ void take_tile(const Sums& sums, std::uint32_t tile, std::uint32_t number) {
    // If a tile is not full, some of its sums belong to no row.
    const bool full = (std::size_t{tile} + 1) * kRowTile <= search_.row_count;
#pragma unroll
    for (unsigned group = 0; group < Share::kGroups; ++group) {
      const Sum largest = search_.goes_on ? largest_below(sums, group) : largest_of_group<Sum>(sums, group);
      const std::size_t query = first_query_ + share_.query(Share::query_of(group));
      if (query >= search_.query_count) continue;
      search_.maxima[query * search_.maxima_stride + std::size_t{number} * kTileGroups + share_.maximum(group)] =
          full && largest != no_sum(Sum{}) ? static_cast<float>(largest) : -INFINITY;
    }
  }

  __device__ void end_item() {}
  __device__ void end() {}

 private:
  // Returns the largest sum of a group that is not above the ceiling.
  template <class Sums>
  __device__ Sum largest_below(const Sums& sums, unsigned group) const {
    Sum largest = no_sum(Sum{});
#pragma unroll
    for (unsigned j = 0; j < kGroupRows; ++j) {
      const Sum sum = sums.at(group, j);
      if (sum <= most_[Share::query_of(group)]) largest = sum > largest ? sum : largest;
    }
    return largest;
  }

  const Search& search_;
  const Share share_;
  std::size_t first_query_;
  Sum most_[Share::kQueries];  // largest sums that are not above the ceilings
};

}  // namespace latentknn::cuda
