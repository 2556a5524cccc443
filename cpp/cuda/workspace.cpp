#include "workspace.h"

#include <algorithm>

namespace latentknn::cuda {
namespace {

struct Bytes {
  std::size_t device;
  std::size_t host;
};

Bytes bytes_of(const BatchShape& shape) {
  Pieces device, host;
  const BatchArrays arrays(shape, device, host);
  return {device.bytes(), host.bytes()};
}

// The most that a pass of a search needs for each query.
struct Needs {
  std::size_t list_capacity = 0;
  std::size_t tiles_of_maxima = 0;
};

Needs needs_of(const BatchShape& shape) {
  Needs needs;
  const auto include = [&](std::size_t k, Arithmetic arithmetic) {
    const PassPlan plan = plan_pass(shape.tiles, k, arithmetic);
    needs.list_capacity = std::max(needs.list_capacity, plan.list_capacity);
    needs.tiles_of_maxima = std::max(needs.tiles_of_maxima, plan.tiles_of_maxima);
  };
  // The pass with the most neighbours, and the last one, which may have enough rows for maxima if the others do not.
  include(std::min(shape.k, kMostNeighbours), Arithmetic::fp16);
  include((shape.k - 1) % kMostNeighbours + 1, Arithmetic::fp16);
  if (shape.int8_first) include(shape.k, Arithmetic::int8);
  return needs;
}

}  // namespace

BatchArrays::BatchArrays(const BatchShape& shape, Pieces& device, Pieces& pinned) {
  const std::size_t count = shape.queries, found = shape.queries * shape.k;
  const Needs needs = needs_of(shape);
  maxima_stride = needs.tiles_of_maxima * kTileGroups;
  values = device.next<float>(count * shape.dim);
  packed = device.next<char>(packed_bytes(count, kQueryTile, steps_of(Arithmetic::fp16, shape.dim)));
  norms = device.next<double>(count);
  roundings = device.next<float>(count);
  scales = device.next<double>(count);
  lists = device.next<Candidate>(count * needs.list_capacity);
  counts = device.next<std::uint32_t>(count);
  settled = device.next<std::uint32_t>(count);
  again = device.next<std::uint32_t>(count);
  tiles_again = device.next<std::uint32_t>((count + kQueryTile - 1) / kQueryTile);
  any_again = device.next<std::uint32_t>(1);
  cutoffs = device.next<float>(count);
  ceilings = device.next<float>(count);
  maxima = device.next<float>(count * maxima_stride);
  failed = device.next<std::uint8_t>(count);
  scores = device.next<double>(found);
  numbers = device.next<std::uint32_t>(found);
  host.values = pinned.next<float>(count * shape.dim);
  host.scores = pinned.next<double>(found);
  host.numbers = pinned.next<std::uint32_t>(found);
  host.counts = pinned.next<std::uint32_t>(count);
  host.failed = pinned.next<std::uint8_t>(count);
}

bool Slot::holds(const BatchShape& shape) const {
  const Bytes bytes = bytes_of(shape);
  return bytes.device <= device_.size() && bytes.host <= host_.size();
}

void Slot::reserve(const BatchShape& shape) {
  const Bytes bytes = bytes_of(shape);
  // The old memory is released first: it is not needed any more, and there may not be room for both.
  if (bytes.device > device_.size()) {
    device_ = DeviceBuffer<char>();
    device_ = DeviceBuffer<char>(bytes.device);
  }
  if (bytes.host > host_.size()) {
    host_ = PinnedBuffer<char>();
    host_ = PinnedBuffer<char>(bytes.host);
  }
}

BatchArrays Slot::arrays(const BatchShape& shape) const {
  Pieces device(device_.data()), host(host_.data());
  return {shape, device, host};
}

BatchShape Workspace::fit(BatchShape shape, std::size_t queries, std::size_t memory) {
  const auto used = [&] { return slots_.begin() + (shape.queries < queries ? kBatchesSideBySide : 1); };
  if (std::all_of(slots_.begin(), used(), [&](const Slot& slot) { return slot.holds(shape); })) return shape;
  const std::size_t possible = bytes_for_a_batch(free_memory() + bytes());
  const std::size_t allowed = bytes_for_a_batch(memory_for_searches(memory));
  // A tile of queries needs as much time as a single query. It is worth its memory even if the database may use little.
  const auto too_large = [&](std::size_t bytes) {
    return bytes > possible || (bytes > allowed && shape.queries > kQueryTile);
  };
  while (shape.queries > 1 && too_large(bytes_of(shape).device)) {
    const std::size_t half = shape.queries / 2;
    shape.queries = shape.queries > kQueryTile ? (half + kQueryTile - 1) / kQueryTile * kQueryTile : half;
  }
  std::for_each(slots_.begin(), used(), [&](Slot& slot) { slot.reserve(shape); });
  return shape;
}

std::size_t Workspace::bytes() const {
  std::size_t bytes = gathered_.size();
  for (const Slot& slot : slots_) bytes += slot.bytes();
  return bytes;
}

char* Workspace::gathering(std::size_t bytes) {
  if (bytes > gathered_.size()) {
    gathered_ = DeviceBuffer<char>();
    gathered_ = DeviceBuffer<char>(bytes);
  }
  return gathered_.data();
}

}  // namespace latentknn::cuda
