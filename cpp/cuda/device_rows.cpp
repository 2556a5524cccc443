#include "device_rows.h"

#include <algorithm>
#include <atomic>

#include "plan.h"

namespace latentknn::cuda {
namespace {

std::size_t whole(std::size_t count, std::size_t tile) { return (count + tile - 1) / tile * tile; }

template <class T>
DeviceArray<T> enlarged(const DeviceArray<T>& old, std::size_t used, std::size_t size) {
  DeviceArray<T> fresh(size);
  copy_within_device(fresh.data(), old.data(), used * sizeof(T));
  return fresh;
}

// A batch of queries on a device, and what it takes to answer them.
class Batch {
 public:
  // Of `most` queries at most.
  Batch(const DeviceRequest& request, std::size_t most, const Search& database, std::size_t multiprocessors)
      : request_(request),
        search_(database),
        multiprocessors_(multiprocessors),
        widest_(std::min(request.k, kMostNeighbours)),
        values_(most * database.dim),
        packed_(whole(most, kQueryTile) * database.packed_dim),
        norms_(most),
        roundings_(most),
        lists_(most * list_capacity(widest_)),
        counts_(most),
        cutoffs_(most),
        ceilings_(most),
        failures_(most),
        scores_(most * request.k),
        numbers_(most * request.k) {
    search_.packed_queries = packed_.data();
    search_.queries = values_.data();
    search_.query_norms = norms_.data();
    search_.query_roundings = roundings_.data();
    search_.lists = lists_.data();
    search_.counts = counts_.data();
    search_.cutoffs = cutoffs_.data();
    search_.ceilings = ceilings_.data();
    search_.failed = failures_.data();
    search_.answer_stride = request.k;
    fill_bytes(packed_.data(), 0, packed_.size() * sizeof(std::uint16_t));  // the last tile is multiplied whole
  }

  // Answers queries [begin, begin + count) and flags those of `failed` that it cannot answer.
  void search(std::size_t begin, std::size_t count, std::uint8_t* failed) {
    const std::size_t dim = search_.dim, k = request_.k;
    copy_to_device(values_.data(), request_.queries + begin * dim, count * dim * sizeof(float));
    fill_bytes(failures_.data(), 0, count);
    // Of queries that are given up nothing else is written.
    fill_bytes(scores_.data(), 0, count * k * sizeof(double));
    fill_bytes(numbers_.data(), 0, count * k * sizeof(std::uint32_t));
    pack(values_.data(), count, dim, search_.packed_dim, norms_.data(), packed_.data(), roundings_.data());
    search_.query_count = count;
    for (std::size_t known = 0; known < k; known += search_.k) pass(known);
    copy_to_host(request_.scores + begin * k, scores_.data(), count * k * sizeof(double));
    copy_to_host(request_.numbers + begin * k, numbers_.data(), count * k * sizeof(std::uint32_t));
    copy_to_host(failed + begin, failures_.data(), count);
    synchronize();
  }

 private:
  // Finds the neighbours behind those that are known.
  void pass(std::size_t known) {
    search_.k = std::min(widest_, request_.k - known);
    search_.list_capacity = list_capacity(search_.k);
    search_.ranking_capacity = ranking_capacity(search_.k);
    search_.goes_on = known > 0;
    search_.scores = scores_.data() + known;
    search_.numbers = numbers_.data() + known;
    start_pass(search_);
    for (const Stage& stage : stages(search_.tile_count, search_.k)) {
      screen(search_, stage.begin, stage.end, stage.begin == 0, multiprocessors_);
      tighten(search_);
    }
    rank(search_);
  }

