// One part of the rows, on one device, and the search in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "kernels.h"
#include "runtime.h"
#include "stop.h"
#include "workspace.h"

namespace latentknn::cuda {

// The answers to queries [first, first + count). The arrays, (count, k), are on the host.
// The next batch overwrites them.
struct BatchAnswers {
  std::size_t first;
  std::size_t count;
  std::size_t k;
  const double* scores;
  const std::uint32_t* numbers;  // numbers of the rows in their part
  const std::uint8_t* failed;    // 0, kGivenUp or kNotFinite
};

struct DeviceRequest {
  const float* queries;  // (count, dim), on the host or any device
  bool on_device;
  std::size_t count;
  std::size_t k;                         // from 1 to the number of rows searched
  const std::uint32_t* among = nullptr;  // numbers of the rows to search, each once; null: all rows
  std::size_t among_count = 0;
  std::size_t threads = 1;  // threads of the host
  std::function<void(const BatchAnswers&)> deliver;
};

struct Tally {
  std::size_t in_int8 = 0;    // queries that were screened in int8
  std::size_t left_open = 0;  // queries that int8 left open: they were screened again in float16
};

class DeviceRows {
 public:
  // The rows are on device `number`. The database may use `memory` bytes of it.
  DeviceRows(std::size_t dim, int number, const Device& device, std::size_t memory);

  // Returns the bytes of device memory that a row needs.
  static std::size_t bytes_of_a_row(std::size_t dim);

  std::size_t size() const { return count_; }

  // Returns the bytes of device memory that these rows have.
  std::size_t bytes() const { return capacity_ * bytes_of_a_row(dim_); }
  // Returns how many rows can be appended if `unused` bytes are free. A share of the memory is left to searches.
  std::size_t room(std::size_t unused) const;

  // Returns how many chosen rows one search should be given: they are gathered in the memory that is left to searches.
  std::size_t chosen_at_once() const;

  // Appends rows (count, dim) and their ids, from the host. Where memory must grow, it also grows for rows to come,
  // as far as `unused` free bytes allow. If this throws, the rows are unchanged.
  void add(const float* rows, const std::int64_t* ids, std::size_t count, std::size_t unused = 0);

  // Begins to copy other rows over these. The copy ends with synchronize(); until then the source must not change.
  void begin_replacing(const float* rows, const std::int64_t* ids, std::size_t count);

  // Counts the queries of all searches.
  const Tally& tally() const { return tally_; }

  // Finds each query's k best rows by the contract.
  void search(const DeviceRequest& request, Workspace& workspace, Stop& stop) const;

 private:
  bool reserve(std::size_t count, std::size_t unused);
  void resize(std::size_t room);
  void append(const float* rows, const std::int64_t* ids, std::size_t count);
  void pack_rows(Arithmetic arithmetic, std::size_t first, std::size_t count);
  Search all(Arithmetic arithmetic) const;
  Search gathered(const DeviceRequest& request, Workspace& workspace) const;

  // Rows in the format of the tensor cores.
  struct Packed {
    DeviceBuffer<char> rows;
    DeviceBuffer<float> roundings;
    DeviceBuffer<float> rounding;  // the largest of the roundings
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
  DeviceBuffer<std::uint32_t> numbers_;  // number of each packed row
  Packed fp16_;
  Packed int8_;
  DeviceBuffer<float> reach_;       // largest component of a row, scaled to length one
  DeviceBuffer<float> reach_used_;  // the reach that int8's scale was chosen for
  float int8_rounding_;             // largest rounding; infinite where the rows are not packed in int8
  // int8 is not tried for this k or larger ones: in an earlier search it left too many candidates or open queries.
  mutable std::size_t int8_loses_from_;
  mutable Tally tally_;
};

}  // namespace latentknn::cuda
