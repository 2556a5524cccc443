#include "plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels.h"

namespace latentknn::cuda {
namespace {

constexpr std::size_t kShortestList = 2048;
constexpr std::size_t kShortestRanking = 1024, kLongestRanking = 4096;
// Candidates that are expected for each neighbour, with those whose scores cannot be told from the k-th. In int8, noise
// of 128 dimensions left 9 for k = 10 and 7 for k = 42 where scores alone raised the cutoffs.
constexpr std::size_t kCandidatesInInt8 = 6;
constexpr std::size_t kMostNeighboursInInt8 = 42;  // with more, int8 lost among up to a million rows
constexpr float kMostInt8Rounding = 0.02f;
// A candidate costs as long to find and to score as int8 spares by so many bytes of packed rows, some of them for each
// of its values. They were measured with products by warpgroups (benchmarks/NOTES.md, 2026-11-27).
constexpr double kBytesACandidate = 1e6, kBytesAValue = 2e3;
constexpr double kCandidatesAQuery = 15.0;  // what int8 costs a query besides, as so many candidates
constexpr std::size_t kFewestQueries = 2048, kMostQueries = 16384;
constexpr std::size_t kBatchShare = 8;         // a batch gets one part in so many of what searches could use
constexpr std::size_t kSearchShare = 8;        // rows leave one part in so many of the memory to searches
constexpr std::size_t kLongestStep = 2;        // a stage may be so many times as long as all before it
constexpr double kTiny = 1e-9;                 // bound of the error of logarithms
constexpr std::size_t kGroupsANeighbour = 2;   // the k-th of fewer maxima is far below the k-th score
constexpr std::size_t kMaximaShare = 16;       // one tile in so many, unless more are needed
constexpr std::size_t kMostMaximaTiles = 240;  // at most, unless more are needed
constexpr std::size_t kLeastMaximaShare = 4;   // a larger share is not worth screening it twice

std::size_t next_power_of_two(std::size_t value) {
  std::size_t power = 1;
  while (power < value) power *= 2;
  return power;
}

std::size_t rounded_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

PassPlan plan_pass(std::size_t tiles, std::size_t k, Arithmetic arithmetic) {
  const std::size_t candidates = arithmetic == Arithmetic::fp16 ? k : kCandidatesInInt8 * k;
  PassPlan plan{};
  plan.list_capacity = std::max(kShortestList, next_power_of_two(4 * candidates));
  plan.ranking_capacity = 4 * candidates <= kShortestRanking ? kShortestRanking : kLongestRanking;

  const std::size_t needed = rounded_up(kGroupsANeighbour * k, kTileGroups) / kTileGroups;
  const std::size_t seen = std::max(needed, std::min(tiles / kMaximaShare, kMostMaximaTiles));
  if (seen * kLeastMaximaShare <= tiles) plan.tiles_of_maxima = seen;

  // Each further `known` tiles are expected to leave as many candidates as the first `known` tiles.
  const std::size_t step = std::clamp<std::size_t>(plan.list_capacity / (4 * candidates), 1, kLongestStep);
  const bool blind = plan.tiles_of_maxima == 0;
  const std::size_t known = std::min(tiles, blind ? plan.list_capacity / kRowTile : plan.tiles_of_maxima);
  if (blind) plan.stages.push_back({0, known});
  // There are as few stages as that allows, and each leaves as many candidates.
  const double growth = static_cast<double>(tiles) / static_cast<double>(known);
  const double stages = std::ceil(std::log(growth) / std::log(1.0 + static_cast<double>(step)) - kTiny);
  std::size_t begin = blind ? known : 0;
  for (double i = 1.0; begin < tiles; ++i) {
    const double end = std::ceil(static_cast<double>(known) * std::pow(growth, i / stages));
    const std::size_t bounded = i < stages ? std::clamp(static_cast<std::size_t>(end), begin + 1, tiles) : tiles;
    plan.stages.push_back({begin, bounded});
    begin = bounded;
  }
  return plan;
}

bool int8_is_worth_it(std::size_t k, float row_rounding) {
  return k <= kMostNeighboursInInt8 && row_rounding <= kMostInt8Rounding;
}

bool int8_has_paid(std::size_t rows, std::size_t dim, double candidates) {
  const std::size_t steps = steps_of(Arithmetic::fp16, dim) - steps_of(Arithmetic::int8, dim);
  const double spared = static_cast<double>(rows) * static_cast<double>(steps * kStepBytes);
  return spared >= (candidates + kCandidatesAQuery) * (kBytesACandidate + kBytesAValue * static_cast<double>(dim));
}

std::size_t stride_through(std::size_t count) {
  constexpr double kGolden = 0.6180339887498949;
  auto stride = std::max<std::size_t>(1, static_cast<std::size_t>(kGolden * static_cast<double>(count)));
  while (std::gcd(stride, count) != 1) ++stride;
  return stride;
}

std::size_t queries_wanted(std::size_t count) {
  const std::size_t even = rounded_up((count + kBatchesSideBySide - 1) / kBatchesSideBySide, kQueryTile);
  return std::min(count, std::clamp(even, kFewestQueries, kMostQueries));
}

std::size_t bytes_for_a_batch(std::size_t bytes) { return bytes / kBatchShare; }

std::size_t memory_for_searches(std::size_t memory) { return memory / kSearchShare; }

std::size_t bytes_brought(std::size_t memory) { return memory_for_searches(memory) / 4; }

}  // namespace latentknn::cuda
