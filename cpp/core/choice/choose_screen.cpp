#include "choice/choose_screen.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "choice/costs.h"
#include "choice/forecast.h"
#include "linear/subspace.h"
#include "screening/int8_screen.h"
#include "screening/principal_screen.h"
#include "screening/uniform_screen.h"

namespace latentknn {
namespace {

constexpr std::size_t kMaxDim = std::size_t{1} << 20;  // bounds are proven up to here
// The second moments have dim squared elements: in more dimensions they would outgrow the rows.
constexpr std::size_t kManyDims = 4096;
constexpr std::size_t kSampleRows = 4096;
constexpr std::size_t kMostDirections = 256;

// For fewer rows or dimensions, finding out what suits the rows costs more than it can save.
constexpr std::size_t kFewRows = 4096;
constexpr std::size_t kFewDims = 16;

// Queries are compared with rows in groups, and a group reaches more cells than one query.
constexpr double kGroupReach = 1.4;

// A choice that needs more memory must promise at least such a saving: fp32 over fewer bits, and a subspace, which is
// kept beside all dimensions. So must 8 bits over 16: while thresholds are low they leave more than is predicted.
constexpr double kWorthFewBits = 0.87;
constexpr double kWorthFourTimes = 0.7;
constexpr double kWorthBoth = 0.85;

// A screen that bounds similarities from above only gives no thresholds, so that these come from exact scores alone.
// Until they do, it leaves more than is predicted, by this factor. Nobody has modelled that it grows where more
// neighbours are wanted than the forecast asks for.
constexpr double kLeftUnbounded = 1.5;

// Beside a subspace, queries that begin in all dimensions are packed twice, and rows are kept twice. That was measured
// to pay where dim squared is at most this share of the cost of a query's comparisons.
constexpr double kTwice = 0.05;

// Whether screening in fewer bits than float32 is faster.
bool is_fast(const KernelTable& kernels, Arithmetic arithmetic) {
  return arithmetic == Arithmetic::fp32 || (kernels.has(arithmetic) && kernels.of(arithmetic).gain > 1.0);
}

Consideration consider(const KernelTable& kernels, const Forecast& forecast, std::size_t row_count, std::size_t dim,
                       double reached) {
  const std::size_t dims = forecast.directions == 0 ? dim : forecast.directions + 1;
  const double candidate = costs::left_row(dim) + costs::scored_row(dim);
  const double rows = reached * static_cast<double>(row_count);
  const ScreenKernel& kernel = kernels.of(forecast.arithmetic);
  const bool one_sided = forecast.directions > 0 || kernel.wraps;
  const double left = forecast.candidates * (one_sided ? kLeftUnbounded : 1.0);
  const double cost = rows * costs::compared_row(kernel, dims) + left * candidate;
  const double plain =
      rows * costs::compared_row(kernels.of(Arithmetic::fp32), dim) + CandidateForecast::kNeighbours * candidate;
  return {kernel.name, dims, forecast.candidates, cost / plain};
}

// Returns the weight of a forecast's predicted cost.
double weighed(const Forecast& forecast) {
  if (forecast.directions > 0) return 1.0 / kWorthBoth;
  switch (forecast.arithmetic) {
    case Arithmetic::fp32: return 1.0 / kWorthFourTimes;
    case Arithmetic::int16: return 1.0;
    case Arithmetic::int8: return 1.0 / kWorthFewBits;
  }
  return 1.0;
}

Ladder alone(std::unique_ptr<Screen> screen) {
  Ladder ladder;
  ladder.screens.push_back(std::move(screen));
  return ladder;
}

std::unique_ptr<Screen> whole_screen(Arithmetic arithmetic, const KernelTable& kernels, const Rows& sample,
                                     UniformScreen::Packed packed) {
  switch (arithmetic) {
    case Arithmetic::fp32: return std::make_unique<UniformScreen>(UniformScreen::fp32(kernels, sample.dim, packed));
    case Arithmetic::int16: return std::make_unique<UniformScreen>(UniformScreen::int16(kernels, sample.dim, packed));
    case Arithmetic::int8: return std::make_unique<Int8Screen>(kernels, std::vector<float>(), sample.dim, sample);
  }
  return nullptr;
}

// Predicts the share of all cells that a query reaches, by the queries that the forecast took from the sample.
double reached_share(const CandidateForecast& forecast, const Rows& sample, const Layout& layout) {
  if (layout.caps() == nullptr) return 1.0;
  const std::size_t count = forecast.queries().size();
  const GatheredRows queries(sample, forecast.queries().data(), count);
  const std::vector<float> points = layout.points(queries.values.data(), queries.squared_norms.data(), count);
  return std::min(1.0, kGroupReach * layout.caps()->share_reached(points, forecast.thresholds()));
}

double reached_share(const KernelTable& kernels, const Rows& sample, std::size_t row_count, const Layout& layout,
                     std::size_t threads) {
  if (layout.caps() == nullptr) return 1.0;
  return reached_share(CandidateForecast(kernels, nullptr, sample, row_count, threads), sample, layout);
}

std::unique_ptr<Screen> subspace_screen(const Forecast& forecast, const KernelTable& kernels,
                                        std::vector<float> directions, const Rows& sample) {
  directions.resize(forecast.directions * sample.dim);
  if (forecast.arithmetic == Arithmetic::int16) {
    return std::make_unique<PrincipalScreen>(kernels, directions, sample.dim);
  }
  return std::make_unique<Int8Screen>(kernels, directions, sample.dim, sample);
}

// Adds a screen in all dimensions, and the finer ones, which pack rows each time that they need them.
void add_from(Arithmetic least, UniformScreen::Packed least_packed, const KernelTable& kernels, const Rows& sample,
              Ladder& ladder) {
  ladder.whole = ladder.screens.size();
  for (auto i = static_cast<std::size_t>(least) + 1; i-- > 0;) {
    const auto arithmetic = static_cast<Arithmetic>(i);
    if (!is_fast(kernels, arithmetic)) continue;
    const auto packed = arithmetic == least ? least_packed : UniformScreen::Packed::each_time;
    ladder.screens.push_back(whole_screen(arithmetic, kernels, sample, packed));
  }
}

// Returns the forecast of the least weighed cost among those that `admit` admits; null where it admits none.
template <class Admit>
const Forecast* cheapest(const std::vector<Forecast>& forecasts, const std::vector<Consideration>& considered,
                         const Admit& admit) {
  const Forecast* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < forecasts.size(); ++i) {
    const double cost = considered[i].cost * weighed(forecasts[i]);
    if (!admit(forecasts[i]) || cost >= least) continue;
    best = &forecasts[i];
    least = cost;
  }
  return best;
}

// Chooses the screen in all dimensions that is predicted to cost the least, with finer ones above it, and a subspace
// below it where that saves enough. Where a subspace was asked for, chooses that alone.
Choice choose_by_cost(const KernelTable& kernels, const Rows& sample, std::size_t row_count,
                      const std::vector<float>& directions, const Layout& layout, std::size_t threads,
                      bool subspace_alone) {
  const std::size_t dim = sample.dim;
  Choice choice;
  std::vector<Forecast> forecasts;
  {
    const bool any = !directions.empty();
    const PrincipalScreen widest(kernels, any ? directions : std::vector<float>(dim, 0.0f), dim);
    const CandidateForecast forecast(kernels, any ? &widest : nullptr, sample, row_count, threads);
    choice.reached = reached_share(forecast, sample, layout);
    forecasts = forecast.forecasts();
  }
  std::erase_if(forecasts, [&](const Forecast& each) {
    const bool slow = each.directions == 0 && !is_fast(kernels, each.arithmetic);
    return slow || (subspace_alone && each.directions == 0);
  });
  for (const Forecast& each : forecasts) {
    choice.considered.push_back(consider(kernels, each, row_count, dim, choice.reached));
  }
  const Forecast* const best = cheapest(forecasts, choice.considered, [](const Forecast&) { return true; });
  if (best == nullptr) {  // too few dimensions for a subspace
    choice.ladder = fallback_ladder(kernels, dim);
    return choice;
  }
  if (best->directions > 0) choice.ladder.screens.push_back(subspace_screen(*best, kernels, directions, sample));
  if (subspace_alone) {
    choice.ladder.whole = 1;
    return choice;
  }
  const Forecast* const whole =
      cheapest(forecasts, choice.considered, [](const Forecast& each) { return each.directions == 0; });
  // Queries begin in all dimensions, where bounds hold from both sides if sums do not wrap. They begin in the subspace
  // where there is one and packing rows and queries in all dimensions too takes too long. Queries that it does not suit
  // then go on in all dimensions.
  const double compared = choice.reached * static_cast<double>(row_count) *
                          costs::compared_row(kernels.of(best->arithmetic), best->directions + 1);
  const bool in_subspace = best->directions > 0 && static_cast<double>(dim * dim) > kTwice * compared;
  if (in_subspace) {
    add_from(Arithmetic::int16, UniformScreen::Packed::each_time, kernels, sample, choice.ladder);
  } else {
    add_from(whole->arithmetic, UniformScreen::Packed::kept, kernels, sample, choice.ladder);
    choice.ladder.begins_on = choice.ladder.whole;
  }
  return choice;
}

}  // namespace

