// The items of a screening: each is a tile of queries to multiply by some tiles of rows.
//
// The warps of all devices (warp_products.cuh) and the warpgroups of Hopper (warpgroup_products.cuh) multiply them.
// Both hand the sums of a tile to an epilogue, in registers.
#pragma once

#include "kernels.h"
#include "simt.cuh"

namespace latentknn::cuda {

constexpr unsigned kQuerySliceBytes = kQueryTile * kStepBytes;
constexpr unsigned kRowSliceBytes = kRowTile * kStepBytes;
constexpr unsigned kMostTilesPerItem = 16;  // so many stay in the second-level cache until all queries are done
constexpr unsigned kItemsPerBlock = 4;      // least number, if there are enough: blocks then end at about the same time

// A block does one item at a time: a tile of queries and some tiles of rows that follow each other in the order.
struct Item {
  std::uint32_t query_tile;
  std::uint32_t first_tile;  // first tile of rows, counted in memory
  std::uint32_t first;       // first tile of rows, counted in the order
  std::uint32_t tiles;
};

// The items of all queries and of tiles [begin, end) of the order. Every block does each gridDim.x-th of them.
class Items {
 public:
  __device__ Items(const Search& search, std::size_t begin, std::size_t end)
      : search_(search),
        begin_(begin),
        tiles_(static_cast<std::uint32_t>(end - begin)),
        query_tiles_(static_cast<std::uint32_t>((search.query_count + kQueryTile - 1) / kQueryTile)),
        per_item_(tiles_per_item()),
        count_(query_tiles_ * ((tiles_ + per_item_ - 1) / per_item_)),
        number_(blockIdx.x) {}

  __device__ bool left() const { return number_ < count_; }
  __device__ void go_on() { number_ += gridDim.x; }

  __device__ Item current() const {
    const std::uint32_t first = number_ / query_tiles_ * per_item_;
    return {number_ % query_tiles_,
            static_cast<std::uint32_t>((begin_ + first) * search_.tile_stride % search_.tile_count),
            static_cast<std::uint32_t>(begin_) + first, tiles_ - first < per_item_ ? tiles_ - first : per_item_};
  }

 private:
  __device__ std::uint32_t tiles_per_item() const {
    const std::uint32_t even = tiles_ * query_tiles_ / (kItemsPerBlock * gridDim.x);
    return even < 1 ? 1 : even < kMostTilesPerItem ? even : kMostTilesPerItem;
  }

  const Search& search_;
  const std::size_t begin_;
  const std::uint32_t tiles_;
  const std::uint32_t query_tiles_;
  const std::uint32_t per_item_;
  const std::uint32_t count_;
  std::uint32_t number_;
};

// Returns whether any query of the item is to be screened.
__device__ inline bool is_wanted(const Search& search, Screening screening, const Item& item) {
  return screening == Screening::first || search.tiles_again[item.query_tile] == search.round;
}

__device__ inline std::uint32_t tile_after(const Search& search, std::uint32_t tile) {
  const std::uint32_t next = tile + search.tile_stride;
  return next < search.tile_count ? next : next - search.tile_count;
}

}  // namespace latentknn::cuda
