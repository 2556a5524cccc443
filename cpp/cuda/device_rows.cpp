#include "device_rows.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "plan.h"

namespace latentknn::cuda {
namespace {

constexpr std::size_t kListShare = 4;  // of the free memory, what a batch of queries may take

std::size_t whole(std::size_t count, std::size_t tile) { return (count + tile - 1) / tile * tile; }

Device device_of(int number) {
  std::string missing;
  const std::vector<Device> found = devices(&missing);
  if (found.empty()) throw DeviceError("no CUDA device can be used: " + missing);
  if (number < 0 || static_cast<std::size_t>(number) >= found.size()) {
    throw DeviceError("there is no CUDA device " + std::to_string(number) + "; there are " +
                      std::to_string(found.size()) + ", counted from 0");
  }
  return found[static_cast<std::size_t>(number)];
}

template <class T>
DeviceArray<T> enlarged(const DeviceArray<T>& old, std::size_t used, std::size_t size) {
  DeviceArray<T> fresh(size);
  copy_within_device(fresh.data(), old.data(), used * sizeof(T));
  return fresh;
}

}  // namespace

DeviceRows::DeviceRows(std::size_t dim, int device)
    : dim_(dim), packed_dim_(whole(dim, kDimStep)), number_(device), properties_(device_of(device)) {
  const OnDevice here(number_);
  rounding_ = DeviceArray<float>(1);
  fill_bytes(rounding_.data(), 0, sizeof(float));
  synchronize();  // another thread may be the next to use it
}

DeviceRows::~DeviceRows() = default;

// Room for `count` rows, those that there are included; for some more, where there is memory.
void DeviceRows::reserve(std::size_t count, bool with_ids) {
  if (count <= capacity_) {
    if (with_ids && ids_.size() == 0) resize(capacity_, true);
    return;
  }
  const std::size_t least = whole(count, kRowTile), ample = whole(capacity_ + capacity_ / 2, kRowTile);
  if (ample > least) {
    try {
      return resize(ample, with_ids);
    } catch (const OutOfDeviceMemory&) {
    }
  }
  resize(least, with_ids);
}

void DeviceRows::resize(std::size_t room, bool with_ids) {
  DeviceArray<float> rows = enlarged(rows_, count_ * dim_, room * dim_);
  DeviceArray<double> norms = enlarged(norms_, count_, room);
  DeviceArray<float> roundings = enlarged(roundings_, count_, room);
  DeviceArray<std::uint16_t> packed = enlarged(packed_, count_ * packed_dim_, room * packed_dim_);
  DeviceArray<std::int64_t> ids;
  if (with_ids) ids = enlarged(ids_, has_ids_ ? count_ : 0, room);
  // The last tile is multiplied whole.
  fill_bytes(packed.data() + count_ * packed_dim_, 0, (room - count_) * packed_dim_ * sizeof(std::uint16_t));
  synchronize();
  rows_ = std::move(rows);
  norms_ = std::move(norms);
  roundings_ = std::move(roundings);
  packed_ = std::move(packed);
  if (with_ids) ids_ = std::move(ids);
  capacity_ = room;
}

void DeviceRows::add(const float* rows, const std::int64_t* ids, std::size_t count) {
  const std::lock_guard lock(mutex_);
  const OnDevice here(number_);
  if (count == 0) return;
  const bool with_ids = has_ids_ || ids != nullptr;
  reserve(count_ + count, with_ids);
  copy_to_device(rows_.data() + count_ * dim_, rows, count * dim_ * sizeof(float));
  std::vector<std::int64_t> names;
  if (with_ids) {
    // Of rows without ids of their own the numbers; those before may have none yet.
    const std::size_t first = has_ids_ ? count_ : 0;
    names.resize(count_ + count - first);
    std::iota(names.begin(), names.end(), static_cast<std::int64_t>(first));
    if (ids != nullptr) std::copy_n(ids, count, names.end() - static_cast<std::ptrdiff_t>(count));
    copy_to_device(ids_.data() + first, names.data(), names.size() * sizeof(std::int64_t));
  }
  pack(rows_.data() + count_ * dim_, count, dim_, packed_dim_, norms_.data() + count_,
       packed_.data() + count_ * packed_dim_, roundings_.data() + count_);
  take_largest(roundings_.data() + count_, count, rounding_.data());
  synchronize();
  has_ids_ = with_ids;
  count_ += count;
}

std::vector<std::size_t> DeviceRows::search(const DeviceRequest& request) {
  const std::lock_guard lock(mutex_);
  const OnDevice here(number_);
  const std::size_t row_count = request.among == nullptr ? count_ : request.among_count;
  if (request.k < 1 || request.k + (request.queries == nullptr ? 1 : 0) > row_count) {
    throw std::invalid_argument("k must be from 1 to the codes left by now, " + std::to_string(row_count) +
                                ", received " + std::to_string(request.k));
  }
  if (request.queries == nullptr && request.count != count_) {
    throw std::invalid_argument("there are " + std::to_string(count_) + " rows by now");
  }
  if (request.among != nullptr && request.among[row_count - 1] >= count_) {
    throw std::invalid_argument("one of the rows that are allowed is not there");
  }
  Search database{};
  database.packed_rows = packed_.data();
  database.packed_dim = packed_dim_;
  database.rows = rows_.data();
  database.dim = dim_;
  database.row_norms = norms_.data();
  database.ids = has_ids_ ? ids_.data() : nullptr;
  database.row_rounding = rounding_.data();

  database.row_count = row_count;
  database.tile_count = whole(row_count, kRowTile) / kRowTile;
  database.tile_stride = tile_stride(database.tile_count);

  DeviceArray<std::uint32_t> among;
  DeviceArray<std::uint16_t> gathered;
  if (request.among != nullptr) {
    among = DeviceArray<std::uint32_t>(row_count);
    among.copy_from(request.among, row_count);
    gathered = DeviceArray<std::uint16_t>(whole(row_count, kRowTile) * packed_dim_);
    fill_bytes(gathered.data(), 0, gathered.size() * sizeof(std::uint16_t));
    gather(packed_.data(), packed_dim_, among.data(), row_count, gathered.data());
    database.packed_rows = gathered.data();
    database.row_numbers = among.data();
  }

  std::vector<std::size_t> failed;
  const std::size_t at_once = queries_at_once(free_memory() / kListShare, request.k, dim_);
  for (std::size_t begin = 0; begin < request.count; begin += at_once) {
    if (request.poll && request.poll()) throw Stopped();
    search_batch(request, begin, std::min(at_once, request.count - begin), database, failed);
  }
  return failed;
}

void DeviceRows::search_batch(const DeviceRequest& request, std::size_t begin, std::size_t count,
                              const Search& database, std::vector<std::size_t>& failed) const {
  const std::size_t widest = std::min(request.k, kMostNeighbours);
  const DeviceArray<std::uint16_t> packed(whole(count, kQueryTile) * packed_dim_);
  const DeviceArray<double> norms(count), scores(count * request.k);
  const DeviceArray<float> roundings(count), cutoffs(count), ceilings(count);
  const DeviceArray<std::uint32_t> counts(count), numbers(count * request.k);
  const DeviceArray<std::uint8_t> failures(count);
  const DeviceArray<Candidate> lists(count * list_capacity(widest));
  DeviceArray<float> values;
  const float* queries = rows_.data() + begin * dim_;
  if (request.queries != nullptr) {
    values = DeviceArray<float>(count * dim_);
    values.copy_from(request.queries + begin * dim_, count * dim_);
    queries = values.data();
  }
  fill_bytes(packed.data(), 0, packed.size() * sizeof(std::uint16_t));
  fill_bytes(failures.data(), 0, count);
  pack(queries, count, dim_, packed_dim_, norms.data(), packed.data(), roundings.data());

  Search search = database;
  search.packed_queries = packed.data();
  search.queries = queries;
  search.query_norms = norms.data();
  search.query_roundings = roundings.data();
  search.query_count = count;
  search.self = request.queries == nullptr ? static_cast<std::int64_t>(begin) : -1;
  search.lists = lists.data();
  search.counts = counts.data();
  search.cutoffs = cutoffs.data();
  search.ceilings = ceilings.data();
  search.failed = failures.data();
  search.answer_stride = request.k;
  for (std::size_t known = 0; known < request.k; known += search.k) {
    search.k = std::min(widest, request.k - known);
    search.list_capacity = list_capacity(search.k);
    search.ranking_capacity = ranking_capacity(search.k);
    search.goes_on = known > 0;
    search.scores = scores.data() + known;
    search.numbers = numbers.data() + known;
    start_pass(search);
    bool first = true;
    for (const Stage& stage : stages(search.tile_count, search.k)) {
      screen(search, stage.begin, stage.end, first, properties_.multiprocessors);
      tighten(search);
      first = false;
    }
    rank(search);
  }
  copy_to_host(request.scores + begin * request.k, scores.data(), count * request.k * sizeof(double));
  copy_to_host(request.numbers + begin * request.k, numbers.data(), count * request.k * sizeof(std::uint32_t));
  const std::vector<std::uint8_t> flags = failures.to_host(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (flags[i] != 0) failed.push_back(begin + i);
  }
}

}  // namespace latentknn::cuda
