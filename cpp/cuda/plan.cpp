#include "plan.h"

#include <algorithm>
#include <numeric>

#include "kernels.h"

namespace latentknn::cuda {
namespace {

constexpr std::size_t kShortestList = 2048;
constexpr std::size_t kFewNeighbours = 256;
constexpr std::size_t kFewestQueries = 2048, kMostQueries = 16384;
constexpr std::size_t kBatches = 4;      // at least, where there are enough queries
constexpr std::size_t kBatchShare = 8;   // of the free memory, what a batch may take
constexpr std::size_t kSearchShare = 8;  // of all memory, what is left to searches
constexpr std::size_t kLongestStep = 8;  // a stage may be so many times as long as all before it

std::size_t next_power_of_two(std::size_t value) {
  std::size_t power = 1;
  while (power < value) power *= 2;
  return power;
}

}  // namespace

std::size_t list_capacity(std::size_t k) { return std::max(kShortestList, next_power_of_two(4 * k)); }

std::size_t ranking_capacity(std::size_t k) { return k <= kFewNeighbours ? 1024 : 2 * kMostNeighbours; }

std::vector<Stage> stages(std::size_t tiles, std::size_t k) {
  std::vector<Stage> found;
  std::size_t end = std::min(tiles, list_capacity(k) / kRowTile);
  found.push_back({0, end});
  // Of so many rows, k of each `end` are expected above the k-th best of the first `end`.
  const std::size_t step = std::clamp<std::size_t>(list_capacity(k) / (4 * k), 1, kLongestStep);
  while (end < tiles) {
    const std::size_t begin = end;
    end = tiles - begin <= begin * step ? tiles : begin + begin * step;
    found.push_back({begin, end});
  }
  return found;
}

std::size_t tile_stride(std::size_t tiles) {
  constexpr double kGolden = 0.6180339887498949;
  auto stride = std::max<std::size_t>(1, static_cast<std::size_t>(kGolden * static_cast<double>(tiles)));
  while (std::gcd(stride, tiles) != 1) ++stride;
  return stride;
}

std::size_t queries_at_once(std::size_t free_bytes, std::size_t count, std::size_t k, std::size_t dim) {
  // The list, the query as it came and as halves, and the answer.
  const std::size_t list = list_capacity(std::min(k, kMostNeighbours)) * sizeof(Candidate);
  const std::size_t each = list + dim * 6 + k * 12 + 64;
  const std::size_t even = (count / kBatches + kQueryTile - 1) / kQueryTile * kQueryTile;
  const std::size_t wanted = std::clamp(even, kFewestQueries, kMostQueries);
  return std::clamp<std::size_t>(free_bytes / kBatchShare / each, 1, wanted);
}

std::size_t memory_for_searches(std::size_t memory) { return memory / kSearchShare; }

std::size_t bytes_brought(std::size_t memory) { return memory_for_searches(memory) / 4; }

}  // namespace latentknn::cuda
