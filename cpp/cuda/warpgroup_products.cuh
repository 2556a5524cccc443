// Products of packed vectors by Hopper's warpgroups, by wgmma, which reads both factors from shared memory.
//
// A block has five warpgroups. Four multiply, each half of a tile of queries by half of a tile of rows: while some wait
// for their products, others look at their sums. One thread of the fifth copies slices into a ring, ahead of them. If a
// tile of queries fits beside the ring, it stays in shared memory for an item; else its slices are copied with those of
// the rows.
#pragma once

#include "products.cuh"
#include "warpgroup.cuh"

namespace latentknn::cuda::by_warpgroup {

constexpr unsigned kWarps = 16;  // warps of the four warpgroups that multiply
constexpr unsigned kThreads = 32 * kWarps + 128;
// Registers of a thread that multiplies, and of a thread of the fifth warpgroup, which needs few.
// Together they have what the block is launched with, 96 for each.
constexpr int kRegisters = 104, kFewRegisters = 64;
constexpr unsigned kMostShared = 232448;  // bytes that a block can have on compute capability 9.0
constexpr unsigned kMostSlots = 12;
constexpr unsigned kFewestSlots = 4;

// The layout of the block's memory: first the ring, then the tile of queries if it stays, then the caller's data.
struct Shape {
  unsigned slots;
  unsigned slot_bytes;
  unsigned query_bytes;  // bytes of the tile of queries if it stays; else 0
};

constexpr Shape shape_for(std::uint32_t steps, unsigned rest_bytes) {
  const unsigned room = kMostShared - rest_bytes;
  const bool stays = steps * kQuerySliceBytes + kFewestSlots * kRowSliceBytes <= room;
  const unsigned query_bytes = stays ? steps * kQuerySliceBytes : 0;
  const unsigned slot_bytes = kRowSliceBytes + (stays ? 0 : kQuerySliceBytes);
  const unsigned slots = (room - query_bytes) / slot_bytes;
  return {slots < kMostSlots ? slots : kMostSlots, slot_bytes, query_bytes};
}

constexpr unsigned shared_bytes(const Shape& shape) { return shape.slots * shape.slot_bytes + shape.query_bytes; }

// A phase of a `full` barrier ends when the bytes have come, and the next one of the `empty` barrier
// when all warps have used them.
struct Barriers {
  Barrier full[kMostSlots];
  Barrier empty[kMostSlots];
  Barrier queries_full;
  Barrier queries_empty;
};

// A slot of the ring, and the parity of how often all slots have been used.
struct Turn {
  __device__ void go_on(unsigned slots) {
    if (++slot < slots) return;
    slot = 0;
    parity ^= 1;
  }

  unsigned slot = 0;
  unsigned parity = 0;
};

// The queries and rows of a thread's sums: two queries, with two groups each.
struct Share {
  static constexpr unsigned kGroups = 4;
  static constexpr unsigned kQueries = 2;

  __device__ Share()
      : lane(threadIdx.x % 32),
        first_query(query_half() * kQueryTile / 2 + warp() % 4 * 16 + lane / 4),
        first_row(row_half() * kRowTile / 2 + lane % 4 * 2) {}

  __device__ static unsigned warp() { return threadIdx.x / 32; }
  __device__ static unsigned query_half() { return threadIdx.x / 128 % 2; }
  __device__ static unsigned row_half() { return threadIdx.x / 256; }
  __device__ static constexpr unsigned query_of(unsigned group) { return group % 2; }
  __device__ unsigned query(unsigned which) const { return first_query + 8 * which; }
  __device__ unsigned row(unsigned group, unsigned j) const { return group / 2 * 64 + first_row + j / 2 * 8 + j % 2; }
  // Returns which of its query's maxima in a tile belongs to a group.
  __device__ unsigned maximum(unsigned group) const { return (row_half() * 2 + group / 2) * 4 + lane % 4; }

  unsigned lane;
  unsigned first_query;
  unsigned first_row;
};

template <class Sum>
struct Sums {
  __device__ Sum at(unsigned group, unsigned j) const {
    return values[group / 2 * 32 + j / 2 * 4 + group % 2 * 2 + j % 2];
  }

  Sum values[64];
};

// The work of the warps that do not multiply, if the epilogue has none for them.
struct NoWork {
  __device__ void run() {}
};

// All threads of a block make this object together; one copies slices, and two warpgroups multiply.
template <class Sum>
class Block {
 public:
  // The blocks together multiply tiles [begin, end) of the order by all queries.
  __device__ Block(const Search& search, std::size_t begin, std::size_t end, Screening screening, const Shape& shape,
                   char* ring, Barriers& barriers)
      : search_(search),
        items_(search, begin, end),
        screening_(screening),
        shape_(shape),
        ring_(ring),
        queries_(ring + shape.slots * shape.slot_bytes),
        barriers_(barriers) {
    if (threadIdx.x == 0) {
      for (unsigned slot = 0; slot < shape.slots; ++slot) {
        begin_barrier(&barriers.full[slot], 1);
        begin_barrier(&barriers.empty[slot], kWarps);
      }
      begin_barrier(&barriers.queries_full, 1);
      begin_barrier(&barriers.queries_empty, kWarps);
      show_barriers();
    }
    __syncthreads();
  }

  __device__ static bool multiplies() { return Share::warp() < kWarps; }

  // One warp copies the slices of the items, and the others do `work`. The warps that do not multiply call.
  template <class Work>
  __device__ void serve(Work work) {
    leave_registers<kFewRegisters>();
    if (Share::warp() > kWarps) return work.run();
    if (threadIdx.x % 32 == 0) bring();
  }

