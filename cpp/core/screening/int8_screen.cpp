#include "screening/int8_screen.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr double kRowLargest = 127.0;
constexpr double kSlack = 1.0 + 0x1p-40;
constexpr double kMargin = 1.02;   // factor over the lengths that the sample shows
constexpr double kOutside = 0.02;  // similarities that may lie outside of the sample's range
constexpr double kLeftOut = 2e-4;  // share of rows that may stay unscreened
constexpr double kLeastUnit = 9.0 * 0x1p-30;

// Rounds a small number. std::nearbyint() is a call for each number where processors without SSE4.1 must be served.
double nearest_integer(double x) {
  constexpr double kNoFraction = 0x1.8p52;
  return (x + kNoFraction) - kNoFraction;
}

double product(const double* a, const double* b, std::size_t count) {
  double sum = 0.0;
  for (std::size_t j = 0; j < count; ++j) sum += a[j] * b[j];
  return sum;
}

// Finds the number that a share of so many numbers exceeds. They come one by one, and only the largest stay.
class QuantileAbove {
 public:
  QuantileAbove(double share, std::size_t count) : rank_(static_cast<std::size_t>(share * static_cast<double>(count))) {
    largest_.reserve(kTimesMore * (rank_ + 1));
  }

  void add(double number) {
    if (number <= least_) return;
    largest_.push_back(number);
    if (largest_.size() < largest_.capacity()) return;
    least_ = of_rank();
    largest_.resize(rank_ + 1);
  }

  // Returns 0 where no numbers came.
  double value() { return largest_.empty() ? 0.0 : of_rank(); }

 private:
  static constexpr std::size_t kTimesMore = 4;

  double of_rank() {
    const auto at = largest_.begin() + static_cast<std::ptrdiff_t>(rank_);
    std::nth_element(largest_.begin(), at, largest_.end(), std::greater<>());
    return *at;
  }

  const std::size_t rank_;
  // Of the numbers that came, as many as are looked for are no smaller.
  double least_ = -std::numeric_limits<double>::infinity();
  std::vector<double> largest_;
};

}  // namespace

Int8Screen::Int8Screen(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim,
                       const Rows& sample)
    : kernels_(kernels),
      dim_(dim),
      coordinates_(kernels, directions, dim),
      width_(coordinates_.width()),
      slack_((coordinates_.slack() + (kernels.of(Arithmetic::int8).wraps ? 0.0 : 9.0 * 0x1p-24)) * kSlack),
      steps_{static_cast<double>(kernels.of(Arithmetic::int8).query_largest)} {
  choose_steps(sample);
}

Int8Screen::Quantised Int8Screen::quantise(const double* vector, double step, double largest, float* integers) const {
  double centred = 0.0, kept = 0.0, residual = 0.0, along = 0.0;
  const double per_step = 1.0 / step;
  for (std::size_t j = 0; j < width_; ++j) {
    const double x = vector[j] - centre_[j];
    const double whole = nearest_integer(std::clamp(x * per_step, -largest, largest));
    const double rest = x - step * whole;
    integers[j] = static_cast<float>(whole);
    centred += x * x;
    kept += whole * whole;
    residual += rest * rest;
    along += vector[j] * centre_[j];
  }
  return {std::sqrt(centred) * kSlack, step * std::sqrt(kept) * kSlack, std::sqrt(residual) * kSlack, along};
}

