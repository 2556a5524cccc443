#include "choice/forecast.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <utility>

#include "choice/costs.h"
#include "linear/matrix_product.h"
#include "linear/unit_scales.h"
#include "platform/thread_pool.h"
#include "screening/turned_coordinates.h"
#include "screening/uniform_screen.h"

namespace latentknn {
namespace {

constexpr std::size_t kSampleQueries = 48;
// Each is one less than a multiple of the dimensions that kernels multiply at once: the length outside is one more.
constexpr std::size_t kDirectionCounts[] = {11, 15, 19, 23,  27,  31,  39,  47,  55,
                                            63, 79, 95, 111, 127, 159, 191, 223, 255};

}  // namespace

CandidateForecast::CandidateForecast(const KernelTable& kernels, const PrincipalScreen* principal, const Rows& sample,
                                     std::size_t row_count, std::size_t threads)
    : kernels_(kernels),
      dim_(sample.dim),
      count_(sample.count),
      each_(static_cast<double>(row_count) / static_cast<double>(sample.count)) {
  const std::vector<double> scales = unit_scales(sample.squared_norms, count_, 1.0);
  if (principal != nullptr) project(*principal, sample, threads);
  std::vector<float> mean(dim_, 0.0f);
  for (std::size_t row = 0; row < count_; ++row) {
    ThreadPool::check_interrupt();
    const auto weight = static_cast<float>(scales[row] / static_cast<double>(count_));
    for (std::size_t j = 0; j < dim_; ++j) mean[j] += sample.values[row * dim_ + j] * weight;
  }
  const std::size_t step = std::max<std::size_t>(1, count_ / kSampleQueries);
  for (std::size_t row = step / 2; row < count_; row += step) queries_.push_back(static_cast<std::uint32_t>(row));
  GatheredRows gathered(sample, queries_.data(), queries_.size());
  std::vector<double> query_scales = unit_scales(gathered.squared_norms.data(), queries_.size(), 1.0);
  std::vector<float> queries = std::move(gathered.values);
  // The centre is multiplied as one more query.
  queries.insert(queries.end(), mean.begin(), mean.end());
  query_scales.push_back(1.0);
  using Side = PackedVectors::Side;
  const PackedVectors left(kernels, Side::queries, queries.data(), query_scales.size(), dim_, query_scales.data());
  const PackedVectors right(kernels, Side::rows, sample.values, count_, dim_, scales.data());
  multiply(kernels, left, right, dim_, products_);
  stride_ = right.padded_count();

  const float* along = products_.data() + queries_.size() * stride_;
  double centre_squared = 0.0;
  for (const float x : mean) centre_squared += static_cast<double>(x) * static_cast<double>(x);
  spread_ = std::sqrt(std::max(1.0 - centre_squared, 1e-12));
  const double least_along = static_cast<double>(*std::min_element(along, along + count_));
  double lowest = 0.0;
  const auto rank = static_cast<std::size_t>(std::clamp(kNeighbours / each_ + 0.5, 1.0, static_cast<double>(count_)));
  std::vector<float> sorted;
  for (std::size_t i = 0; i < queries_.size(); ++i) {
    float* line = products_.data() + i * stride_;
    lowest = std::min(lowest, static_cast<double>(*std::min_element(line, line + count_) - along[queries_[i]]));
    line[queries_[i]] = -2.0f;  // a query is not its own neighbour
    sorted.assign(line, line + count_);
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank - 1), sorted.end(),
                     std::greater<>());
    thresholds_.push_back(sorted[rank - 1]);
  }
  range_ = 1.0 - least_along - lowest;
}

void CandidateForecast::project(const PrincipalScreen& principal, const Rows& sample, std::size_t threads) {
  width_ = principal.packed_dim();
  by_dimension_.resize(width_ * count_);
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * kRowsAtOnce, some = std::min(kRowsAtOnce, count_ - begin);
    const std::vector<float> projected =
        principal.project(sample.values + begin * dim_, sample.squared_norms + begin, some);
    for (std::size_t j = 0; j < width_; ++j) {
      float* line = by_dimension_.data() + j * count_ + begin;
      for (std::size_t i = 0; i < some; ++i) line[i] = projected[i * width_ + j];
    }
  };
  ThreadPool::shared().run((count_ + kRowsAtOnce - 1) / kRowsAtOnce, threads, task, nullptr);
}

// Predicts the error that Int8Screen's steps give for normally distributed components.
double CandidateForecast::int8_error(std::size_t width, double slack) const {
  const double n = static_cast<double>(width);
  const double component = spread_ / std::sqrt(n);
  double query_step = 3.7 * component / static_cast<double>(kernels_.of(Arithmetic::int8).query_largest);
  double row_step = 4.3 * component / 127.0;
  const double grow = range_ / 65000.0 / (query_step * row_step);
  if (kernels_.of(Arithmetic::int8).wraps && grow > 1.0) {
    query_step *= std::sqrt(grow);
    row_step *= std::sqrt(grow);
  }
  return std::sqrt(n / 12.0) * spread_ * (query_step + row_step) + slack;
}

