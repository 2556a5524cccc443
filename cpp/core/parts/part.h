// Rows of a database that stand together in memory, and are packed together or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "parts/packing.h"
#include "parts/row_buffer.h"
#include "platform/thread_pool.h"
#include "rows/convert.h"
#include "rows/live_rows.h"
#include "rows/rows.h"

namespace latentknn {

struct Part {
  std::shared_ptr<RowBuffer> buffer;
  std::size_t count = 0;                   // rows of the buffer that belong to the part, those removed among them
  std::int64_t first_id = 0;               // id of the first row where ids are consecutive; else added to each id
  std::shared_ptr<const Packing> packing;  // null where every search scores the rows
  std::shared_ptr<const LiveRows> live;    // null where no row was removed

  // Rows that were not removed.
  std::size_t size() const { return live ? live->size() : count; }
  // The rows as a search sees them, where so many rows of other parts come before them.
  Rows view(std::size_t dim, std::size_t first_position) const {
    return {buffer->values(), buffer->squared_norms(), buffer->ids(), count, dim, first_id, first_position, live.get()};
  }
};

// New rows, with an id each. Ids are looked at after the rows have been written.
struct NewRows {
  Matrix matrix;
  const std::int64_t* ids;
};

// Where copies of rows are written.
struct RowCopies {
  float* values;
  double* squared_norms;  // null where they are not wanted
  std::int64_t* ids;      // null where they are not wanted
};

// What a change of parts needs to know of its database.
struct PartMaker {
  const KernelTable& kernels;
  Strategy strategy;
  std::size_t dim;
  std::size_t threads;
  const ThreadPool::Poll& poll;

  // Returns one part of all live rows of some parts and of new rows behind them, at least one in all. Throws
  // InvalidRow, std::bad_alloc and Interrupted.
  Part join(const Part* parts, std::size_t part_count, const NewRows& more) const;

  // Returns a part of `part`, which is not packed, and new rows behind it. Where there is room for `most` rows, further
  // ones will find it. Throws what join() throws.
  Part extend(const Part& part, const NewRows& more, std::size_t most) const;

  // Copies so many live rows of a part side by side, from the live row number `first` on. Throws Interrupted.
  void copy_live(const Part& part, std::size_t first, std::size_t count, const RowCopies& copies) const;

 private:
  void append(RowBuffer& buffer, std::size_t at, const NewRows& more) const;
};

}  // namespace latentknn
