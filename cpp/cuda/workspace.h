// What the searches on a device share and keep, so that none of them asks for memory that the one before has had.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "plan.h"
#include "runtime.h"

namespace latentknn::cuda {

// Arrays that follow each other in a piece of memory.
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

// What a batch of queries needs memory for, in float16 and, if that is tried first, in int8.
struct BatchShape {
  std::size_t queries;
  std::size_t k;
  std::size_t dim;
  std::size_t tiles;  // tiles of rows
  bool int8_first;
};

// A batch's arrays: on the device, and pinned on the host.
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

// Memory for a batch, and the stream of its copies and kernels.
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

// Of the device that is current when it is made.
class Workspace {
 public:
  // Makes room for batches of that shape, side by side if one does not have all the queries of a search; of fewer
  // queries where the device, or what the database may use of it, has too little memory. Returns the shape that there
  // is room for.
  BatchShape fit(BatchShape shape, std::size_t queries, std::size_t memory);

  Slot& slot(std::size_t number) { return slots_[number]; }

  // Memory of the device for rows that are gathered.
  char* gathering(std::size_t bytes);

  // Of the device, that it holds.
  std::size_t bytes() const;

  // The stream on which rows are brought.
  const Stream& bringing() const { return bringing_; }

 private:
  std::array<Slot, kBatchesSideBySide> slots_;
  DeviceBuffer<char> gathered_;
  Stream bringing_;
};

}  // namespace latentknn::cuda
