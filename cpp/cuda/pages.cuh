// Warpgroups write groups of sums with hits to pages. Other warps read the pages and put the hits on the lists.
#pragma once

#include "hits.cuh"
#include "warpgroup_products.cuh"

namespace latentknn::cuda {

// Groups of sums with a hit. A warp that multiplies leaves them to one that does not: looking closer and waiting
// for memory would cost its warpgroup, and the tensor cores with it, several times what the products do.
template <class Sum>
struct Page {
  static constexpr unsigned kRoom = 32;

  alignas(16) Sum sums[kRoom][kGroupRows];
  Sum least[kRoom];
  std::uint32_t places[kRoom];  // place of each group's first row
  std::uint32_t queries[kRoom];
  std::uint32_t count;
  bool last;  // true on the last page of its warp
};

// Each warp that multiplies has two pages: one is written while the other is read.
template <class Sum>
struct Pages {
  static constexpr unsigned kOfAWarp = 2;
  static constexpr unsigned kLanes = 32;  // each lane arrives at the barriers

  // Begins the barriers. One thread calls, before a barrier of the block.
  __device__ void begin() {
    for (auto& of_a_warp : written) {
      for (Barrier& each : of_a_warp) begin_barrier(&each, kLanes);
    }
    for (auto& of_a_warp : read) {
      for (Barrier& each : of_a_warp) begin_barrier(&each, kLanes);
    }
  }

  Page<Sum> pages[by_warpgroup::kWarps][kOfAWarp];
  Barrier written[by_warpgroup::kWarps][kOfAWarp];
  Barrier read[by_warpgroup::kWarps][kOfAWarp];
};

// An epilogue that writes groups with a hit to the pages of its warp.
template <class Sum>
class PageWriter {
  using Share = by_warpgroup::Share;

 public:
  __device__ PageWriter(const Search& search, Screening screening, Pages<Sum>& pages)
      : search_(search), screening_(screening), pages_(pages) {}

  __device__ void begin_item(const Item& item) {
    first_query_ = item.query_tile * static_cast<std::uint32_t>(kQueryTile);
    find_least(search_, screening_, share_, first_query_, least_);
  }

  __device__ void take_tile(const by_warpgroup::Sums<Sum>& sums, std::uint32_t tile, std::uint32_t) {
    // Finds the lanes with a hit, for all groups first, so that no group waits for the one before.
    std::uint32_t lanes[Share::kGroups], any_lanes = 0;
#pragma unroll
    for (unsigned group = 0; group < Share::kGroups; ++group) {
      lanes[group] = lanes_where(largest_of_group<Sum>(sums, group) >= least_[Share::query_of(group)]);
      any_lanes |= lanes[group];
    }
    if (any_lanes == 0) return;
#pragma unroll
    for (unsigned group = 0; group < Share::kGroups; ++group) {
      if (lanes[group] == 0) continue;
      const unsigned count = bits_in(lanes[group]);
      if (used_ + count > Page<Sum>::kRoom) turn(false);
      if ((lanes[group] >> share_.lane & 1) != 0) {
        Page<Sum>& page = pages_.pages[Share::warp()][page_];
        const unsigned at = used_ + bits_in(lanes[group] & ((1u << share_.lane) - 1));
#pragma unroll
        for (unsigned j = 0; j < kGroupRows; ++j) page.sums[at][j] = sums.at(group, j);
        page.least[at] = least_[Share::query_of(group)];
        page.places[at] = tile * static_cast<std::uint32_t>(kRowTile) + share_.row(group, 0);
        page.queries[at] = first_query_ + share_.query(Share::query_of(group));
      }
      used_ += count;
    }
    if (used_ > Page<Sum>::kRoom / 2) turn(false);
  }

  __device__ void end() { turn(true); }

 private:
  // Leaves the page to its reader and goes on with the other page. All lanes must call.
  __device__ void turn(bool last) {
    if (share_.lane == 0) {
      Page<Sum>& page = pages_.pages[Share::warp()][page_];
      page.count = used_;
      page.last = last;
    }
    arrive(&pages_.written[Share::warp()][page_]);
    used_ = 0;
    page_ ^= 1;
    parity_ ^= page_ ^ 1;  // the parity changes when both pages have been turned
    if (!last) await_phase(&pages_.read[Share::warp()][page_], parity_ ^ 1);
  }

  const Search& search_;
  const Screening screening_;
  const Share share_;
  Pages<Sum>& pages_;
  std::uint32_t first_query_;
  Sum least_[Share::kQueries];
  unsigned used_ = 0;
  unsigned page_ = 0;
  unsigned parity_ = 0;
};

// Reads the pages of some of the warps that multiply, and appends the hits to the lists.
template <class Sum>
class PageReader {
 public:
  static constexpr unsigned kReaders = 3;  // warps that read

  __device__ PageReader(const Search& search, Pages<Sum>& pages)
      : search_(search), pages_(pages), number_(threadIdx.x / 32 - by_warpgroup::kWarps - 1) {}

  __device__ void run() {
    // One bit for each warp: its next page, the parity of that page's phase, and whether all were read.
    std::uint32_t next = 0, parities = 0, done = 0;
    for (unsigned warp = 0; warp < by_warpgroup::kWarps; ++warp) {
      if (warp % kReaders != number_) done |= 1u << warp;
    }
    while (done != (1u << by_warpgroup::kWarps) - 1) {
      bool any = false;
      for (unsigned warp = number_; warp < by_warpgroup::kWarps; warp += kReaders) {
        if ((done >> warp & 1) != 0) continue;
        const unsigned page = next >> warp & 1, parity = parities >> warp & 1;
        Barrier* const written = &pages_.written[warp][page];
        // All lanes must decide alike: if one has seen the end, the phase has ended.
        if (lanes_where(has_ended(written, parity)) == 0) continue;
        await_phase(written, parity);
        any = true;
        if (read(pages_.pages[warp][page], &pages_.read[warp][page])) done |= 1u << warp;
        next ^= 1u << warp;
        if (page == 1) parities ^= 1u << warp;
      }
      if (!any) pause();
    }
  }

 private:
  // Reads a page, one group for each lane. Returns whether it was the warp's last page.
  __device__ bool read(const Page<Sum>& page, Barrier* has_read) const {
    const unsigned lane = threadIdx.x % 32;
    Sum sums[kGroupRows];
    const bool own = lane < page.count, last = page.last;
    const std::uint32_t place = own ? page.places[lane] : 0, query = own ? page.queries[lane] : 0;
    std::uint32_t hits = 0;
#pragma unroll
    for (unsigned j = 0; j < kGroupRows; ++j) {
      sums[j] = page.sums[lane][j];
      if (own && sums[j] >= page.least[lane]) hits |= 1u << j;
    }
    arrive(has_read);
    // Most groups have one hit, so that a warp mostly waits for memory once.
    while (hits != 0) {
      const unsigned hit = lowest_bit(hits);
      Sum sum = sums[0];
#pragma unroll
      for (unsigned j = 1; j < kGroupRows; ++j) sum = j == hit ? sums[j] : sum;
      append(search_, static_cast<float>(sum), place + hit / 2 * 8 + hit % 2, query);
      hits &= hits - 1;
    }
    await_warp();
    return last;
  }

  const Search& search_;
  Pages<Sum>& pages_;
  const unsigned number_;
};

}  // namespace latentknn::cuda
