#include "choose_screen.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "matrix_product.h"
#include "principal_screen.h"
#include "subspace.h"
#include "uniform_screen.h"
#include "unit_scales.h"

namespace latentknn {
namespace {

constexpr std::size_t kMaxDim = std::size_t{1} << 20;  // up to here the bounds are proven
constexpr std::size_t kSampleRows = 8192;
constexpr std::size_t kMomentRows = 4096;
constexpr std::size_t kSampleQueries = 48;
constexpr std::size_t kNeighbours = 10;  // for which the cost is predicted
constexpr std::size_t kDirectionCounts[] = {16, 32, 48, 64, 96, 128, 160, 192, 224, 256};

// Costs in float32 multiply-adds of the tile, measured: scoring a candidate exactly reads a row that lies
// anywhere in memory, which takes longer than the arithmetic.
constexpr double kCandidateCost = 4000.0;
constexpr double kCandidateCostPerDim = 30.0;

// A subspace must promise at least this saving: for large k it loses more than screening all dimensions does.
constexpr double kWorthwhile = 0.5;

// Every so many rows, so that a sorted database is sampled evenly.
struct Sample {
  std::vector<float> values;
  std::vector<double> squared_norms;
  std::size_t count = 0;

  Sample(const Rows& rows, std::size_t most) : count(std::min(rows.count, most)) {
    values.resize(count * rows.dim);
    squared_norms.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = i * rows.count / count;
      std::copy_n(rows.values + row * rows.dim, rows.dim, values.data() + i * rows.dim);
      squared_norms[i] = rows.squared_norms[row];
    }
  }
};

struct Forecast {
  std::size_t directions;
  double candidates;  // of one query
};

// How many rows of the database a screen in the first few directions of `screen` would leave for a query,
// on average, by the sample: those whose upper bound reaches the similarity of the k-th nearest.
class CandidateForecast {
 public:
  CandidateForecast(const KernelTable& kernels, const PrincipalScreen& screen, const Sample& sample, std::size_t dim,
                    std::size_t row_count)
      : width_(screen.packed_dim()),
        count_(sample.count),
        each_(static_cast<double>(row_count) / static_cast<double>(sample.count)),
        by_dimension_(width_ * count_) {
    const std::vector<float> projected =
        screen.project(sample.values.data(), sample.squared_norms.data(), sample.count);
    for (std::size_t row = 0; row < count_; ++row) {
      for (std::size_t j = 0; j < width_; ++j) by_dimension_[j * count_ + row] = projected[row * width_ + j];
    }
    const std::vector<double> scales = unit_scales(sample.squared_norms.data(), count_, 1.0);
    const ScreenKernel& kernel = kernels.fp32;
    const std::size_t step = std::max<std::size_t>(1, count_ / kSampleQueries);
    std::vector<float> queries;
    std::vector<double> query_scales;
    for (std::size_t row = step / 2; row < count_; row += step) {
      queries_.push_back(row);
      const auto begin = sample.values.begin() + static_cast<std::ptrdiff_t>(row * dim);
      queries.insert(queries.end(), begin, begin + static_cast<std::ptrdiff_t>(dim));
      query_scales.push_back(scales[row]);
    }
    const PackedVectors left(kernel, kernel.query_tile, queries.data(), queries_.size(), dim, query_scales.data());
    const PackedVectors right(kernel, kernel.row_tile, sample.values.data(), count_, dim, scales.data());
    std::vector<float> products;
    multiply(kernel, left, right, dim, products);

    const std::size_t rank = std::clamp<std::size_t>(static_cast<std::size_t>(kNeighbours / each_ + 0.5), 1, count_);
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      float* line = products.data() + i * right.padded_count();
      line[queries_[i]] = -2.0f;  // a query is not its own neighbour
      std::nth_element(line, line + rank - 1, line + count_, std::greater<>());
      thresholds_.push_back(line[rank - 1]);
    }
  }

