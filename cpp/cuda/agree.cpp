#include "agree.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <tuple>
#include <vector>

#include "arithmetic.h"
#include "slices.h"

namespace latentknn::cuda {
namespace {

constexpr std::size_t kQueries = 2 * kQueryTile - 3;
constexpr std::size_t kTiles = 5;
constexpr std::size_t kBlocks = 1;  // one block does all items, so that it goes on to other tiles and other queries
constexpr std::size_t kRows = kTiles * kRowTile - 7;
// Slices of a vector: one, several, and so many that no tile of queries stays in shared memory.
constexpr std::array<std::size_t, 3> kSteps{1, 3, 24};

constexpr int kMost = 127;  // kMost * kMost * (numbers of kSteps in float16) is below 2^24

// Returns a whole number in float16.
std::uint16_t half_of(int number) {
  if (number == 0) return 0;
  constexpr int kMantissa = 10, kBias = 15, kSign = 0x8000;
  const int size = std::abs(number), exponent = std::ilogb(size);
  const int mantissa = (size << (kMantissa - exponent)) - (1 << kMantissa);
  return static_cast<std::uint16_t>((number < 0 ? kSign : 0) | (exponent + kBias) << kMantissa | mantissa);
}

// Returns packed vectors of random whole numbers.
std::vector<char> whole_numbers(Arithmetic arithmetic, std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  const auto next = [&] { return static_cast<int>(random() % (2 * kMost + 1)) - kMost; };
  std::vector<char> packed(bytes);
  if (arithmetic == Arithmetic::int8) {
    for (char& each : packed) each = static_cast<char>(next());
    return packed;
  }
  for (std::size_t at = 0; at < bytes; at += sizeof(std::uint16_t)) {
    const std::uint16_t half = half_of(next());
    std::memcpy(&packed[at], &half, sizeof(half));
  }
  return packed;
}

template <class T>
DeviceBuffer<T> on_device(const std::vector<T>& values) {
  DeviceBuffer<T> array(values.size());
  array.copy_from(values.data(), values.size());
  return array;
}

// A search with lists that have room for all rows.
class Trial {
 public:
  Trial(Arithmetic arithmetic, std::size_t steps)
      : packed_rows_(on_device(whole_numbers(arithmetic, packed_bytes(kRows, kRowTile, steps), 1))),
        packed_queries_(on_device(whole_numbers(arithmetic, packed_bytes(kQueries, kQueryTile, steps), 2))) {
    spread(0, kRows, 1, row_numbers_.data());
    constexpr float kInfinite = std::numeric_limits<float>::infinity();
    cutoffs_ = on_device(std::vector<float>(kQueries, -kInfinite));
    ceilings_ = on_device(std::vector<float>(kQueries, kInfinite));
    search_.arithmetic = arithmetic;
    search_.packed_rows = packed_rows_.data();
    search_.steps = static_cast<std::uint32_t>(steps);
    search_.row_count = kRows;
    search_.tile_count = kTiles;
    search_.tile_stride = 2;
    search_.row_numbers = row_numbers_.data();
    search_.packed_queries = packed_queries_.data();
    search_.query_count = kQueries;
    search_.list_capacity = kRows;
    search_.lists = lists_.data();
    search_.counts = counts_.data();
    search_.cutoffs = cutoffs_.data();
    search_.ceilings = ceilings_.data();
    search_.maxima = maxima_.data();
    search_.maxima_count = search_.maxima_stride = kTiles * kTileGroups;
  }

  // Returns how many rows are on each query's list, their scores, and the maxima.
  std::tuple<std::vector<std::uint32_t>, std::vector<float>, std::vector<float>> results(Products products) {
    search_.products = products;
    fill_bytes(counts_.data(), 0, kQueries * sizeof(std::uint32_t));
    fill_bytes(maxima_.data(), 0xFF, maxima_.size() * sizeof(float));
    find_maxima(search_, kBlocks);
    screen(search_, 0, kTiles, Screening::first, kBlocks);
    std::vector<std::uint32_t> counts = counts_.to_host(kQueries);
    const std::vector<Candidate> lists = lists_.to_host(lists_.size());
    std::vector<float> scores(kQueries * kRows, std::numeric_limits<float>::infinity());
    for (std::size_t query = 0; query < kQueries; ++query) {
      const std::size_t found = std::min<std::size_t>(counts[query], kRows);
      for (std::size_t i = 0; i < found; ++i) {
        const Candidate& candidate = lists[query * kRows + i];
        if (candidate.row < kRows) scores[query * kRows + candidate.row] = candidate.score;
      }
    }
    std::vector<float> maxima = maxima_.to_host(maxima_.size());
    // A maximum that was not written is not a number, which equals nothing.
    return {std::move(counts), std::move(scores), std::move(maxima)};
  }

 private:
  Search search_{};
  DeviceBuffer<char> packed_rows_, packed_queries_;
  DeviceBuffer<std::uint32_t> row_numbers_{kRows}, counts_{kQueries};
  DeviceBuffer<Candidate> lists_{kQueries * kRows};
  DeviceBuffer<float> cutoffs_, ceilings_, maxima_{kQueries * kTiles * kTileGroups};
};

}  // namespace

bool warpgroups_agree() {
  for (const Arithmetic arithmetic : {Arithmetic::fp16, Arithmetic::int8}) {
    for (const std::size_t steps : kSteps) {
      Trial trial(arithmetic, steps);
      if (trial.results(Products::by_warp) != trial.results(Products::by_warpgroup)) return false;
    }
  }
  return true;
}

Products products_of(const Device& device, int number) {
  if (device.major != 9 || device.minor != 0) return Products::by_warp;
  static std::mutex mutex;
  static std::map<int, Products> tried;
  const std::lock_guard lock(mutex);
  const auto found = tried.find(number);
  if (found != tried.end()) return found->second;
  const OnDevice here(number);
  return tried[number] = warpgroups_agree() ? Products::by_warpgroup : Products::by_warp;
}

}  // namespace latentknn::cuda
