#include "device_rows.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "agree.h"
#include "plan.h"
#include "platform/thread_pool.h"

namespace latentknn::cuda {
namespace {

constexpr float kUnpacked = std::numeric_limits<float>::infinity();
constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
// int8 needs half the time of float16, so that it would lose if half of the queries were searched twice. It loses if
// one in so many is: these are searched in tiles that are not full, while the device has nothing else to do.
constexpr std::size_t kFewLeftOpen = 8;
constexpr std::size_t kNumbersPerTask = 65536;  // values of queries; a task copies so many on the host
constexpr double kWorkPerNumber = 16.0;         // in multiply-adds

std::size_t whole(std::size_t count, std::size_t tile) { return (count + tile - 1) / tile * tile; }

template <class T>
DeviceBuffer<T> enlarged(const DeviceBuffer<T>& old, std::size_t used, std::size_t size) {
  DeviceBuffer<T> fresh(size);
  copy_within_device(fresh.data(), old.data(), used * sizeof(T));
  return fresh;
}

void tell_rows(Search& search, std::size_t count) {
  search.row_count = count;
  search.tile_count = static_cast<std::uint32_t>(whole(count, kRowTile) / kRowTile);
  search.tile_stride = static_cast<std::uint32_t>(stride_through(search.tile_count));
}

void copy_on_host(float* to, const float* from, std::size_t count, std::size_t threads) {
  const auto copy_piece = [&](std::size_t number) {
    const std::size_t begin = number * kNumbersPerTask;
    std::copy_n(from + begin, std::min(kNumbersPerTask, count - begin), to + begin);
  };
  const std::size_t pieces = (count + kNumbersPerTask - 1) / kNumbersPerTask;
  ThreadPool::shared().run_sized(kWorkPerNumber * static_cast<double>(count), pieces, threads, copy_piece, nullptr);
}

// A batch of queries. The device answers it while the host does something else.
class Batch {
 public:
  // The queries are answered among the packed `rows`. If these are int8,
  // the queries left open are answered among `fp16`.
  Batch(const DeviceRequest& request, const BatchShape& shape, const Slot& slot, const Search& rows, const Search& fp16,
        std::size_t multiprocessors)
      : request_(request),
        stream_(slot.stream()),
        arrays_(slot.arrays(shape)),
        rows_(rows),
        fp16_(fp16),
        multiprocessors_(multiprocessors) {}

  void begin(std::size_t first, std::size_t count) {
    const OnStream here(stream_);
    first_ = first;
    count_ = count;
    const float* given = request_.queries + first * rows_.dim;
    if (!request_.on_device) {
      copy_on_host(arrays_.host.values, given, count * rows_.dim, request_.threads);
      given = arrays_.host.values;
    }
    copy_to_device(arrays_.values, given, count * rows_.dim * sizeof(float));
    begin_answering(count, rows_);
  }

  // The work that int8 has left.
  struct Rest {
    std::size_t open;      // queries without an answer
    std::size_t answered;  // queries with an answer
    double candidates;     // mean number beyond the k best, over the answered queries
  };

  // Waits for the answers and delivers them.
  Rest finish() {
    const OnStream here(stream_);
    synchronize();
    std::vector<std::size_t> open;
    const bool in_int8 = rows_.arithmetic == Arithmetic::int8;
    double candidates = 0.0;
    std::size_t answered = 0;
    for (std::size_t i = 0; i < count_ && in_int8; ++i) {
      if (arrays_.host.failed[i] == kGivenUp) open.push_back(i);
      if (arrays_.host.failed[i] != 0) continue;
      candidates += static_cast<double>(arrays_.host.counts[i]) - static_cast<double>(request_.k);
      ++answered;
    }
    if (open.empty()) {
      request_.deliver({first_, count_, request_.k, arrays_.host.scores, arrays_.host.numbers, arrays_.host.failed});
    } else {
      answer_in_fp16(open);
    }
    return {open.size(), answered, candidates / static_cast<double>(std::max<std::size_t>(answered, 1))};
  }