void Int8Screen::choose_steps(const Rows& sample) {
  std::vector<double> all;
  all.reserve(sample.count * width_);
  for (std::size_t first = 0; first < sample.count; first += kRowsAtOnce) {
    const std::size_t some = std::min(kRowsAtOnce, sample.count - first);
    const std::vector<double> part = coordinates_.of(sample.values + first * dim_, sample.squared_norms + first, some);
    all.insert(all.end(), part.begin(), part.end());
  }
  centre_.assign(width_, 0.0);
  for (std::size_t i = 0; i < sample.count; ++i) {
    ThreadPool::check_interrupt();
    for (std::size_t j = 0; j < width_; ++j) centre_[j] += all[i * width_ + j] / static_cast<double>(sample.count);
  }
  QuantileAbove large(2e-4, all.size()), largest(0.0, all.size());
  for (std::size_t i = 0; i < sample.count; ++i) {
    ThreadPool::check_interrupt();
    for (std::size_t j = 0; j < width_; ++j) {
      const double component = std::abs(all[i * width_ + j] - centre_[j]);
      large.add(component);
      largest.add(component);
    }
  }
  steps_.query = std::max(large.value(), 1e-6) / steps_.query_largest;
  steps_.row = std::max(largest.value(), 1e-6) / kRowLargest;
  if (kernel().wraps) {
    fit_sixteen_bits(all, sample.count);
  } else {
    const double grow = std::max(1.0, kLeastUnit / (steps_.query * steps_.row));
    steps_.query *= std::sqrt(grow);
    steps_.row *= std::sqrt(grow);
  }
  measure_rows(all, sample.count);
  if (kernel().wraps) steps_.shift = std::ceil(extremes_.highest / (steps_.query * steps_.row)) - 32760.0;
}

// Makes the steps so large that all scores fit into 16 bits. The range of scores depends on the steps in turn.
void Int8Screen::fit_sixteen_bits(const std::vector<double>& sample, std::size_t count) {
  // The lowest score of the sample's pairs. A lower score does no harm: it is only mistaken for a high one.
  double lowest = 0.0;
  const std::size_t some = std::max<std::size_t>(1, count / 32);
  for (std::size_t q = 0; q < count; q += some) {
    ThreadPool::check_interrupt();
    const double* query = sample.data() + q * width_;
    const double along = product(query, centre_.data(), width_);
    for (std::size_t x = 0; x < count; ++x) {
      lowest = std::min(lowest, product(query, sample.data() + x * width_, width_) - along);
    }
  }
  lowest = std::max(lowest - kOutside, -2.0);

  for (int i = 0; i < 3; ++i) {
    measure_rows(sample, count);
    extremes_.highest = 0.0;
    std::vector<float> integers(width_);
    for (std::size_t q = 0; q < count; ++q) {
      ThreadPool::check_interrupt();
      const Quantised query = quantise(sample.data() + q * width_, steps_.query, steps_.query_largest, integers.data());
      extremes_.highest = std::max(extremes_.highest, reach(query) + kOutside);
    }
    const double grow = (extremes_.highest - lowest) / 65000.0 / (steps_.query * steps_.row);
    if (grow <= 1.0) break;
    // The finer of the two steps is made coarser first.
    double& finer = steps_.query < steps_.row ? steps_.query : steps_.row;
    const double apart = std::min(grow, std::max(steps_.query, steps_.row) / finer);
    finer *= apart;
    steps_.query *= std::sqrt(grow / apart);
    steps_.row *= std::sqrt(grow / apart);
  }
}

// Sets the extremes to those of the sample's rows, except a few rows that may stay unscreened.
void Int8Screen::measure_rows(const std::vector<double>& sample, std::size_t count) {
  std::vector<float> integers(width_);
  QuantileAbove residuals(kLeftOut, count), kept(kLeftOut, count);
  for (std::size_t i = 0; i < count; ++i) {
    ThreadPool::check_interrupt();
    const Quantised row = quantise(sample.data() + i * width_, steps_.row, kRowLargest, integers.data());
    residuals.add(row.residual);
    kept.add(row.kept);
  }
  extremes_.residual = std::max(residuals.value() * kMargin, steps_.row);
  extremes_.row = std::max(kept.value() * kMargin, steps_.row);
}

// Returns E and the slack, with a unit more for the rounding of the start and of these sums.
double Int8Screen::error(const Quantised& query) const {
  return (query.residual * extremes_.row + query.length * extremes_.residual + slack_) * kSlack +
         steps_.query * steps_.row;
}

