// Rows on one device, and their search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels.h"
#include "runtime.h"
#include "stop.h"

namespace latentknn::cuda {

struct DeviceRequest {
  const float* queries;  // (count, dim), on the host or any device
  std::size_t count;
  std::size_t k;                         // from 1 to the rows there are
  const std::uint32_t* among = nullptr;  // row numbers, ascending; null: all rows
  std::size_t among_count = 0;

  // (count, k), on the host
  double* scores;
  std::uint32_t* numbers;
};

class DeviceRows {
 public:
  // On a device, of whose memory the database may use so many bytes.
  DeviceRows(std::size_t dim, int number, std::size_t multiprocessors, std::size_t memory);

  // Of the device, that a row takes.
  static std::size_t bytes_of_a_row(std::size_t dim);

  std::size_t size() const { return count_; }

  // Bytes of the device that its rows take.
  std::size_t bytes() const { return capacity_ * bytes_of_a_row(dim_); }
  // Rows that can be appended, of so many free bytes, and leave a share of the memory to searches.
  std::size_t room(std::size_t unused) const;

  // Of a search among some rows, how many it should be given: they are gathered in the memory that is left to searches.
  std::size_t chosen_at_once() const;

  // Appends rows (count, dim) and their ids, from the host; where it grows, it takes of so many free bytes more than it
  // needs, if rows may have it. Changes nothing where it throws.
  void add(const float* rows, const std::int64_t* ids, std::size_t count, std::size_t unused = 0);

  // Forgets all rows and keeps their memory.
  void clear();

  // Finds each query's k best by the contract. Returns the queries, ascending, whose answers were not found: too many
  // rows score nearly alike.
  std::vector<std::size_t> search(const DeviceRequest& request, Stop& stop) const;

 private:
  void reserve(std::size_t count, std::size_t unused);
  void resize(std::size_t room);
  Search database(std::size_t row_count) const;

  std::size_t dim_;
  std::size_t packed_dim_;
  int number_;
  std::size_t multiprocessors_;
  std::size_t memory_;
  std::size_t count_ = 0;
  std::size_t capacity_ = 0;  // a multiple of kRowTile
  DeviceArray<float> rows_;
  DeviceArray<double> norms_;
  DeviceArray<std::int64_t> ids_;
  DeviceArray<std::uint16_t> packed_;
  DeviceArray<float> roundings_;
  DeviceArray<float> rounding_;  // the largest
};

}  // namespace latentknn::cuda