Ladder fallback_ladder(const KernelTable& kernels, std::size_t dim) {
  const auto arithmetic = is_fast(kernels, Arithmetic::int16) ? Arithmetic::int16 : Arithmetic::fp32;
  return alone(whole_screen(arithmetic, kernels, {nullptr, nullptr, nullptr, 0, dim}, UniformScreen::Packed::kept));
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
  const auto alone_by_forecast = [&](Ladder ladder) -> Choice {
    const bool predicts = sample.count > 0 && row_count >= kFewRows;
    return {std::move(ladder), {}, predicts ? reached_share(kernels, sample, row_count, layout, threads) : 0.0};
  };
  const auto whole_alone = [&](Arithmetic arithmetic) {
    if (!kernels.has(arithmetic)) return alone_by_forecast(fallback_ladder(kernels, dim));
    return alone_by_forecast(alone(whole_screen(arithmetic, kernels, sample, UniformScreen::Packed::kept)));
  };
  switch (strategy) {
    case Strategy::fp32: return whole_alone(Arithmetic::fp32);
    case Strategy::int16: return whole_alone(Arithmetic::int16);
    case Strategy::int8:
      if (many) break;
      return whole_alone(Arithmetic::int8);
    case Strategy::pca:
      if (many) break;
      return choose_by_cost(kernels, sample, row_count, directions, layout, threads, true);
    default:
      if (many || few) break;
      return choose_by_cost(kernels, sample, row_count, directions, layout, threads, false);
  }
  return alone_by_forecast(fallback_ladder(kernels, dim));
}

}  // namespace latentknn