 private:
  // Begins to answer the first `count` queries on the device.
  void begin_answering(std::size_t count, const Search& rows) {
    search_ = rows;
    search_.query_count = count;
    search_.packed_queries = arrays_.packed;
    search_.queries = arrays_.values;
    search_.query_norms = arrays_.norms;
    search_.query_roundings = arrays_.roundings;
    search_.query_scales = arrays_.scales;
    search_.lists = arrays_.lists;
    search_.counts = arrays_.counts;
    search_.settled = arrays_.settled;
    search_.again = arrays_.again;
    search_.tiles_again = arrays_.tiles_again;
    search_.any_again = arrays_.any_again;
    search_.cutoffs = arrays_.cutoffs;
    search_.ceilings = arrays_.ceilings;
    search_.maxima = arrays_.maxima;
    search_.maxima_stride = arrays_.maxima_stride;
    search_.failed = arrays_.failed;
    search_.answer_stride = request_.k;

    const std::size_t found = count * request_.k;
    fill_bytes(arrays_.failed, 0, count);
    // Queries that fail keep these zeros.
    fill_bytes(arrays_.scores, 0, found * sizeof(double));
    fill_bytes(arrays_.numbers, 0, found * sizeof(std::uint32_t));
    fill_bytes(arrays_.packed, 0, packed_bytes(count, kQueryTile, rows.steps));  // the last tile is multiplied whole
    Packing packing{};
    packing.vectors = arrays_.values;
    packing.count = count;
    packing.dim = rows.dim;
    packing.tile = kQueryTile;
    packing.arithmetic = rows.arithmetic;
    packing.packed = arrays_.packed;
    packing.squared_norms = arrays_.norms;
    packing.roundings = arrays_.roundings;
    packing.scales = arrays_.scales;
    packing.failed = arrays_.failed;
    pack(packing);
    for (std::size_t known = 0; known < request_.k; known += search_.k) pass(known);
    copy_to_host(arrays_.host.scores, arrays_.scores, found * sizeof(double));
    copy_to_host(arrays_.host.numbers, arrays_.numbers, found * sizeof(std::uint32_t));
    copy_to_host(arrays_.host.counts, arrays_.counts, count * sizeof(std::uint32_t));
    copy_to_host(arrays_.host.failed, arrays_.failed, count);
  }

  // Finds the next neighbours after the `known` best ones.
  void pass(std::size_t known) {
    search_.k = std::min(kMostNeighbours, request_.k - known);
    const PassPlan plan = plan_pass(search_.tile_count, search_.k, search_.arithmetic);
    search_.list_capacity = plan.list_capacity;
    search_.ranking_capacity = plan.ranking_capacity;
    search_.goes_on = known > 0;
    search_.scores = arrays_.scores + known;
    search_.numbers = arrays_.numbers + known;
    search_.maxima_count = plan.tiles_of_maxima * kTileGroups;
    search_.round = 0;
    start_pass(search_);
    if (search_.maxima_count > 0) {
      find_maxima(search_, multiprocessors_);
      cut_by_maxima(search_);
    }
    for (const Stage& stage : plan.stages) {
      for (std::size_t repeat = 0; repeat <= kRepeats; ++repeat) {
        const Screening screening = repeat == 0 ? Screening::first : Screening::again;
        screen(search_, stage.begin, stage.end, screening, multiprocessors_);
        ++search_.round;
        tighten(search_, screening, repeat == kRepeats, multiprocessors_);
      }
    }
    rank(search_);
  }

