// Hits, which are rows whose sums reach the cutoffs. Warps put them on the lists.
#pragma once

#include "sums.cuh"
#include "warp_products.cuh"

namespace latentknn::cuda {

// Finds the smallest sums that reach the cutoffs of a thread's queries.
// A query that is not screened has an infinite cutoff.
template <class Share, class Sum>
__device__ void find_least(const Search& search, Screening screening, const Share& share, std::uint32_t first_query,
                           Sum (&least)[Share::kQueries]) {
#pragma unroll
  for (unsigned which = 0; which < Share::kQueries; ++which) {
    const std::size_t query = first_query + share.query(which);
    const bool screened =
        query < search.query_count && (screening == Screening::first || search.again[query] == search.round);
    least[which] = least_sum(screened ? search.cutoffs[query] : INFINITY, Sum{});
  }
}

__device__ inline void append(const Search& search, float score, std::uint32_t place, std::size_t query) {
  if (place >= search.row_count || (search.goes_on && score > search.ceilings[query])) return;
  // The number is loaded before the counter is raised: otherwise the thread would wait for memory twice.
  const std::uint32_t number = search.row_numbers[place];
  const std::uint32_t at = add_to(search.counts + query, 1);
  if (at < search.list_capacity) search.lists[query * search.list_capacity + at] = {score, number};
}

// Hits of a warp that are not on the lists yet. The warp appends them together:
// all wait for memory as long as one alone.
struct Queue {
  static constexpr unsigned kRoom = 32;

  // Adds a hit. Lanes may call at the same time.
  __device__ void add(const Search& search, float score, std::uint32_t place, std::uint32_t query) {
    const std::uint32_t at = add_to(&count, 1);
    if (at >= kRoom) return append(search, score, place, query);
    scores[at] = score;
    places[at] = place;
    queries[at] = static_cast<std::uint16_t>(query);
  }

  // Appends the hits to the lists if there are at least `least`. All lanes must call.
  __device__ void hand_on(const Search& search, std::uint32_t least) {
    const unsigned lane = threadIdx.x % 32;
    await_warp();
    const std::uint32_t found = count;
    await_warp();  // all lanes read the count before one adds to it
    if (found < least) return;
    if (lane < found) append(search, scores[lane], places[lane], queries[lane]);
    await_warp();
    if (lane == 0) count = 0;
    await_warp();
  }

  float scores[kRoom];
  std::uint32_t places[kRoom];   // places of the rows
  std::uint32_t count;           // hits, with those that had no room here
  std::uint16_t queries[kRoom];  // a batch has fewer than 2^16
};
static_assert(Queue::kRoom == 32, "each lane hands one hit on");

// An epilogue that puts the hits of a warp on the lists. Each warp has a queue of its own.
template <class Sum>
class Hits {
  using Share = by_warp::Share;

 public:
  // `queues` has one queue for each warp of the block.
  __device__ Hits(const Search& search, Screening screening, Queue* queues)
      : search_(search), screening_(screening), queue_(queues[Share::warp()]) {
    if (share_.lane == 0) queue_.count = 0;
    await_warp();
  }

  __device__ void begin_item(const Item& item) {
    first_query_ = item.query_tile * static_cast<std::uint32_t>(kQueryTile);
    find_least(search_, screening_, share_, first_query_, least_);
  }

  __device__ void take_tile(const by_warp::Sums<Sum>& sums, std::uint32_t tile, std::uint32_t) {
    std::uint32_t groups = 0;  // groups with a hit
#pragma unroll
    for (unsigned group = 0; group < Share::kGroups; ++group) {
      const bool any = largest_of_group<Sum>(sums, group) >= least_[Share::query_of(group)];
      groups |= static_cast<std::uint32_t>(any) << group;
    }
    std::uint32_t rest = any_of_warp(groups);
    if (rest == 0) return;
    for (; rest != 0; rest &= rest - 1) take_group(sums, lowest_bit(rest), tile);
    queue_.hand_on(search_, Queue::kRoom / 2);
  }

  __device__ void end_item() { queue_.hand_on(search_, 1); }

 private:
  // Takes the hits of one group, the same for all lanes. The code is small because it serves all groups and rows.
  __device__ void take_group(const by_warp::Sums<Sum>& sums, unsigned group, std::uint32_t tile) {
    Sum values[kGroupRows]{};
    Sum least{};
#pragma unroll
    for (unsigned each = 0; each < Share::kGroups; ++each) {
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
      queue_.add(search_, static_cast<float>(sum), tile * static_cast<std::uint32_t>(kRowTile) + share_.row(group, hit),
                 first_query_ + share_.query(group));
    }
  }

  const Search& search_;
  const Screening screening_;
  const by_warp::Share share_;
  Queue& queue_;
  std::uint32_t first_query_;
  Sum least_[Share::kQueries];
};

}  // namespace latentknn::cuda
