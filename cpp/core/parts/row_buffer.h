// The memory of a part's rows, with room for more.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/aligned_buffer.h"

namespace latentknn {

// Rows that were written do not change. Whoever appends claims places first, so that two databases that share the
// buffer never write to the same one, and no search reads a place before the rows there belong to its part.
class RowBuffer {
 public:
  RowBuffer(std::size_t dim, std::size_t capacity) : capacity_(capacity) {
    values_.resize(capacity * dim);
    squared_norms_.resize(capacity);
    ids_.resize(capacity);
  }

  // Claims the places [from, from + count). Returns false where they are not free, or not there.
  bool claim(std::size_t from, std::size_t count) {
    return count <= capacity_ - from && used_.compare_exchange_strong(from, from + count);
  }
  // Gives the places from `from` on back, after a claim of them whose rows did not come.
  void release(std::size_t from) { used_ = from; }

  // Forgets the ids, which are consecutive.
  void drop_ids() { ids_ = {}; }

  float* values() { return values_.data(); }
  double* squared_norms() { return squared_norms_.data(); }
  std::int64_t* ids() { return ids_.data(); }  // null after drop_ids()

 private:
  const std::size_t capacity_;
  std::atomic<std::size_t> used_{0};
  AlignedBuffer<float> values_;  // (capacity, dim)
  AlignedBuffer<double> squared_norms_;
  AlignedBuffer<std::int64_t> ids_;
};

}  // namespace latentknn
