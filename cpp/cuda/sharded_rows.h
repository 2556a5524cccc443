// The rows of a database are spread over devices. Rows that fit on no device stay on the host,
// and each search copies them to a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "answers.h"
#include "device_rows.h"
#include "helpers.h"
#include "numbering.h"
#include "row_ids.h"
#include "runtime.h"
#include "workspace.h"

namespace latentknn::cuda {

struct ShardedRequest {
  const float* queries;  // (count, dim), on the host or any device
  bool on_device = false;
  std::size_t count;
  std::size_t k;                          // from 1 to the number of allowed rows
  const std::uint8_t* allowed = nullptr;  // one flag for each row; null: all rows are allowed
  std::size_t allowed_count = 0;
  std::size_t threads = 1;     // threads of the host that copy queries and answers
  std::function<bool()> poll;  // asked now and then, on the calling thread; true: stop
  AnswerArrays answers;
};

class ShardedRows {
 public:
  // A device gets so many rows, if it has room for them, before the next one is used.
  static constexpr std::size_t kLeastShare = 65536;

  // Uses the devices with these numbers, and `memory` bytes of each;
  // 0 means all bytes that are free when rows are first added to it.
  ShardedRows(std::size_t dim, const std::vector<int>& numbers, std::size_t memory = 0,
              std::size_t least_share = kLeastShare);

  std::size_t dim() const { return dim_; }
  std::size_t size() const;
  // Returns the number of rows on each device, and last of those on the host.
  std::vector<std::size_t> shares() const;
  // Adds up the tallies of all searches. A query counts once for every part of the rows that is on a device.
  Tally tally() const;

  // Appends rows (count, dim) and their ids, from the host. If it throws, the object must not be used any more.
  void add(const float* rows, const std::int64_t* ids, std::size_t count);

  // Forgets all rows and gives their memory back.
  void clear();

  // Finds each query's k best rows by the contract. Returns the queries, ascending, for which that failed because too
  // many rows score nearly alike. Throws NotFinite, and std::invalid_argument if there are not k rows.
  std::vector<std::size_t> search(const ShardedRequest& request);

 private:
  // Rows on a device.
  struct Resident {
    DeviceRows rows;
    Numbering numbering;
  };
  // Rows on the host.
  struct Waiting {
    Waiting(std::size_t most, std::size_t dim) : capacity(most), rows(most * dim) {}

    std::size_t capacity;
    PinnedBuffer<float> rows;
    std::vector<std::int64_t> ids;
    Numbering numbering;
  };
  // Searches on a device share memory for batches, and for two parts from the host:
  // one is copied while the other is searched.
  struct Bench {
    Workspace workspace;
    std::vector<DeviceRows> brought;
  };

  // `which` is an index into the devices that the constructor was given.
  std::size_t share(std::size_t which) const;
  std::size_t unused(std::size_t which) const;
  DeviceRows rows_on(std::size_t which) const;
  std::size_t add_to_device(std::size_t which, const float* rows, const std::int64_t* ids, std::size_t count);
  void add_to_host(const float* rows, const std::int64_t* ids, std::size_t count);
  void number(Numbering& numbering, const std::int64_t* ids, std::size_t count);
  void search_device(std::size_t which, const ShardedRequest& request, Answers& answers, Stop& stop);
  void search_part(const DeviceRows& rows, const Numbering& numbering, Workspace& workspace,
                   const ShardedRequest& request, Answers& answers, Stop& stop) const;

  const std::size_t dim_;
  const std::vector<int> numbers_;
  const std::size_t least_share_;
  const std::vector<Device> devices_;
  mutable std::mutex mutex_;
  std::vector<std::size_t> memory_;              // bytes that each device may use; 0: not known yet
  std::vector<std::deque<Resident>> resident_;   // one queue for each device
  std::deque<Waiting> waiting_;                  // part i is searched on device i % devices
  std::vector<std::unique_ptr<Bench>> benches_;  // one for each device; null before its first search
  Helpers helpers_;
  RowIds ids_;
};

}  // namespace latentknn::cuda
