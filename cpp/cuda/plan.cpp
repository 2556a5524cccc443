#include "plan.h"

#include <algorithm>

namespace latentknn::cuda {
namespace {

constexpr std::size_t kShortestList = 2048;
constexpr std::size_t kFewNeighbours = 256;
constexpr std::size_t kMostQueries = 16384;
constexpr std::size_t kLongestStep = 8;  // a stage may be so many times as long as all before it

std::size_t next_power_of_two(std::size_t value) {
  std::size_t power = 1;
  while (power < value) power *= 2;
  return power;
}

}  // namespace

std::size_t list_capacity(std::size_t k) { return std::max(kShortestList, next_power_of_two(4 * k)); }

std::size_t ranking_capacity(std::size_t k) { return k <= kFewNeighbours ? 1024 : 2 * kMostNeighbours; }

std::vector<Stage> stages(std::size_t rows, std::size_t k) {
  std::vector<Stage> found;
  std::size_t end = std::min(rows, list_capacity(k));
  found.push_back({0, end});
  // Of so many rows, k of each `end` are expected above the k-th best of the first `end`.
  const std::size_t step =
      std::clamp<std::size_t>(list_capacity(k) / (4 * std::max<std::size_t>(k, 1)), 1, kLongestStep);
  while (end < rows) {
    const std::size_t begin = end;
    end = rows - begin <= begin * step ? rows : begin + begin * step;
    found.push_back({begin, end});
  }
  return found;
}

std::size_t queries_at_once(std::size_t bytes, std::size_t k, std::size_t dim) {
  // The list, the query as it came and as halves, and the answer.
  const std::size_t each = list_capacity(k) * 8 + dim * 6 + k * 16 + 64;
  return std::clamp<std::size_t>(bytes / each, 1, kMostQueries);
}

}  // namespace latentknn::cuda
