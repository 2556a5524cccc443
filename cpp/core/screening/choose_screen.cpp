#include "choose_screen.h"

#include <algorithm>
#include <limits>

#include "forecast.h"
#include "int8_screen.h"
#include "principal_screen.h"
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

Consideration consider(const KernelTable& kernels, const Forecast& forecast, std::size_t row_count, std::size_t dim,
                       double reached) {
  const std::size_t dims = forecast.directions == 0 ? dim : forecast.directions + 1;
  const bool int16_pays = kernels.int16_gain > 1.0;
  const double gain = forecast.int8 ? kernels.int8_gain : std::max(1.0, kernels.int16_gain);
  const double every_row = static_cast<double>(row_count);
  const double screening = reached * every_row * (static_cast<double>(dims) + kCompareDims) / gain;
  const double candidate = kCandidateCost + kCandidateCostPerDim * static_cast<double>(dim);
  const double plain =
      reached * every_row * (static_cast<double>(dim) + kCompareDims) + CandidateForecast::kNeighbours * candidate;
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
double reached_share(const CandidateForecast& forecast, const Rows& sample, const Layout& layout) {
  if (layout.caps() == nullptr) return 1.0;
  const std::size_t count = forecast.queries().size();
  const GatheredRows queries(sample, forecast.queries().data(), count);
  const std::vector<float> points = layout.points(queries.values.data(), queries.squared_norms.data(), count);
  return std::min(1.0, kGroupReach * layout.caps()->share_reached(points, forecast.thresholds()));
}

// The cheapest of the forecasts that `admit` admits.
template <class Admit>
Choice cheapest_screen(const KernelTable& kernels, const Rows& sample, std::size_t row_count,
                       std::vector<float> directions, const Layout& layout, std::size_t threads, const Admit& admit) {
  const std::size_t dim = sample.dim;
  Choice choice;
  Forecast best{0, false, 0.0};
  double least = std::numeric_limits<double>::infinity();
  {
    const bool any = !directions.empty();
    const PrincipalScreen widest(kernels, any ? directions : std::vector<float>(dim, 0.0f), dim);
    const CandidateForecast forecast(kernels, any ? &widest : nullptr, sample, row_count, threads);
    choice.reached = reached_share(forecast, sample, layout);
    for (const Forecast& each : forecast.forecasts()) {
      if (!admit(each)) continue;
      choice.considered.push_back(consider(kernels, each, row_count, dim, choice.reached));
      const bool plain = each.directions == 0 && !each.int8;
      const double predicted = choice.considered.back().cost * (plain ? kWorthwhile : 1.0);
      if (predicted >= least) continue;
      best = each;
      least = predicted;
    }
  }
  directions.resize(best.directions * dim);
  if (best.int8) {
    choice.screen = std::make_unique<Int8Screen>(kernels, directions, dim, sample);
  } else if (best.directions > 0) {
    choice.screen = std::make_unique<PrincipalScreen>(kernels, directions, dim);
  } else {
    choice.screen = fallback_screen(kernels, dim);
  }
  return choice;
}

}  // namespace

std::unique_ptr<Screen> fallback_screen(const KernelTable& kernels, std::size_t dim) {
  return uniform_screen(kernels.int16_gain > 1.0 ? Strategy::int16 : Strategy::fp32, kernels, dim);
}

GatheredRows deciding_rows(Strategy strategy, const Rows& rows) {
  const bool none = strategy == Strategy::float64 || rows.dim > kManyDims;
  return sample_rows(rows, none ? 0 : kSampleRows);
}

std::vector<float> directions_for(Strategy strategy, const KernelTable& kernels, const Rows& sample,
                                  std::size_t row_count, std::size_t threads) {
  const bool pca = strategy == Strategy::pca;
  if (strategy == Strategy::float64 || sample.dim > kManyDims || (row_count < kFewRows && !pca)) return {};
  const bool chosen_by_cost = pca || (strategy == Strategy::automatic && sample.dim >= kFewDims);
  const std::size_t most = chosen_by_cost ? kMostDirections : Layout::kDirections;
  return principal_directions(kernels, sample, std::min(sample.dim, most), threads);
}

Choice choose_screen(Strategy strategy, const KernelTable& kernels, const Rows& sample, std::size_t row_count,
                     const std::vector<float>& directions, const Layout& layout, std::size_t threads) {
  const std::size_t dim = sample.dim;
  if (strategy == Strategy::float64 || dim > kMaxDim) return {};
  const bool many = dim > kManyDims;
  const bool few = dim < kFewDims || row_count < kFewRows;
  switch (strategy) {
    case Strategy::fp32:
    case Strategy::int16: return {uniform_screen(strategy, kernels, dim), {}};
    case Strategy::int8:
      if (many) break;
      return {std::make_unique<Int8Screen>(kernels, std::vector<float>(), dim, sample), {}};
    case Strategy::pca:
      if (many) break;
      return cheapest_screen(kernels, sample, row_count, directions, layout, threads,
                             [](const Forecast& forecast) { return forecast.directions > 0; });
    default:
      if (many || few) break;
      return cheapest_screen(kernels, sample, row_count, directions, layout, threads,
                             [](const Forecast&) { return true; });
  }
  return {fallback_screen(kernels, dim), {}};
}

}  // namespace latentknn
