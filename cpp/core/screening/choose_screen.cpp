#include "choose_screen.h"

#include <algorithm>
#include <limits>

#include "forecast.h"
#include "int8_screen.h"
#include "principal_screen.h"
#include "sample.h"
#include "subspace.h"
#include "uniform_screen.h"

namespace latentknn {
namespace {

constexpr std::size_t kMaxDim = std::size_t{1} << 20;  // up to here the bounds are proven
// The second moments and the rotation take dim squared elements: beyond, they would outgrow the rows.
constexpr std::size_t kManyDims = 4096;
constexpr std::size_t kSampleRows = 4096;
constexpr std::size_t kMostDirections = 256;

// Below, finding out what suits the rows costs more than it can save.
constexpr std::size_t kFewRows = 4096;
constexpr std::size_t kFewDims = 16;

// Costs in float32 multiply-adds of the tile, measured: a candidate is appended, selected and scored from a
// row that lies anywhere in memory; comparing a tile's scores takes as long as some dimensions more.
constexpr double kCandidateCost = 5500.0;
constexpr double kCandidateCostPerDim = 15.0;
constexpr double kCompareDims = 4.0;

// Queries are compared with rows in groups, and a group reaches more cells than one query.
constexpr double kGroupReach = 1.4;

// Another screen than the plain one must promise at least this saving: for large k it loses more.
constexpr double kWorthwhile = 0.65;

Consideration consider(const KernelTable& kernels, const Forecast& forecast, const Rows& rows, double reached) {
  const std::size_t dims = forecast.directions == 0 ? rows.dim : forecast.directions + 1;
  const bool int16_pays = kernels.int16_gain > 1.0;
  const double gain = forecast.int8 ? kernels.int8_gain : std::max(1.0, kernels.int16_gain);
  const double every_row = static_cast<double>(rows.count);
  const double screening = reached * every_row * (static_cast<double>(dims) + kCompareDims) / gain;
  const double candidate = kCandidateCost + kCandidateCostPerDim * static_cast<double>(rows.dim);
  const double plain =
      reached * every_row * (static_cast<double>(rows.dim) + kCompareDims) + CandidateForecast::kNeighbours * candidate;
  return {forecast.int8                           ? "int8"
          : int16_pays || forecast.directions > 0 ? "int16"
                                                  : "fp32",
          dims, forecast.candidates, (screening + forecast.candidates * candidate) / plain};
}

std::unique_ptr<Screen> uniform_screen(Strategy strategy, const KernelTable& kernels, std::size_t dim) {
  return std::make_unique<UniformScreen>(strategy == Strategy::int16 ? UniformScreen::int16(kernels, dim)
                                                                     : UniformScreen::fp32(kernels, dim));
}

// Of all cells, the share that a query reaches, from those that the forecast took from the sample.
double reached_share(const CandidateForecast& forecast, const Sample& sample, const Layout& layout, std::size_t dim) {
  if (layout.caps() == nullptr) return 1.0;
  std::vector<float> vectors;
  std::vector<double> squared_norms;
  for (const std::size_t row : forecast.queries()) {
    const auto begin = sample.values.begin() + static_cast<std::ptrdiff_t>(row * dim);
    vectors.insert(vectors.end(), begin, begin + static_cast<std::ptrdiff_t>(dim));
    squared_norms.push_back(sample.squared_norms[row]);
  }
  const std::vector<float> points = layout.points(vectors.data(), squared_norms.data(), squared_norms.size());
  return std::min(1.0, kGroupReach * layout.caps()->share_reached(points, forecast.thresholds()));
}

// The cheapest of the forecasts that `admit` admits.
template <class Admit>
Choice cheapest_screen(const KernelTable& kernels, const Rows& rows, std::vector<float> directions,
                       const Layout& layout, const Admit& admit) {
  const Sample sample(rows, kSampleRows);
  Choice choice;
  Forecast best{0, false, 0.0};
  double least = std::numeric_limits<double>::infinity();
  {
    const bool any = !directions.empty();
    const PrincipalScreen widest(kernels, any ? directions : std::vector<float>(rows.dim, 0.0f), rows.dim);
    const CandidateForecast forecast(kernels, any ? &widest : nullptr, sample, rows.dim, rows.count);
    choice.reached = reached_share(forecast, sample, layout, rows.dim);
    for (const Forecast& each : forecast.forecasts()) {
      if (!admit(each)) continue;
      choice.considered.push_back(consider(kernels, each, rows, choice.reached));
      const bool plain = each.directions == 0 && !each.int8;
      const double predicted = choice.considered.back().cost * (plain ? kWorthwhile : 1.0);
      if (predicted >= least) continue;
      best = each;
      least = predicted;
    }
  }
  directions.resize(best.directions * rows.dim);
  if (best.int8) {
    choice.screen = std::make_unique<Int8Screen>(kernels, directions, rows.dim, sample);
  } else if (best.directions > 0) {
    choice.screen = std::make_unique<PrincipalScreen>(kernels, directions, rows.dim);
  } else {
    choice.screen = fallback_screen(kernels, rows.dim);
  }
  return choice;
}

}  // namespace

std::unique_ptr<Screen> fallback_screen(const KernelTable& kernels, std::size_t dim) {
  return uniform_screen(kernels.int16_gain > 1.0 ? Strategy::int16 : Strategy::fp32, kernels, dim);
}

std::vector<float> directions_for(Strategy strategy, const KernelTable& kernels, const Rows& rows,
                                  std::size_t threads) {
  const bool pca = strategy == Strategy::pca;
  if (strategy == Strategy::float64 || rows.dim > kManyDims || (rows.count < kFewRows && !pca)) return {};
  const bool chosen_by_cost = pca || (strategy == Strategy::automatic && rows.dim >= kFewDims);
  const Sample moments(rows, kSampleRows);
  return principal_directions(kernels, moments.values.data(), moments.squared_norms.data(), moments.count, rows.dim,
                              std::min(rows.dim, chosen_by_cost ? kMostDirections : Layout::kDirections), threads);
}

Choice choose_screen(Strategy strategy, const KernelTable& kernels, const Rows& rows,
                     const std::vector<float>& directions, const Layout& layout) {
  if (strategy == Strategy::float64 || rows.dim > kMaxDim) return {};
  const bool many = rows.dim > kManyDims;
  const bool few = rows.dim < kFewDims || rows.count < kFewRows;
  switch (strategy) {
    case Strategy::fp32:
    case Strategy::int16: return {uniform_screen(strategy, kernels, rows.dim), {}};
    case Strategy::int8:
      if (many) break;
      return {std::make_unique<Int8Screen>(kernels, std::vector<float>(), rows.dim, Sample(rows, kSampleRows)), {}};
    case Strategy::pca:
      if (many) break;
      return cheapest_screen(kernels, rows, directions, layout,
                             [](const Forecast& forecast) { return forecast.directions > 0; });
    default:
      if (many || few) break;
      return cheapest_screen(kernels, rows, directions, layout, [](const Forecast&) { return true; });
  }
  return {fallback_screen(kernels, rows.dim), {}};
}

}  // namespace latentknn
