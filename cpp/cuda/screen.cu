// The tensor cores' sums, compared with the cutoffs where they arise: none that is excluded leaves the registers.
#include "contract.cuh"
#include "kernels.h"
#include "products.cuh"

namespace latentknn::cuda {
namespace {

// The sums that reach a cutoff are those from here on.
__device__ float least_sum(float cutoff, float) { return cutoff; }
__device__ std::int32_t least_sum(float cutoff, std::int32_t) {
  constexpr float kBeyond = 2147483648.0f;
  if (cutoff <= -kBeyond) return INT32_MIN;
  return cutoff >= kBeyond ? INT32_MAX : static_cast<std::int32_t>(std::ceil(cutoff));  // no sum is the largest
}

// The largest sum of each group, in every tile.
template <class Sum>
class Maxima {
 public:
  __device__ explicit Maxima(const Search& search) : search_(search) {}

  __device__ bool begin_item(const Item& item, std::uint32_t first) {
    first_query_ = std::size_t{item.query_tile} * kQueryTile;
    first_ = first;
#pragma unroll
    for (unsigned group = 0; group < kGroups; ++group) {
      const std::size_t query = first_query_ + part_.query(group);
      ceilings_[group] = query < search_.query_count ? search_.ceilings[query] : INFINITY;
    }
    return true;
  }

  __device__ void take_tile(const Sums<Sum>& sums, std::uint32_t tile, std::uint32_t number) {
    // Of a tile that is not full nobody knows which sums are of rows.
    const bool full = (std::size_t{tile} + 1) * kRowTile <= search_.row_count;
    const std::size_t at = (first_ + number) * kTileGroups + Part::warp() % kWarpsAcross * 4 + part_.lane % 4;
#pragma unroll
    for (unsigned group = 0; group < kGroups; ++group) {
      float largest = -INFINITY;
#pragma unroll
      for (unsigned j = 0; j < kGroupRows; ++j) {
        const auto sum = static_cast<float>(sums.at(group, j));
        largest = std::fmax(largest, sum <= ceilings_[group] ? sum : -INFINITY);
      }
      const std::size_t query = first_query_ + part_.query(group);
      if (query < search_.query_count) search_.maxima[query * search_.maxima_stride + at] = full ? largest : -INFINITY;
    }
  }

  __device__ void end_item() {}

 private:
  const Search& search_;
  const Part part_;
  std::size_t first_query_;
  std::uint32_t first_;
  float ceilings_[kGroups];
};

// The rows whose sums reach the cutoffs. Each warp queues its own and hands them on together: one alone would wait for
// memory as long as all of them do.
struct Queue {
  static constexpr unsigned kRoom = 32;

  float scores[kRoom];
  std::uint32_t places[kRoom];  // row places
  std::uint32_t count;          // also of those that found no room
  std::uint8_t queries[kRoom];  // within the tile
};
static_assert(Queue::kRoom == 32, "each lane hands one hit on");

template <class Sum>
class Hits {
 public:
  // `queues` are the block's, one a warp.
  __device__ Hits(const Search& search, Screening screening, Queue* queues)
      : search_(search), screening_(screening), queue_(queues[Part::warp()]) {
    if (part_.lane == 0) queue_.count = 0;
    await_warp();
  }

  __device__ bool begin_item(const Item& item, std::uint32_t) {
    if (screening_ == Screening::again && search_.tiles_again[item.query_tile] != search_.round) return false;
    first_query_ = std::size_t{item.query_tile} * kQueryTile;
#pragma unroll
    for (unsigned group = 0; group < kGroups; ++group) {
      const std::size_t query = first_query_ + part_.query(group);
      const bool screened =
          query < search_.query_count && (screening_ == Screening::first || search_.again[query] == search_.round);
      least_[group] = least_sum(screened ? search_.cutoffs[query] : INFINITY, Sum{});
    }
    return true;
  }

  __device__ void take_tile(const Sums<Sum>& sums, std::uint32_t tile, std::uint32_t) {
    std::uint32_t groups = 0;  // those with a hit
#pragma unroll
    for (unsigned group = 0; group < kGroups; ++group) {
      bool any = false;
#pragma unroll
      for (unsigned j = 0; j < kGroupRows; ++j) any |= sums.at(group, j) >= least_[group];
      groups |= static_cast<std::uint32_t>(any) << group;
    }
    std::uint32_t rest = any_of_warp(groups);
    if (rest == 0) return;
    for (; rest != 0; rest &= rest - 1) take_group(sums, lowest_bit(rest), tile);
    hand_on(Queue::kRoom / 2);
  }

