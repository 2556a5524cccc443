#include "device_rows.h"

#include <algorithm>
#include <numeric>
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
}

DeviceRows::~DeviceRows() = default;

// Room for `count` rows, those that there are included.
void DeviceRows::reserve(std::size_t count, bool with_ids) {
  if (count <= capacity_ && (ids_.size() > 0 || !with_ids)) return;
  const std::size_t room = count <= capacity_ ? capacity_ : whole(std::max(count, capacity_ + capacity_ / 2), kRowTile);
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
  reserve(count_ + count, has_ids_ || ids != nullptr);
  copy_to_device(rows_.data() + count_ * dim_, rows, count * dim_ * sizeof(float));
  std::vector<std::int64_t> numbers;
  if (ids != nullptr) {
    if (!has_ids_ && count_ > 0) {
      numbers.resize(count_);
      std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
      ids_.copy_from(numbers.data(), count_);
    }
    copy_to_device(ids_.data() + count_, ids, count * sizeof(std::int64_t));
  }
  pack(rows_.data() + count_ * dim_, count, dim_, packed_dim_, norms_.data() + count_,
       packed_.data() + count_ * packed_dim_, roundings_.data() + count_);
  take_largest(roundings_.data() + count_, count, rounding_.data());
  synchronize();
  has_ids_ = has_ids_ || ids != nullptr;
  count_ += count;
}

void DeviceRows::truncate(std::size_t count) {
  const std::lock_guard lock(mutex_);
  count_ = std::min(count_, count);
}

std::vector<std::size_t> DeviceRows::search(const DeviceRequest& request) {
  const std::lock_guard lock(mutex_);
  const OnDevice here(number_);
  Search database{};
  database.packed_rows = packed_.data();
  database.packed_dim = packed_dim_;
  database.rows = rows_.data();
  database.dim = dim_;
  database.row_norms = norms_.data();
  database.ids = has_ids_ ? ids_.data() : nullptr;
  database.row_rounding = rounding_.data();

  std::size_t row_count = count_;
  DeviceArray<std::uint32_t> among;
  DeviceArray<std::uint16_t> gathered;
  if (request.among != nullptr) {
    row_count = request.among->size();
    among = DeviceArray<std::uint32_t>(row_count);
    among.copy_from(request.among->data(), row_count);
    gathered = DeviceArray<std::uint16_t>(whole(row_count, kRowTile) * packed_dim_);
    fill_bytes(gathered.data(), 0, gathered.size() * sizeof(std::uint16_t));
    gather(packed_.data(), packed_dim_, among.data(), row_count, gathered.data());
    database.packed_rows = gathered.data();
    database.row_numbers = among.data();
  }

  std::vector<std::size_t> failed;
  const std::size_t at_once = queries_at_once(free_memory() / kListShare, std::min(request.k, kMostNeighbours), dim_);
  for (std::size_t begin = 0; begin < request.count; begin += at_once) {
    if (request.poll && request.poll()) throw Stopped();
    search_batch(request, begin, std::min(at_once, request.count - begin), database, row_count, failed);
  }
  return failed;
}

void DeviceRows::search_batch(const DeviceRequest& request, std::size_t begin, std::size_t count,
                              const Search& database, std::size_t row_count, std::vector<std::size_t>& failed) const {
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
    for (const Stage& stage : stages(row_count, search.k)) {
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