  // Answers the queries that int8 has left open, and delivers the answers of the whole batch.
  void answer_in_fp16(const std::vector<std::size_t>& open) {
    const std::size_t dim = rows_.dim, k = request_.k;
    const auto& host = arrays_.host;
    std::vector<double> scores(host.scores, host.scores + count_ * k);
    std::vector<std::uint32_t> numbers(host.numbers, host.numbers + count_ * k);
    std::vector<std::uint8_t> failed(host.failed, host.failed + count_);
    for (std::size_t i = 0; i < open.size(); ++i) {
      const float* query = request_.queries + (first_ + open[i]) * dim;
      if (request_.on_device) {
        copy_to_device(arrays_.values + i * dim, query, dim * sizeof(float));
      } else {
        std::memcpy(host.values + i * dim, query, dim * sizeof(float));
      }
    }
    if (!request_.on_device) copy_to_device(arrays_.values, host.values, open.size() * dim * sizeof(float));
    begin_answering(open.size(), fp16_);
    synchronize();
    for (std::size_t i = 0; i < open.size(); ++i) {
      std::copy_n(host.scores + i * k, k, &scores[open[i] * k]);
      std::copy_n(host.numbers + i * k, k, &numbers[open[i] * k]);
      failed[open[i]] = host.failed[i];
    }
    request_.deliver({first_, count_, k, scores.data(), numbers.data(), failed.data()});
  }

  const DeviceRequest& request_;
  const Stream& stream_;
  const BatchArrays arrays_;
  const Search& rows_;
  const Search& fp16_;
  Search search_{};
  const std::size_t multiprocessors_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

// Waits until the slots' streams have done all their work, even if a search throws: the next one uses the same memory.
class EndOfBatches {
 public:
  explicit EndOfBatches(Workspace& workspace) : workspace_(workspace) {}
  ~EndOfBatches() {
    for (std::size_t i = 0; i < kBatchesSideBySide; ++i) {
      try {
        const OnStream here(workspace_.slot(i).stream());
        synchronize();
      } catch (const DeviceError&) {
        // The failure was thrown already, or nobody needs the result.
      }
    }
  }
  EndOfBatches(const EndOfBatches&) = delete;
  EndOfBatches& operator=(const EndOfBatches&) = delete;