  const DeviceRequest& request_;
  Search search_;
  const std::size_t multiprocessors_;
  const std::size_t widest_;
  const DeviceArray<float> values_;
  const DeviceArray<std::uint16_t> packed_;
  const DeviceArray<double> norms_;
  const DeviceArray<float> roundings_;
  const DeviceArray<Candidate> lists_;
  const DeviceArray<std::uint32_t> counts_;
  const DeviceArray<float> cutoffs_, ceilings_;
  const DeviceArray<std::uint8_t> failures_;
  const DeviceArray<double> scores_;
  const DeviceArray<std::uint32_t> numbers_;
};

}  // namespace

DeviceRows::DeviceRows(std::size_t dim, int number, std::size_t multiprocessors, std::size_t memory)
    : dim_(dim),
      packed_dim_(whole(dim, kDimStep)),
      number_(number),
      multiprocessors_(multiprocessors),
      memory_(memory) {
  const OnDevice here(number_);
  rounding_ = DeviceArray<float>(1);
  clear();
}

void DeviceRows::clear() {
  const OnDevice here(number_);
  fill_bytes(rounding_.data(), 0, sizeof(float));
  synchronize();  // another thread may be the next to use it
  count_ = 0;
}

std::size_t DeviceRows::bytes_of_a_row(std::size_t dim) {
  return dim * sizeof(float) + whole(dim, kDimStep) * sizeof(std::uint16_t) + sizeof(double) + sizeof(std::int64_t) +
         sizeof(float);
}

std::size_t DeviceRows::room(std::size_t unused) const {
  const std::size_t kept = memory_for_searches(memory_);
  const std::size_t fresh = unused > kept ? (unused - kept) / bytes_of_a_row(dim_) / kRowTile * kRowTile : 0;
  return std::max(capacity_, fresh) - count_;
}

std::size_t DeviceRows::chosen_at_once() const {
  const std::size_t each = packed_dim_ * sizeof(std::uint16_t) + sizeof(std::uint32_t);
  return std::max(bytes_brought(memory_) / each / kRowTile * kRowTile, kRowTile);
}

// Memory for `count` rows, those that there are included.
void DeviceRows::reserve(std::size_t count, std::size_t unused) {
  if (count <= capacity_) return;
  const std::size_t least = whole(count, kRowTile), ample = whole(capacity_ + capacity_ / 2, kRowTile);
  resize(std::max(least, std::min(ample, count_ + room(unused))));
}

void DeviceRows::resize(std::size_t room) {
  DeviceArray<float> rows = enlarged(rows_, count_ * dim_, room * dim_);
  DeviceArray<double> norms = enlarged(norms_, count_, room);
  DeviceArray<std::int64_t> ids = enlarged(ids_, count_, room);
  DeviceArray<float> roundings = enlarged(roundings_, count_, room);
  DeviceArray<std::uint16_t> packed = enlarged(packed_, count_ * packed_dim_, room * packed_dim_);
  // The last tile is multiplied whole.
  fill_bytes(packed.data() + count_ * packed_dim_, 0, (room - count_) * packed_dim_ * sizeof(std::uint16_t));
  synchronize();
  rows_ = std::move(rows);
  norms_ = std::move(norms);
  ids_ = std::move(ids);
  roundings_ = std::move(roundings);
  packed_ = std::move(packed);
  capacity_ = room;
}

void DeviceRows::add(const float* rows, const std::int64_t* ids, std::size_t count, std::size_t unused) {
  if (count == 0) return;
  const OnDevice here(number_);
  reserve(count_ + count, unused);
  copy_to_device(rows_.data() + count_ * dim_, rows, count * dim_ * sizeof(float));
  copy_to_device(ids_.data() + count_, ids, count * sizeof(std::int64_t));
  pack(rows_.data() + count_ * dim_, count, dim_, packed_dim_, norms_.data() + count_,
       packed_.data() + count_ * packed_dim_, roundings_.data() + count_);
  take_largest(roundings_.data() + count_, count, rounding_.data());
  synchronize();
  count_ += count;
}

Search DeviceRows::database(std::size_t row_count) const {
  Search search{};
  search.packed_rows = packed_.data();
  search.packed_dim = packed_dim_;
  search.rows = rows_.data();
  search.dim = dim_;
  search.row_norms = norms_.data();
  search.ids = ids_.data();
  search.row_rounding = rounding_.data();
  search.row_count = row_count;
  search.tile_count = whole(row_count, kRowTile) / kRowTile;
  search.tile_stride = tile_stride(search.tile_count);
  return search;
}

std::vector<std::size_t> DeviceRows::search(const DeviceRequest& request, Stop& stop) const {
  const OnDevice here(number_);
  Search searched = database(request.among == nullptr ? count_ : request.among_count);
  DeviceArray<std::uint32_t> among;
  DeviceArray<std::uint16_t> gathered;
  if (request.among != nullptr) {
    among = DeviceArray<std::uint32_t>(searched.row_count);
    among.copy_from(request.among, searched.row_count);
    gathered = DeviceArray<std::uint16_t>(searched.tile_count * kRowTile * packed_dim_);
    fill_bytes(gathered.data(), 0, gathered.size() * sizeof(std::uint16_t));
    gather(packed_.data(), packed_dim_, among.data(), searched.row_count, gathered.data());
    searched.packed_rows = gathered.data();
    searched.row_numbers = among.data();
    synchronize();  // for all threads that search
  }

  // Batches side by side: one is copied while the kernels of the other run.
  const std::size_t at_once = queries_at_once(free_memory(), request.count, request.k, dim_);
  const std::size_t batches = (request.count + at_once - 1) / at_once;
  std::vector<std::uint8_t> failures(request.count);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    const OnDevice here_too(number_);
    Batch batch(request, std::min(at_once, request.count), searched, multiprocessors_);
    for (std::size_t begin; (begin = next.fetch_add(at_once)) < request.count;) {
      stop.check();
      batch.search(begin, std::min(at_once, request.count - begin), failures.data());
    }
  };
  run_together(std::vector<std::function<void()>>(std::min(batches, kBatchesSideBySide), work), stop);

  std::vector<std::size_t> failed;
  for (std::size_t i = 0; i < request.count; ++i) {
    if (failures[i] != 0) failed.push_back(i);
  }
  return failed;
}

}  // namespace latentknn::cuda