  __device__ void end_item() { hand_on(1); }

 private:
  // The same group for all lanes. It is small because it is one piece of code for all groups and all rows of a group.
  __device__ void take_group(const Sums<Sum>& sums, unsigned group, std::uint32_t tile) {
    Sum values[kGroupRows]{};
    Sum least{};
#pragma unroll
    for (unsigned each = 0; each < kGroups; ++each) {
      if (each != group) continue;
      least = least_[each];
#pragma unroll
      for (unsigned j = 0; j < kGroupRows; ++j) values[j] = sums.at(each, j);
    }
    std::uint32_t hits = 0;
#pragma unroll
    for (unsigned j = 0; j < kGroupRows; ++j) hits |= static_cast<std::uint32_t>(values[j] >= least) << j;
    for (; hits != 0; hits &= hits - 1) {
      const unsigned hit = lowest_bit(hits);
      Sum sum = values[0];
#pragma unroll
      for (unsigned j = 1; j < kGroupRows; ++j) sum = j == hit ? values[j] : sum;
      queue(static_cast<float>(sum), tile * static_cast<std::uint32_t>(kRowTile) + part_.row(hit), part_.query(group));
    }
  }

  __device__ void queue(float score, std::uint32_t place, unsigned query) {
    const std::uint32_t at = add_to(&queue_.count, 1);
    if (at >= Queue::kRoom) return append(score, place, query);
    queue_.scores[at] = score;
    queue_.places[at] = place;
    queue_.queries[at] = static_cast<std::uint8_t>(query);
  }

  // All lanes must call.
  __device__ void hand_on(std::uint32_t least) {
    await_warp();
    const std::uint32_t count = queue_.count;
    if (count < least) return;
    if (part_.lane < count) append(queue_.scores[part_.lane], queue_.places[part_.lane], queue_.queries[part_.lane]);
    await_warp();
    if (part_.lane == 0) queue_.count = 0;
    await_warp();
  }

  __device__ void append(float score, std::uint32_t place, unsigned query_in_tile) const {
    const std::size_t query = first_query_ + query_in_tile;
    if (place >= search_.row_count) return;
    // Asked for before the counter is: a warp would otherwise wait for memory twice, and its block with it.
    const std::uint32_t number = search_.row_numbers[place];
    if (score > search_.ceilings[query]) return;
    const std::uint32_t at = add_to(search_.counts + query, 1);
    if (at < search_.list_capacity) search_.lists[query * search_.list_capacity + at] = {score, number};
  }

  const Search& search_;
  const Screening screening_;
  const Part part_;
  Queue& queue_;
  std::size_t first_query_;
  Sum least_[kGroups];  // smallest sums that reach the cutoffs
};

template <class Sum>
__global__ void __launch_bounds__(kThreads, 1) maxima_kernel(Search search) {
  Maxima<Sum> maxima(search);
  multiply_tiles<Sum>(search, 0, search.maxima_count / kTileGroups, maxima);
}

template <class Sum>
__global__ void __launch_bounds__(kThreads, 1)
    screen_kernel(Search search, std::size_t begin, std::size_t end, Screening screening) {
  if (screening == Screening::again && *search.any_again != search.round) return;
  Hits<Sum> hits(search, screening, reinterpret_cast<Queue*>(shared_memory<char>() + kRingBytes));
  multiply_tiles<Sum>(search, begin, end, hits);
}

}  // namespace

void find_maxima(const Search& search, std::size_t multiprocessors) {
  const auto kernel = search.arithmetic == Arithmetic::fp16 ? maxima_kernel<float> : maxima_kernel<std::int32_t>;
  launch(kernel, multiprocessors, kThreads, kRingBytes, search);
}

void screen(const Search& search, std::size_t begin, std::size_t end, Screening screening,
            std::size_t multiprocessors) {
  const auto kernel = search.arithmetic == Arithmetic::fp16 ? screen_kernel<float> : screen_kernel<std::int32_t>;
  launch(kernel, multiprocessors, kThreads, kRingBytes + kWarps * sizeof(Queue), search, begin, end, screening);
}

}  // namespace latentknn::cuda
