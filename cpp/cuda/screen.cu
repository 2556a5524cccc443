// Products of halves on the tensor cores, compared with the cutoffs where they arise: no score that is excluded leaves
// the registers.
//
// A block of eight warps multiplies a tile of 128 queries by tiles of 256 rows, a slice of 32 dimensions at a time;
// each warp has 64 x 64 of the products. Slices are copied ahead into a ring. In a slice a vector's 64 bytes are four
// chunks whose order depends on the vector, so that eight vectors' chunks lie in different banks.
#include "contract.cuh"
#include "kernels.h"

namespace latentknn::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kWarpSide = 64;
constexpr unsigned kWarpsAcross = kRowTile / kWarpSide;
constexpr unsigned kChunks = kDimStep * 2 / 16;
constexpr unsigned kVectorBytes = kDimStep * 2;
constexpr unsigned kSliceBytes = (kQueryTile + kRowTile) * kVectorBytes;
constexpr unsigned kRing = 4;
constexpr unsigned kTilesPerItem = 16;  // rows that all queries meet while they are in the second-level cache

static_assert(kQueryTile == 2 * kWarpSide && kThreads == 32 * 2 * kWarpsAcross);

__device__ unsigned chunk_at(unsigned vector, unsigned chunk) {
  return vector * kVectorBytes + ((chunk ^ ((vector >> 1) % kChunks)) << 4);
}

__device__ void copy_slice(char* to, const std::uint16_t* vectors, unsigned count, std::size_t packed_dim,
                           std::size_t dim_begin) {
  for (unsigned i = threadIdx.x; i < count * kChunks; i += kThreads) {
    const unsigned vector = i / kChunks, chunk = i % kChunks;
    copy_ahead(to + chunk_at(vector, chunk), vectors + vector * packed_dim + dim_begin + chunk * 8);
  }
}

// A warp's 64 x 64 sums: queries 16 i + lane / 4 and 8 more, rows 8 j + 2 (lane % 4) and the next.
struct Sums {
  float values[4][8][4];
};