  // Multiplies the items, and hands each tile's sums to the epilogue. The warps that multiply call.
  template <class Epilogue>
  __device__ void multiply(Epilogue epilogue) {
    take_registers<kRegisters>();
    // With two slices at a time, warps wait for one another half as often.
    if (search_.steps % 2 == 0) {
      multiply_items<2>(epilogue);
    } else {
      multiply_items<1>(epilogue);
    }
    epilogue.end();
  }

 private:
  // Multiplies the items, and hands each tile's sums to the epilogue.
  template <unsigned kSlices, class Epilogue>
  __device__ void multiply_items(Epilogue& epilogue) {
    for (; items_.left(); items_.go_on()) {
      const Item item = items_.current();
      if (!is_wanted(search_, screening_, item)) continue;
      epilogue.begin_item(item);
      if (queries_stay()) await_phase(&barriers_.queries_full, item_parity_);
      std::uint32_t tile = item.first_tile;
      for (std::uint32_t i = 0; i < item.tiles; ++i) {
        Sums<Sum> sums;
        multiply_tile<kSlices>(sums);
        epilogue.take_tile(sums, tile, item.first + i);
        tile = tile_after(search_, tile);
      }
      if (queries_stay()) release(&barriers_.queries_empty);
      item_parity_ ^= 1;
    }
  }

  __device__ void bring() {
    for (; items_.left(); items_.go_on()) {
      const Item item = items_.current();
      if (!is_wanted(search_, screening_, item)) continue;
      const char* const query_slices =
          search_.packed_queries + std::size_t{item.query_tile} * search_.steps * kQuerySliceBytes;
      if (queries_stay()) {
        await_phase(&barriers_.queries_empty, item_parity_ ^ 1);
        arrive_expecting(&barriers_.queries_full, shape_.query_bytes);
        copy_ahead(queries_, query_slices, shape_.query_bytes, &barriers_.queries_full);
        item_parity_ ^= 1;
      }
      std::uint32_t tile = item.first_tile;
      for (std::uint32_t i = 0; i < item.tiles; ++i) {
        bring_tile(query_slices, search_.packed_rows + std::size_t{tile} * search_.steps * kRowSliceBytes);
        tile = tile_after(search_, tile);
      }
    }
  }

  __device__ bool queries_stay() const { return shape_.query_bytes != 0; }

  __device__ static void release(Barrier* barrier) {
    if (threadIdx.x % 32 == 0) arrive(barrier);
  }

  __device__ void bring_tile(const char* query_slice, const char* row_slice) {
    for (std::uint32_t step = 0; step < search_.steps; ++step) {
      char* const to = ring_ + turn_.slot * shape_.slot_bytes;
      Barrier* const full = &barriers_.full[turn_.slot];
      await_phase(&barriers_.empty[turn_.slot], turn_.parity ^ 1);
      arrive_expecting(full, shape_.slot_bytes);
      copy_ahead(to, row_slice + step * kRowSliceBytes, kRowSliceBytes, full);
      if (!queries_stay()) {
        copy_ahead(to + kRowSliceBytes, query_slice + step * kQuerySliceBytes, kQuerySliceBytes, full);
      }
      turn_.go_on(shape_.slots);
    }
  }

  // Multiplies kSlices slices at a time.
  template <unsigned kSlices>
  __device__ void multiply_tile(Sums<Sum>& sums) {
    Turn used = turn_;  // the first slot that was multiplied and not released
#pragma unroll 1
    for (std::uint32_t step = 0; step < search_.steps; step += kSlices) {
      unsigned slots[kSlices];
#pragma unroll
      for (unsigned i = 0; i < kSlices; ++i) {
        slots[i] = turn_.slot;
        await_phase(&barriers_.full[turn_.slot], turn_.parity);
        turn_.go_on(shape_.slots);
      }
      begin_products();
#pragma unroll
      for (unsigned i = 0; i < kSlices; ++i) multiply_slice(sums, slots[i], step + i);
      end_products();
      if (step > 0) {
        await_products<1>();
        release_slots<kSlices>(used);
      }
    }
    await_products<0>();
    use_sums(sums.values);
    release_slots<kSlices>(used);
  }

  __device__ void multiply_slice(Sums<Sum>& sums, unsigned slot, std::uint32_t step) {
    const unsigned row_slice = slot * shape_.slot_bytes;
    const unsigned query_slice =
        queries_stay() ? shape_.slots * shape_.slot_bytes + step * kQuerySliceBytes : row_slice + kRowSliceBytes;
    const Matrix ring = matrix_at(ring_);
    const Matrix queries = behind(ring, query_slice + Share::query_half() * kQuerySliceBytes / 2);
    const Matrix rows = behind(ring, row_slice + Share::row_half() * kRowSliceBytes / 2);
    multiply_ahead(sums.values, queries, rows, step == 0);
    multiply_ahead(sums.values, behind(queries, kStepBytes / 2), behind(rows, kStepBytes / 2), false);
  }

  template <unsigned kSlices>
  __device__ void release_slots(Turn& used) {
#pragma unroll
    for (unsigned i = 0; i < kSlices; ++i) {
      release(&barriers_.empty[used.slot]);
      used.go_on(shape_.slots);
    }
  }

  const Search& search_;
  Items items_;
  const Screening screening_;
  const Shape shape_;
  char* const ring_;
  char* const queries_;
  Barriers& barriers_;
  Turn turn_;
  unsigned item_parity_ = 0;
};

}  // namespace latentknn::cuda::by_warpgroup
