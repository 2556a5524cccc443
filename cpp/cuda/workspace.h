// The searches on a device share this memory: each reuses what earlier ones have allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "plan.h"
#include "runtime.h"

namespace latentknn::cuda {

// Divides a piece of memory into consecutive arrays.
class Pieces {
 public:
  explicit Pieces(char* begin = nullptr) : begin_(reinterpret_cast<std::uintptr_t>(begin)) {}

  template <class T>
  T* next(std::size_t count) {
    T* piece = reinterpret_cast<T*>(begin_ + bytes_);
    bytes_ += (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return piece;
  }

  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kAlignment = 256;

  std::uintptr_t begin_;
  std::size_t bytes_ = 0;
};

// The sizes that determine the memory of a batch, for float16 and, if `int8_first`, also for int8.
struct BatchShape {
  std::size_t queries;
  std::size_t k;
  std::size_t dim;
  std::size_t tiles;  // tiles of rows
  bool int8_first;
};

// The arrays of a batch: those of `host` are pinned memory, the others are on the device.
struct BatchArrays {
  BatchArrays(const BatchShape& shape, Pieces& device, Pieces& host);

  float* values;
  char* packed;
  double* norms;
  float* roundings;
  double* scales;
  Candidate* lists;
  std::uint32_t *counts, *settled, *again, *tiles_again, *any_again;
  float *cutoffs, *ceilings, *maxima;
  std::size_t maxima_stride;
  std::uint8_t* failed;
  double* scores;
  std::uint32_t* numbers;

  struct {
    float* values;
    double* scores;
    std::uint32_t* numbers;
    std::uint32_t* counts;
    std::uint8_t* failed;
  } host;
};

// A slot is the memory for a batch, and the stream of its copies and kernels.
class Slot {
 public:
  bool holds(const BatchShape& shape) const;
  void reserve(const BatchShape& shape);
  BatchArrays arrays(const BatchShape& shape) const;

  const Stream& stream() const { return stream_; }
  std::size_t bytes() const { return device_.size(); }

 private:
  Stream stream_;
  DeviceBuffer<char> device_;
  PinnedBuffer<char> host_;
};

// A workspace belongs to the device that is current when it is made.
class Workspace {
 public:
  // Makes room for one batch of the given shape, or for several side by side if one cannot hold all `queries`.
  // Batches get fewer queries if the device, or the `memory` bytes that the database may use of it,
  // are too small for them. Returns the shape that there is room for.
  BatchShape fit(BatchShape shape, std::size_t queries, std::size_t memory);

  Slot& slot(std::size_t number) { return slots_[number]; }

  // Returns device memory for rows that are gathered.
  char* gathering(std::size_t bytes);

  // Returns the bytes of device memory that the workspace has allocated.
  std::size_t bytes() const;

  // Rows from the host are copied on this stream.
  const Stream& bringing() const { return bringing_; }

 private:
  std::array<Slot, kBatchesSideBySide> slots_;
  DeviceBuffer<char> gathered_;
  Stream bringing_;
};

}  // namespace latentknn::cuda