__device__ void multiply_slice(const char* queries, const char* rows, unsigned lane, Sums& sums) {
#pragma unroll
  for (unsigned step = 0; step < 2; ++step) {
    std::uint32_t left[4][4], right[4][4];
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      load_matrices(left[i], queries + chunk_at(16 * i + lane % 16, 2 * step + lane / 16));
    }
#pragma unroll
    for (unsigned j = 0; j < 4; ++j) {
      load_matrices(right[j], rows + chunk_at(16 * j + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2));
    }
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
#pragma unroll
      for (unsigned j = 0; j < 8; ++j) {
        multiply_add(sums.values[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
}

// `at_everything` is where a list that takes everything has the row.
template <bool kEverything>
__device__ void take(const Search& search, std::size_t query, std::size_t place, std::size_t at_everything,
                     float score) {
  if (query >= search.query_count) return;
  const bool is_row = place < search.row_count;
  const auto own = static_cast<std::uint32_t>(is_row ? place : 0);
  const std::uint32_t number = search.row_numbers == nullptr ? own : search.row_numbers[own];
  const bool wanted = is_row && score <= search.ceilings[query];
  Candidate* list = search.lists + query * search.list_capacity;
  if (kEverything) {
    list[at_everything] = {wanted ? score : -INFINITY, number};
  } else if (wanted) {
    const std::uint32_t at = add_to(search.counts + query, 1);
    if (at < search.list_capacity) list[at] = {score, number};
  }
}

template <bool kEverything>
__global__ void __launch_bounds__(kThreads, 1) screen_kernel(Search search, std::size_t begin, std::size_t end) {
  char* ring = shared_memory<char>();
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned first_query = warp / kWarpsAcross * kWarpSide, first_row = warp % kWarpsAcross * kWarpSide;
  const std::size_t query_tiles = (search.query_count + kQueryTile - 1) / kQueryTile;
  const std::size_t tiles = end - begin;
  const std::size_t items = query_tiles * ((tiles + kTilesPerItem - 1) / kTilesPerItem);
  const std::size_t steps_per_tile = search.packed_dim / kDimStep;

  for (std::size_t item = blockIdx.x; item < items; item += gridDim.x) {
    const std::size_t query_begin = item % query_tiles * kQueryTile;
    const std::size_t tile_begin = item / query_tiles * kTilesPerItem;
    const std::size_t tile_count = tiles - tile_begin < kTilesPerItem ? tiles - tile_begin : kTilesPerItem;
    const auto first_row_of = [&](std::size_t tile) {
      return (begin + tile_begin + tile) * search.tile_stride % search.tile_count * kRowTile;
    };
    const std::size_t steps = tile_count * steps_per_tile;
    if (kEverything && tile_begin == 0 && threadIdx.x < kQueryTile && query_begin + threadIdx.x < search.query_count) {
      search.counts[query_begin + threadIdx.x] = static_cast<std::uint32_t>(tiles * kRowTile);
    }

    std::size_t copied_row = 0;
    const auto copy_step = [&](std::size_t step) {
      if (step < steps) {
        const std::size_t dim_begin = step % steps_per_tile * kDimStep;
        if (dim_begin == 0) copied_row = first_row_of(step / steps_per_tile);
        char* slice = ring + step % kRing * kSliceBytes;
        copy_slice(slice, search.packed_queries + query_begin * search.packed_dim, kQueryTile, search.packed_dim,
                   dim_begin);
        copy_slice(slice + kQueryTile * kVectorBytes, search.packed_rows + copied_row * search.packed_dim, kRowTile,
                   search.packed_dim, dim_begin);
      }
      end_group();
    };

    float cutoffs[4][2];
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
#pragma unroll
      for (unsigned half = 0; half < 2; ++half) {
        const std::size_t query = query_begin + first_query + 16 * i + 8 * half + lane / 4;
        cutoffs[i][half] = query < search.query_count ? search.cutoffs[query] : INFINITY;
      }
    }

    for (unsigned step = 0; step + 1 < kRing; ++step) copy_step(step);
    Sums sums{};
    for (std::size_t step = 0; step < steps; ++step) {
      await_groups<kRing - 2>();
      __syncthreads();  // the slice is there for all, and all have done with the one before
      copy_step(step + kRing - 1);
      const char* slice = ring + step % kRing * kSliceBytes;
      multiply_slice(slice + first_query * kVectorBytes, slice + (kQueryTile + first_row) * kVectorBytes, lane, sums);
      if ((step + 1) % steps_per_tile != 0) continue;

      bool any = kEverything;
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
#pragma unroll
        for (unsigned j = 0; j < 8; ++j) {
#pragma unroll
          for (unsigned v = 0; v < 4; ++v) any |= sums.values[i][j][v] >= cutoffs[i][v / 2];
        }
      }
      if (any) {
        const std::size_t tile = step / steps_per_tile;
        const std::size_t within = first_row + lane % 4 * 2;
        const std::size_t row = first_row_of(tile) + within;
        const std::size_t at = (tile_begin + tile) * kRowTile + within;
        const std::size_t query = query_begin + first_query + lane / 4;
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) {
#pragma unroll
          for (unsigned j = 0; j < 8; ++j) {
#pragma unroll
            for (unsigned v = 0; v < 4; ++v) {
              const float score = sums.values[i][j][v];
              if (kEverything || score >= cutoffs[i][v / 2]) {
                take<kEverything>(search, query + 16 * i + v / 2 * 8, row + 8 * j + v % 2, at + 8 * j + v % 2, score);
              }
            }
          }
        }
      }
      sums = Sums{};
    }
    await_groups<0>();
    __syncthreads();  // before the ring is filled again
  }
}

}  // namespace

void screen(const Search& search, std::size_t begin, std::size_t end, bool everything, std::size_t multiprocessors) {
  const auto kernel = everything ? screen_kernel<true> : screen_kernel<false>;
  launch(kernel, multiprocessors, kThreads, kRing * kSliceBytes, search, begin, end);
}

}  // namespace latentknn::cuda
