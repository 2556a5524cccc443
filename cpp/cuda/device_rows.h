// Rows on one device, and their search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "kernels.h"
#include "runtime.h"
#include "stop.h"
#include "workspace.h"

namespace latentknn::cuda {

// What has been found for queries [first, first + count): (count, k), on the host, until the next batch is begun.
struct BatchAnswers {
  std::size_t first;
  std::size_t count;
  std::size_t k;
  const double* scores;
  const std::uint32_t* numbers;  // row numbers
  const std::uint8_t* failed;    // 0, kGivenUp or kNotFinite
};

struct DeviceRequest {
  const float* queries;  // (count, dim), on the host or any device
  bool on_device;
  std::size_t count;
  std::size_t k;                         // from 1 to the rows there are
  const std::uint32_t* among = nullptr;  // row numbers, none of them twice; null: all rows
  std::size_t among_count = 0;
  std::size_t threads = 1;  // of the host
  std::function<void(const BatchAnswers&)> deliver;
};

// Queries that were screened in int8, and those of them that had to be screened again in float16.
struct Tally {
  std::size_t in_int8 = 0;
  std::size_t left_open = 0;
};

class DeviceRows {
 public:
  // On a device, of whose memory the database may use so many bytes.
  DeviceRows(std::size_t dim, int number, const Device& device, std::size_t memory);

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
  // needs, if rows may have it. Where it throws, the rows are those that there were.
  void add(const float* rows, const std::int64_t* ids, std::size_t count, std::size_t unused = 0);

  // Begins to take other rows instead of its own; they are there after synchronize(), and until then they must stay
  // where they come from.
  void begin_replacing(const float* rows, const std::int64_t* ids, std::size_t count);

  // Of all searches.
  const Tally& tally() const { return tally_; }

  // Finds each query's k best by the contract.
  void search(const DeviceRequest& request, Workspace& workspace, Stop& stop) const;

 private:
  bool reserve(std::size_t count, std::size_t unused);
  void resize(std::size_t room);
  void append(const float* rows, const std::int64_t* ids, std::size_t count);
  void pack_rows(Arithmetic arithmetic, std::size_t first, std::size_t count);
  Search all(Arithmetic arithmetic) const;
  Search gathered(const DeviceRequest& request, Workspace& workspace) const;

  // Rows as the tensor cores take them.
  struct Packed {
    DeviceBuffer<char> rows;
    DeviceBuffer<float> roundings;
    DeviceBuffer<float> rounding;  // the largest
  };

  std::size_t dim_;
  int number_;
  std::size_t multiprocessors_;
  Products products_;
  std::size_t memory_;
  std::size_t count_ = 0;
  std::size_t capacity_ = 0;  // a multiple of kRowTile
  DeviceBuffer<float> rows_;
  DeviceBuffer<double> norms_;
  DeviceBuffer<std::int64_t> ids_;
  DeviceBuffer<std::uint32_t> numbers_;  // one of each packed row
  Packed fp16_;
  Packed int8_;
  DeviceBuffer<float> reach_;       // the largest component of a row of length one
  DeviceBuffer<float> reach_used_;  // what it was when the scale of int8 was chosen
  float int8_rounding_;             // the largest; infinite where the rows are not packed in int8
  // Of searches for so many neighbours and more, int8 has left too much to do.
  mutable std::size_t int8_loses_from_;
  mutable Tally tally_;
};

}  // namespace latentknn::cuda