 private:
  Workspace& workspace_;
};

}  // namespace

DeviceRows::DeviceRows(std::size_t dim, int number, const Device& device, std::size_t memory)
    : dim_(dim),
      number_(number),
      multiprocessors_(device.multiprocessors),
      products_(products_of(device, number)),
      memory_(memory),
      int8_rounding_(kUnpacked),
      int8_loses_from_(kNever) {
  const OnDevice here(number_);
  for (DeviceBuffer<float>* single : {&fp16_.rounding, &int8_.rounding, &reach_, &reach_used_}) {
    *single = DeviceBuffer<float>(1);
    fill_bytes(single->data(), 0, sizeof(float));
  }
  synchronize();  // another thread may use the memory next
}

std::size_t DeviceRows::bytes_of_a_row(std::size_t dim) {
  return dim * sizeof(float) + sizeof(double) + sizeof(std::int64_t) + sizeof(std::uint32_t) + 2 * sizeof(float) +
         (steps_of(Arithmetic::fp16, dim) + steps_of(Arithmetic::int8, dim)) * kStepBytes;
}

std::size_t DeviceRows::room(std::size_t unused) const {
  const std::size_t kept = memory_for_searches(memory_);
  const std::size_t fresh = unused > kept ? (unused - kept) / bytes_of_a_row(dim_) / kRowTile * kRowTile : 0;
  return std::max(capacity_, fresh) - count_;
}

std::size_t DeviceRows::chosen_at_once() const {
  const std::size_t each = steps_of(Arithmetic::fp16, dim_) * kStepBytes + sizeof(std::uint32_t);
  return std::max(bytes_brought(memory_) / each / kRowTile * kRowTile, kRowTile);
}

// Makes room for `count` rows in all. Returns whether memory was allocated.
bool DeviceRows::reserve(std::size_t count, std::size_t unused) {
  if (count <= capacity_) return false;
  const std::size_t least = whole(count, kRowTile), ample = whole(capacity_ + capacity_ / 2, kRowTile);
  resize(std::max(least, std::min(ample, count_ + room(unused))));
  return true;
}

void DeviceRows::resize(std::size_t room) {
  DeviceBuffer<float> rows = enlarged(rows_, count_ * dim_, room * dim_);
  DeviceBuffer<double> norms = enlarged(norms_, count_, room);
  DeviceBuffer<std::int64_t> ids = enlarged(ids_, count_, room);
  DeviceBuffer<std::uint32_t> numbers = enlarged(numbers_, count_, room);
  const auto enlarged_packed = [&](const Packed& old, Arithmetic arithmetic) {
    const std::size_t steps = steps_of(arithmetic, dim_);
    const std::size_t used = packed_bytes(count_, kRowTile, steps), size = packed_bytes(room, kRowTile, steps);
    Packed fresh{enlarged(old.rows, used, size), enlarged(old.roundings, count_, room), DeviceBuffer<float>(1)};
    copy_within_device(fresh.rounding.data(), old.rounding.data(), sizeof(float));
    fill_bytes(fresh.rows.data() + used, 0, size - used);  // the last tile is multiplied whole
    return fresh;
  };
  Packed fp16 = enlarged_packed(fp16_, Arithmetic::fp16), int8 = enlarged_packed(int8_, Arithmetic::int8);
  synchronize();
  rows_ = std::move(rows);
  norms_ = std::move(norms);
  ids_ = std::move(ids);
  numbers_ = std::move(numbers);
  fp16_ = std::move(fp16);
  int8_ = std::move(int8);
  capacity_ = room;
}

void DeviceRows::add(const float* rows, const std::int64_t* ids, std::size_t count, std::size_t unused) {
  if (count == 0) return;
  const OnDevice here(number_);
  // With new memory, int8 gets a new scale: the scale of the first rows may be a poor one for the others.
  const bool anew = reserve(count_ + count, unused) || int8_rounding_ == kUnpacked;
  int8_rounding_ = kUnpacked;  // until all rows are packed
  append(rows, ids, count);
  if (anew) {
    copy_within_device(reach_used_.data(), reach_.data(), sizeof(float));
    fill_bytes(int8_.rounding.data(), 0, sizeof(float));
  }
  const std::size_t first = anew ? 0 : count_;
  pack_rows(Arithmetic::int8, first, count_ + count - first);
  int8_rounding_ = int8_.rounding.to_host(1).front();
  count_ += count;
  int8_loses_from_ = kNever;
}

void DeviceRows::begin_replacing(const float* rows, const std::int64_t* ids, std::size_t count) {
  const OnDevice here(number_);
  count_ = 0;
  int8_rounding_ = kUnpacked;
  reserve(count, 0);
  fill_bytes(fp16_.rounding.data(), 0, sizeof(float));
  fill_bytes(fp16_.rows.data(), 0, fp16_.rows.size());  // the last tile is multiplied whole
  append(rows, ids, count);
  count_ = count;
}

// Copies rows behind the present ones, and packs them in float16.
void DeviceRows::append(const float* rows, const std::int64_t* ids, std::size_t count) {
  // The ids are copied first: a copy of memory that is not pinned may wait for the copies before it.
  copy_to_device(ids_.data() + count_, ids, count * sizeof(std::int64_t));
  copy_to_device(rows_.data() + count_ * dim_, rows, count * dim_ * sizeof(float));
  // Rows are packed in another order, so that every tile is a sample of them even if they are sorted.
  spread(count_, count, stride_through(count), numbers_.data() + count_);
  pack_rows(Arithmetic::fp16, count_, count);
}

void DeviceRows::pack_rows(Arithmetic arithmetic, std::size_t first, std::size_t count) {
  const bool fp16 = arithmetic == Arithmetic::fp16;
  Packed& packed = fp16 ? fp16_ : int8_;
  Packing packing{};
  packing.vectors = rows_.data();
  packing.count = count;
  packing.dim = dim_;
  packing.numbers = numbers_.data() + first;
  packing.first = first;
  packing.tile = kRowTile;
  packing.arithmetic = arithmetic;
  packing.reach = reach_used_.data();
  packing.packed = packed.rows.data();
  packing.squared_norms = fp16 ? norms_.data() : nullptr;
  packing.roundings = packed.roundings.data();
  packing.largest = fp16 ? reach_.data() : nullptr;
  pack(packing);
  take_largest(packed.roundings.data() + first, count, packed.rounding.data());
}

Search DeviceRows::all(Arithmetic arithmetic) const {
  const Packed& packed = arithmetic == Arithmetic::fp16 ? fp16_ : int8_;
  Search search{};
  search.arithmetic = arithmetic;
  search.products = products_;
  search.packed_rows = packed.rows.data();
  search.steps = static_cast<std::uint32_t>(steps_of(arithmetic, dim_));
  search.row_numbers = numbers_.data();
  search.rows = rows_.data();
  search.dim = dim_;
  search.row_norms = norms_.data();
  search.ids = ids_.data();
  search.row_rounding = packed.rounding.data();
  search.reach = reach_used_.data();
  tell_rows(search, count_);
  return search;
}

// Packs the chosen rows once more, without the others, and waits until that is done.
Search DeviceRows::gathered(const DeviceRequest& request, Workspace& workspace) const {
  const std::size_t count = request.among_count, stride = stride_through(count);
  std::vector<std::uint32_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = request.among[i * stride % count];
  const std::size_t packed = packed_bytes(count, kRowTile, steps_of(Arithmetic::fp16, dim_));
  char* memory = workspace.gathering(packed + count * sizeof(std::uint32_t));
  auto* numbers = reinterpret_cast<std::uint32_t*>(memory + packed);
  const OnStream here(workspace.slot(0).stream());
  copy_to_device(numbers, order.data(), count * sizeof(std::uint32_t));
  fill_bytes(memory, 0, packed);  // the last tile is multiplied whole
  Packing packing{};
  packing.vectors = rows_.data();
  packing.count = count;
  packing.dim = dim_;
  packing.numbers = numbers;
  packing.tile = kRowTile;
  packing.arithmetic = Arithmetic::fp16;
  packing.packed = memory;
  pack(packing);
  synchronize();
  Search search = all(Arithmetic::fp16);
  search.packed_rows = memory;
  search.row_numbers = numbers;
  tell_rows(search, count);
  return search;
}

void DeviceRows::search(const DeviceRequest& request, Workspace& workspace, Stop& stop) const {
  const OnDevice here(number_);
  const EndOfBatches end(workspace);
  const bool some = request.among != nullptr;
  const Search fp16 = some ? gathered(request, workspace) : all(Arithmetic::fp16);
  const Search int8 = all(Arithmetic::int8);
  const auto in_int8 = [&] {
    return !some && request.k < int8_loses_from_ && dim_ <= kMostInt8Dims &&
           int8_is_worth_it(request.k, int8_rounding_);
  };
  BatchShape shape{queries_wanted(request.count), request.k, dim_, fp16.tile_count, in_int8()};
  shape = workspace.fit(shape, request.count, memory_);
  const std::size_t batches = (request.count + shape.queries - 1) / shape.queries;

  // Batches overlap: the host prepares or delivers one while the device answers the other.
  std::optional<Batch> running[kBatchesSideBySide];
  for (std::size_t i = 0; i < batches + kBatchesSideBySide; ++i) {
    std::optional<Batch>& batch = running[i % kBatchesSideBySide];
    if (batch) {
      const Batch::Rest rest = batch->finish();
      tally_.left_open += rest.open;
      // A few queries say little about others.
      const bool tells = rest.open + rest.answered >= kQueryTile;
      const bool has_paid = rest.open * kFewLeftOpen <= shape.queries && int8_has_paid(count_, dim_, rest.candidates);
      if (tells && !has_paid) int8_loses_from_ = std::min(int8_loses_from_, request.k);
      batch.reset();
    }
    if (i >= batches) continue;
    stop.check();
    const std::size_t first = i * shape.queries, count = std::min(shape.queries, request.count - first);
    if (in_int8()) tally_.in_int8 += count;
    batch.emplace(request, shape, workspace.slot(i % kBatchesSideBySide), in_int8() ? int8 : fp16, fp16,
                  multiprocessors_);
    batch->begin(first, count);
  }
}

}  // namespace latentknn::cuda
