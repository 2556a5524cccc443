// The rows of a database on one device, and their search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "kernels.h"
#include "runtime.h"

namespace latentknn::cuda {

struct DeviceRequest {
  const float* queries;  // (count, dim), on the host; null: the rows themselves, each without itself
  std::size_t count;
  std::size_t k;                         // from 1 to the rows there are
  const std::uint32_t* among = nullptr;  // row numbers, ascending; null: all rows
  std::size_t among_count = 0;
  std::function<bool()> poll;  // asked now and then whether to stop

  // (count, k), on the host
  double* scores;
  std::uint32_t* numbers;
};

// A poll asked to stop.
class Stopped : public std::exception {};

class DeviceRows {
 public:
  DeviceRows(std::size_t dim, int device);
  ~DeviceRows();

  std::size_t dim() const { return dim_; }
  std::size_t size() const { return count_; }
  const Device& device() const { return properties_; }

  // Appends rows (count, dim) and their ids; null: numbers, if those before have none either. Changes nothing where it
  // throws.
  void add(const float* rows, const std::int64_t* ids, std::size_t count);

  // Finds each query's k best by the contract. Throws std::invalid_argument where there are fewer than k rows to find,
  // or one of those that are allowed is not there. Returns the queries, ascending, whose answers were not found: too
  // many rows score nearly alike.
  std::vector<std::size_t> search(const DeviceRequest& request);

 private:
  void reserve(std::size_t count, bool with_ids);
  void resize(std::size_t room, bool with_ids);
  void search_batch(const DeviceRequest& request, std::size_t begin, std::size_t count, const Search& database,
                    std::vector<std::size_t>& failed) const;

  const std::size_t dim_;
  const std::size_t packed_dim_;
  const int number_;
  Device properties_;
  std::mutex mutex_;
  std::size_t count_ = 0;
  std::size_t capacity_ = 0;  // a multiple of kRowTile
  bool has_ids_ = false;
  DeviceArray<float> rows_;
  DeviceArray<double> norms_;
  DeviceArray<std::int64_t> ids_;
  DeviceArray<std::uint16_t> packed_;
  DeviceArray<float> roundings_;
  DeviceArray<float> rounding_;  // the largest
};

}  // namespace latentknn::cuda