  // By number of directions, of those in kDirectionCounts up to `most`, and last for `most`.
  std::vector<Forecast> candidates(std::size_t most) const {
    std::vector<std::size_t> counts;
    for (const std::size_t count : kDirectionCounts) {
      if (count < most) counts.push_back(count);
    }
    counts.push_back(most);
    std::vector<std::size_t> left(counts.size(), 0);

    std::vector<float> inside(count_), tails(count_ * counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      for (std::size_t row = 0; row < count_; ++row) tails[i * count_ + row] = tail(row, counts[i]);
    }
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      const std::size_t query = queries_[i];
      std::fill(inside.begin(), inside.end(), 0.0f);
      std::size_t done = 0;
      for (std::size_t c = 0; c < counts.size(); ++c) {
        for (; done < counts[c]; ++done) {
          const float a = by_dimension_[done * count_ + query];
          const float* b = by_dimension_.data() + done * count_;
          for (std::size_t row = 0; row < count_; ++row) inside[row] += a * b[row];
        }
        const float* outside = tails.data() + c * count_;
        for (std::size_t row = 0; row < count_; ++row) {
          left[c] += inside[row] + outside[query] * outside[row] >= thresholds_[i] ? 1 : 0;
        }
      }
    }
    std::vector<Forecast> forecasts;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      forecasts.push_back({counts[c], each_ * static_cast<double>(left[c]) / static_cast<double>(queries_.size())});
    }
    return forecasts;
  }

 private:
  // Length of a row outside of the first `directions`.
  float tail(std::size_t row, std::size_t directions) const {
    float sum = 0.0f;
    for (std::size_t j = directions; j < width_; ++j) {
      sum += by_dimension_[j * count_ + row] * by_dimension_[j * count_ + row];
    }
    return std::sqrt(sum);
  }

  std::size_t width_;
  std::size_t count_;
  double each_;                      // rows of the database that one of the sample stands for
  std::vector<float> by_dimension_;  // (width, count): the projected sample, dimension by dimension
  std::vector<std::size_t> queries_;
  std::vector<float> thresholds_;
};

struct Choice {
  std::size_t directions;
  double cost;  // of one query
};

Choice cheapest(const KernelTable& kernels, const std::vector<Forecast>& forecasts, const Rows& rows) {
  Choice best{0, std::numeric_limits<double>::infinity()};
  for (const Forecast& forecast : forecasts) {
    const double screening =
        static_cast<double>(rows.count) * static_cast<double>(forecast.directions + 1) / kernels.int16_gain;
    const double scoring =
        forecast.candidates * (kCandidateCost + kCandidateCostPerDim * static_cast<double>(rows.dim));
    if (screening + scoring < best.cost) best = {forecast.directions, screening + scoring};
  }
  return best;
}

std::unique_ptr<Screen> uniform_screen(Strategy strategy, const KernelTable& kernels, std::size_t dim) {
  return std::make_unique<UniformScreen>(strategy == Strategy::int16 ? UniformScreen::int16(kernels, dim)
                                                                     : UniformScreen::fp32(kernels, dim));
}

// Where `otherwise` is set, null if it is predicted to be cheaper.
std::unique_ptr<Screen> principal_screen(const KernelTable& kernels, const Rows& rows, const double* otherwise) {
  // The second moments take dim squared elements: beyond, they would outgrow the rows.
  constexpr std::size_t kManyDims = 4096;
  if (rows.dim > kManyDims) {
    return otherwise == nullptr ? uniform_screen(Strategy::int16, kernels, rows.dim) : nullptr;
  }
  const std::size_t most = std::min(rows.dim, kDirectionCounts[std::size(kDirectionCounts) - 1]);
  const Sample moments(rows, kMomentRows);
  std::vector<float> directions =
      principal_directions(kernels, moments.values.data(), moments.squared_norms.data(), moments.count, rows.dim, most);
  const std::size_t found = directions.size() / rows.dim;
  if (found == 0) return otherwise == nullptr ? uniform_screen(Strategy::fp32, kernels, rows.dim) : nullptr;
  Choice choice{found, 0.0};
  {
    const PrincipalScreen widest(kernels, directions, rows.dim);
    const Sample sample(rows, kSampleRows);
    const CandidateForecast forecast(kernels, widest, sample, rows.dim, rows.count);
    choice = cheapest(kernels, forecast.candidates(found), rows);
  }
  if (otherwise != nullptr && choice.cost >= kWorthwhile * *otherwise) return nullptr;
  directions.resize(choice.directions * rows.dim);
  return std::make_unique<PrincipalScreen>(kernels, std::move(directions), rows.dim);
}

std::unique_ptr<Screen> cheapest_screen(const KernelTable& kernels, const Rows& rows) {
  const bool int16_pays = kernels.int16_gain > 1.0;
  // Below, finding a subspace costs more than it can save.
  constexpr std::size_t kFewRows = 4096;
  constexpr std::size_t kFewDims = 64;
  if (rows.dim >= kFewDims && rows.count >= kFewRows) {
    const double uniform = static_cast<double>(rows.count * rows.dim) / std::max(1.0, kernels.int16_gain);
    if (std::unique_ptr<Screen> principal = principal_screen(kernels, rows, &uniform)) return principal;
  }
  return uniform_screen(int16_pays ? Strategy::int16 : Strategy::fp32, kernels, rows.dim);
}

}  // namespace

std::unique_ptr<Screen> choose_screen(Strategy strategy, const KernelTable& kernels, const Rows& rows) {
  if (rows.dim > kMaxDim) return nullptr;
  switch (strategy) {
    case Strategy::automatic: return cheapest_screen(kernels, rows);
    case Strategy::fp32:
    case Strategy::int16: return uniform_screen(strategy, kernels, rows.dim);
    case Strategy::pca: return principal_screen(kernels, rows, nullptr);
    case Strategy::float64: break;
  }
  return nullptr;
}

}  // namespace latentknn
