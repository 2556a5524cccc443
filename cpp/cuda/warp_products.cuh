// Products of packed vectors by the warps of any device, by mma.sync.
//
// A block of eight warps multiplies a tile of 128 queries by tiles of 256 rows, a slice of kStepBytes at a time; each
// warp has 64 x 64 of the products. Slices are copied ahead into a ring of slots, without any change.
#pragma once

#include "products.cuh"

namespace latentknn::cuda::by_warp {

constexpr unsigned kThreads = 256;
constexpr unsigned kWarps = kThreads / 32;
constexpr unsigned kWarpSide = 64;
constexpr unsigned kWarpsAcross = kRowTile / kWarpSide;
constexpr unsigned kSliceBytes = kQuerySliceBytes + kRowSliceBytes;
constexpr unsigned kRing = 4;
constexpr unsigned kRingBytes = kRing * kSliceBytes;

static_assert(kQueryTile == 2 * kWarpSide && kThreads == 32 * 2 * kWarpsAcross);

// Copies the slices of an item into the ring, one after the other. The block's threads copy kThreads chunks at a time.
class Copier {
 public:
  __device__ Copier(const Search& search, const Item& item, char* ring)
      : search_(search),
        steps_(search.steps),
        step_(0),
        tile_(item.first_tile),
        tiles_left_(item.tiles),
        to_(ring + threadIdx.x * kChunkBytes),
        slot_(0),
        first_query_slice_(search.packed_queries + std::size_t{item.query_tile} * steps_ * kQuerySliceBytes +
                           threadIdx.x * kChunkBytes),
        query_slice_(first_query_slice_),
        row_slice_(rows_of(tile_)) {}

  __device__ void copy_next() {
    if (tiles_left_ != 0) {
      char* to = to_ + slot_;
#pragma unroll
      for (unsigned at = 0; at < kQuerySliceBytes; at += kThreads * kChunkBytes) copy_ahead(to + at, query_slice_ + at);
#pragma unroll
      for (unsigned at = 0; at < kRowSliceBytes; at += kThreads * kChunkBytes) {
        copy_ahead(to + kQuerySliceBytes + at, row_slice_ + at);
      }
      slot_ = slot_ + kSliceBytes == kRingBytes ? 0 : slot_ + kSliceBytes;
      query_slice_ += kQuerySliceBytes;
      row_slice_ += kRowSliceBytes;
      if (++step_ == steps_) {
        step_ = 0;
        --tiles_left_;
        tile_ = tile_after(search_, tile_);
        query_slice_ = first_query_slice_;
        row_slice_ = rows_of(tile_);
      }
    }
    end_group();
  }

 private:
  __device__ const char* rows_of(std::uint32_t tile) const {
    return search_.packed_rows + std::size_t{tile} * steps_ * kRowSliceBytes + threadIdx.x * kChunkBytes;
  }

  const Search& search_;
  const std::uint32_t steps_;
  std::uint32_t step_;
  std::uint32_t tile_;
  std::uint32_t tiles_left_;
  char* const to_;
  unsigned slot_;
  const char* const first_query_slice_;
  const char* query_slice_;
  const char* row_slice_;
};

// The queries and rows of a thread's sums. Each of its groups has a query of its own.
struct Share {
  static constexpr unsigned kGroups = 8;  // a thread's groups of sums; each is kGroupRows rows of one query
  static constexpr unsigned kQueries = kGroups;

  __device__ Share()
      : lane(threadIdx.x % 32),
        first_query(warp() / kWarpsAcross * kWarpSide + lane / 4),
        first_row(warp() % kWarpsAcross * kWarpSide + lane % 4 * 2) {}

  __device__ static unsigned warp() { return threadIdx.x / 32; }
  __device__ static constexpr unsigned query_of(unsigned group) { return group; }
  __device__ unsigned query(unsigned which) const { return first_query + 8 * which; }
  __device__ unsigned row(unsigned, unsigned j) const { return first_row + j / 2 * 8 + j % 2; }
  // Returns which of its query's maxima in a tile belongs to a group.
  __device__ unsigned maximum(unsigned) const { return warp() % kWarpsAcross * 4 + lane % 4; }

  unsigned lane;
  unsigned first_query;
  unsigned first_row;
};

// A thread's sums of products: float32 for float16 products, 32-bit integers for int8 products.
template <class Sum>
struct Sums {
  __device__ Sum at(unsigned group, unsigned j) const { return values[group / 2][j / 2][group % 2 * 2 + j % 2]; }

  Sum values[4][8][4];
};

// The offsets at which a lane reads the matrices of a slice. A chunk of a vector's second half lies 32 bytes
// before or after that of its first half.
struct Reader {
  __device__ explicit Reader(const Share& share)
      : queries(static_cast<unsigned>(
            chunk_at(Share::warp() / kWarpsAcross * kWarpSide + share.lane % 16, share.lane / 16))),
        rows(static_cast<unsigned>(
            kQuerySliceBytes + chunk_at(Share::warp() % kWarpsAcross * kWarpSide + share.lane % 8 + share.lane / 16 * 8,
                                        share.lane / 8 % 2))) {}

  template <class Sum>
  __device__ void multiply(const char* slice, Sums<Sum>& sums) const {
#pragma unroll
    for (unsigned half = 0; half < 2; ++half) {
      std::uint32_t left[4][4], right[4][4];
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) load_matrices(left[i], slice + (queries ^ half * 32) + i * 16 * kStepBytes);
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) load_matrices(right[i], slice + (rows ^ half * 32) + i * 16 * kStepBytes);
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
#pragma unroll
        for (unsigned j = 0; j < 8; ++j) {
          multiply_add(sums.values[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }

  unsigned queries;
  unsigned rows;
};

// Multiplies tiles [begin, end) of the order by all queries, and hands each tile's sums to the epilogue.
// All blocks together call it, and each does its items.
template <class Sum, class Epilogue>
__device__ void multiply_tiles(const Search& search, std::size_t begin, std::size_t end, Screening screening,
                               Epilogue& epilogue) {
  char* ring = shared_memory<char>();
  const Reader reader{Share()};
  for (Items items(search, begin, end); items.left(); items.go_on()) {
    const Item item = items.current();
    if (!is_wanted(search, screening, item)) continue;
    epilogue.begin_item(item);
    Copier copier(search, item, ring);
    for (unsigned step = 0; step + 1 < kRing; ++step) copier.copy_next();
    unsigned slot = 0;
    std::uint32_t tile = item.first_tile;
    for (std::uint32_t i = 0; i < item.tiles; ++i) {
      Sums<Sum> sums{};
#pragma unroll 1
      for (std::uint32_t step = 0; step < search.steps; ++step) {
        await_groups<kRing - 2>();
        __syncthreads();  // all threads see the slice, and none reads the one before any more
        copier.copy_next();
        reader.multiply(ring + slot, sums);
        slot = slot + kSliceBytes == kRingBytes ? 0 : slot + kSliceBytes;
      }
      epilogue.take_tile(sums, tile, item.first + i);
      tile = tile_after(search, tile);
    }
    epilogue.end_item();
    await_groups<0>();
    __syncthreads();  // the ring is filled again only after all threads are here
  }
}

}  // namespace latentknn::cuda::by_warp