double CandidateForecast::share(std::size_t count) const {
  return each_ * static_cast<double>(count) / static_cast<double>(queries_.size());
}

// Counts the rows of the sample whose similarity lies within the error of the query's last neighbour.
std::size_t CandidateForecast::left_in_all_dimensions(std::size_t query, double error) const {
  const float* line = products_.data() + query * stride_;
  const float least = thresholds_[query] - static_cast<float>(error);
  return static_cast<std::size_t>(std::count_if(line, line + count_, [=](float x) { return x >= least; }));
}

Forecast CandidateForecast::in_all_dimensions(Arithmetic arithmetic, double error) const {
  std::size_t left = 0;
  for (std::size_t i = 0; i < queries_.size(); ++i) left += left_in_all_dimensions(i, error);
  return {0, arithmetic, share(left)};
}

std::vector<Forecast> CandidateForecast::forecasts() const {
  std::vector<Forecast> forecasts = {
      in_all_dimensions(Arithmetic::int8, int8_error(dim_, TurnedCoordinates::slack_of(dim_))),
      in_all_dimensions(Arithmetic::int16, UniformScreen::int16_error(dim_)),
      in_all_dimensions(Arithmetic::fp32, UniformScreen::fp32_error(dim_)),
  };
  if (width_ > 0) add_directions(forecasts);
  std::erase_if(forecasts, [this](const Forecast& forecast) { return !kernels_.has(forecast.arithmetic); });
  return forecasts;
}

// Returns, for each of the ascending counts, the length of every row outside of so many directions.
std::vector<std::vector<float>> CandidateForecast::tails_beyond(const std::vector<std::size_t>& counts) const {
  std::vector<std::vector<float>> tails(counts.size());
  std::vector<float> squares(count_, 0.0f);
  std::size_t from = width_;
  for (std::size_t at = counts.size(); at-- > 0;) {
    ThreadPool::check_interrupt();
    while (from > counts[at]) {
      const float* line = by_dimension_.data() + --from * count_;
      for (std::size_t row = 0; row < count_; ++row) squares[row] += line[row] * line[row];
    }
    for (const float x : squares) tails[at].push_back(std::sqrt(x));
  }
  return tails;
}

// Returns how many rows of the sample each query may be counted with in a subspace. A search moves a query to a screen
// in all dimensions where its subspace leaves more, so that the query costs no more than that screen and what it
// leaves. Without this bound a single query of the sample that has no near neighbour there would decide.
std::vector<std::size_t> CandidateForecast::most_in_subspace() const {
  const double candidate = costs::left_row(dim_) + costs::scored_row(dim_);
  const double compared = costs::compared_row(kernels_.of(Arithmetic::fp32), dim_);
  const auto screening = static_cast<std::size_t>(std::ceil(static_cast<double>(count_) * compared / candidate));
  std::vector<std::size_t> most(queries_.size());
  for (std::size_t i = 0; i < most.size(); ++i) {
    most[i] = screening + left_in_all_dimensions(i, UniformScreen::fp32_error(dim_));
  }
  return most;
}

void CandidateForecast::add_directions(std::vector<Forecast>& forecasts) const {
  const std::size_t most = width_ - 1;
  const std::vector<std::size_t> most_left = most_in_subspace();
  // The products of every query in the directions so far: one pass over the directions serves all counts.
  std::vector<float> products(queries_.size() * count_, 0.0f);
  std::vector<std::size_t> counts;
  std::copy_if(std::begin(kDirectionCounts), std::end(kDirectionCounts), std::back_inserter(counts),
               [&](std::size_t directions) { return directions < std::min(most, dim_); });
  if (most < dim_) counts.push_back(most);
  const std::vector<std::vector<float>> all_tails = tails_beyond(counts);
  std::size_t done = 0;
  for (std::size_t at = 0; at < counts.size(); ++at) {
    const std::size_t directions = counts[at];
    const std::vector<float>& tails = all_tails[at];
    const double slack = TurnedCoordinates::slack_of_subspace(dim_, directions + 1);
    const auto error = static_cast<float>(int8_error(directions + 1, slack));
    std::size_t left = 0, left_int8 = 0;
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      ThreadPool::check_interrupt();
      const std::size_t query = queries_[i];
      float* line = products.data() + i * count_;
      for (std::size_t j = done; j < directions; ++j) {
        const float a = by_dimension_[j * count_ + query];
        const float* b = by_dimension_.data() + j * count_;
        for (std::size_t row = 0; row < count_; ++row) line[row] += a * b[row];
      }
      std::size_t of_query = 0, of_query_int8 = 0;
      for (std::size_t row = 0; row < count_; ++row) {
        const float bound = line[row] + tails[query] * tails[row];
        of_query += bound >= thresholds_[i] ? 1 : 0;
        of_query_int8 += bound + error >= thresholds_[i] ? 1 : 0;
      }
      left += std::min(of_query, most_left[i]);
      left_int8 += std::min(of_query_int8, most_left[i]);
    }
    done = directions;
    forecasts.push_back({directions, Arithmetic::int16, share(left)});
    forecasts.push_back({directions, Arithmetic::int8, share(left_int8)});
  }
}

}  // namespace latentknn