// Returns U. The largest similarity is 1, and computed coordinates are a little longer.
double Int8Screen::reach(const Quantised& query) const {
  return 1.0 + 2.0 * slack_ - query.along_centre + error(query);
}

void Int8Screen::reserve_rows(std::size_t count) {
  const std::size_t tile = kernel().row_tile;
  packed_.resize((count + tile - 1) / tile * tile * kernel().row_bytes(width_));
  forget_unscreened(count, std::numeric_limits<std::uint32_t>::max());
  packed_before_ = std::min(reserved_, count);
  reserved_ = count;
}

void Int8Screen::forget_unscreened(std::size_t first, std::size_t last) {
  const std::lock_guard lock(unscreened_.mutex);
  std::erase_if(unscreened_.places, [&](std::uint32_t row) { return row >= first && row < last; });
}

std::vector<std::uint32_t> Int8Screen::unscreened_places() const {
  const std::lock_guard lock(unscreened_.mutex);
  std::vector<std::uint32_t> rows = unscreened_.places;
  std::sort(rows.begin(), rows.end());
  return rows;
}

void Int8Screen::pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t count) {
  if (first < packed_before_) forget_unscreened(first, first + count);
  std::vector<float> integers(kRowsAtOnce * width_);
  std::vector<std::int32_t> starts(kRowsAtOnce);
  const std::vector<double> ones(kRowsAtOnce, 1.0);
  const double centre_squared = product(centre_.data(), centre_.data(), width_);
  for (std::size_t begin = 0; begin < count; begin += kRowsAtOnce) {
    const std::size_t part = std::min(kRowsAtOnce, count - begin);
    const std::vector<double> all = coordinates_.of(rows + begin * dim_, squared_norms + begin, part);
    for (std::size_t i = 0; i < part; ++i) {
      const Quantised row = quantise(all.data() + i * width_, steps_.row, kRowLargest, integers.data() + i * width_);
      const double start = std::nearbyint((row.along_centre - centre_squared) * score_scale()) - steps_.shift;
      starts[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(start));
      if (row.residual > extremes_.residual || row.kept > extremes_.row) {
        std::fill_n(integers.data() + i * width_, width_, 0.0f);
        starts[i] = static_cast<std::int32_t>(kUnscreened);
        const std::lock_guard lock(unscreened_.mutex);
        unscreened_.places.push_back(static_cast<std::uint32_t>(first + begin + i));
      }
    }
    kernel().pack_rows(integers.data(), part, width_, ones.data(), starts.data(),
                       packed_.data() + (first + begin) * kernel().row_bytes(width_));
  }
}

void Int8Screen::pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                              ScoreBound* bounds) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<float> integers(kRowsAtOnce * width_);
  const std::vector<double> ones(kRowsAtOnce, 1.0);
  const double unit = steps_.query * steps_.row;
  const bool two_sided = !coordinates_.in_subspace() && !kernel().wraps;
  for (std::size_t begin = 0; begin < count; begin += kRowsAtOnce) {
    const std::size_t part = std::min(kRowsAtOnce, count - begin);
    const std::vector<double> all = coordinates_.of(queries + begin * dim_, squared_norms + begin, part);
    for (std::size_t i = 0; i < part; ++i) {
      const Quantised query =
          quantise(all.data() + i * width_, steps_.query, steps_.query_largest, integers.data() + i * width_);
      const double above =
          reach(query) <= extremes_.highest ? (query.along_centre + error(query)) / unit + steps_.shift : kInfinity;
      bounds[begin + i] = {above, two_sided ? 2.0 * error(query) / unit * kSlack : kInfinity};
    }
    kernel().pack_queries(integers.data(), part, width_, ones.data(),
                          static_cast<char*>(packed) + begin * kernel().query_bytes(width_));
  }
}

}  // namespace latentknn
