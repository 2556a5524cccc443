// Tests of the CUDA engine's plans and kernels, one by one, on an emulated device.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "agree.h"
#include "bound.h"
#include "cuda_problem.h"
#include "emulated_device.h"
#include "numbering.h"
#include "plan.h"
#include "row_ids.h"

namespace {

using checking::check;
using namespace cuda_problem;
using namespace latentknn::cuda;

void plans_cover_all_rows() {
  for (const Arithmetic arithmetic : {Arithmetic::fp16, Arithmetic::int8}) {
    for (const std::size_t k : {1, 10, 100, 256, 512, 513, 2048}) {
      if (!int8_is_worth_it(k, 0.0f) && arithmetic == Arithmetic::int8) continue;
      for (const std::size_t tiles : {1, 2, 8, 9, 235, 3907, 48226}) {
        const PassPlan plan = plan_pass(tiles, k, arithmetic);
        std::size_t end = 0;
        bool follow = true;
        const std::size_t seen = plan.tiles_of_maxima;
        check(4 * seen <= tiles, "few tiles are screened twice");
        check(seen == 0 || seen * kTileGroups >= 2 * k, "there are maxima enough");
        for (const Stage& stage : plan.stages) {
          follow = follow && stage.begin == end && stage.end > stage.begin;
          if (stage.begin == 0 && seen == 0) {
            check(stage.end * kRowTile <= plan.list_capacity, "a first stage without cutoffs fits the lists");
          }
          end = stage.end;
        }
        check(follow && end == tiles, "stages follow each other to the last tile");
        std::vector<bool> seen_tiles(tiles);
        for (std::size_t i = 0; i < tiles; ++i) seen_tiles[i * stride_through(tiles) % tiles] = true;
        check(std::find(seen_tiles.begin(), seen_tiles.end(), false) == seen_tiles.end(), "the order has every tile");
        check(plan.list_capacity >= 4 * k, "a list holds more than is wanted");
        check(plan.ranking_capacity >= 2 * k, "a ranking holds more than is wanted");
      }
    }
  }
  const std::size_t ample = std::size_t{1} << 40;
  check(queries_wanted(5) == 5, "few queries are one batch");
  check(queries_wanted(1000000) == 16384, "batches have a largest size");
  check(queries_wanted(10000) == 5120, "there are two batches to overlap");
  const std::size_t memory = memory_for_searches(ample);
  check(2 * bytes_brought(ample) < memory && memory < ample, "searches find memory left");
}

void int8_has_to_pay() {
  check(int8_has_paid(1000000, 128, 22), "int8 pays for many rows that it tells apart");
  check(!int8_has_paid(1000000, 128, 262), "not where it leaves many candidates");
  check(!int8_has_paid(60000, 128, 2), "nor for few rows, which are soon screened");
  check(!int8_has_paid(1000000, 32, 0), "nor where rows have as many slices in either arithmetic");
}

void parts_know_their_rows() {
  Numbering numbering;
  numbering.append(10, 3);
  numbering.append(13, 2);
  numbering.append(20, 0);
  numbering.append(30, 1);
  check(numbering.size() == 6, "a part has its runs' rows");
  const std::array<std::int64_t, 6> expected{30, 10, 14, 13, 12, 11};
  const std::array<std::uint32_t, 6> rows{5, 0, 4, 3, 2, 1};
  std::array<std::int64_t, 6> positions{};
  numbering.find_positions(rows.data(), 6, positions.data());
  check(positions == expected, "rows have their positions");
  // Runs have all lengths and cross the blocks of the numbering.
  Numbering many;
  std::vector<std::int64_t> all;
  std::mt19937 random(29);
  for (std::size_t position = 3; all.size() < 9000; position += 5) {
    const std::size_t count = random() % 7 == 0 ? random() % 2500 : random() % 3;
    many.append(position, count);
    for (std::size_t i = 0; i < count; ++i) all.push_back(static_cast<std::int64_t>(position++));
  }
  std::vector<std::uint32_t> every(all.size());
  std::iota(every.begin(), every.end(), 0u);
  std::vector<std::int64_t> found(all.size());
  many.find_positions(every.data(), every.size(), found.data());
  check(found == all, "rows of many runs have their positions");
  std::vector<std::uint8_t> flags(31);
  flags[9] = flags[12] = flags[29] = flags[30] = 1;
  check(numbering.flagged(flags.data()) == std::vector<std::uint32_t>{2, 5},
        "a part knows which of its rows are meant");
}

void ids_are_stored_once_they_differ_from_positions() {
  const std::array<std::int64_t, 3> positions{2, 0, 1};
  std::array<std::int64_t, 3> found{};
  RowIds ids;
  const std::array<std::int64_t, 3> first{0, 1, 2};
  ids.append(first.data(), 2);
  ids.append(first.data() + 2, 1);
  check(ids.are_positions() && ids.size() == 3 && ids[2] == 2, "ids may be positions");
  ids.look_up(positions.data(), 3, found.data());
  check(found == positions, "ids that are positions are their own");
  const std::array<std::int64_t, 2> more{3, -9};
  ids.append(more.data(), 2);
  const std::array<std::int64_t, 3> all{4, 3, 0}, expected{-9, 3, 0};
  ids.look_up(all.data(), 3, found.data());
  check(!ids.are_positions() && ids.size() == 5 && found == expected, "one other id makes all of them be stored");
  ids.append(more.data(), 1);
  check(ids.size() == 6 && ids[5] == 3 && ids[4] == -9 && ids[1] == 1, "ids are appended to stored ones");
  ids.clear();
  check(ids.are_positions() && ids.size() == 0, "no ids are left");
  ids.append(more.data(), 1);
  check(ids[0] == 3, "the first id may differ");
}

// A search for one tile of queries, kernel by kernel.
class Kernels {
 public:
  Kernels(const Problem& problem, std::size_t k, std::size_t list_capacity, Arithmetic arithmetic, Products products)
      : rows_(problem.rows.size()),
        queries_(problem.queries.size()),
        row_norms_(problem.row_count()),
        norms_(problem.query_count()),
        scales_(problem.query_count()),
        row_roundings_(problem.row_count()),
        roundings_(problem.query_count()),
        packed_rows_(packed_bytes(problem.row_count(), kRowTile, steps_of(arithmetic, problem.dim))),
        packed_(packed_bytes(problem.query_count(), kQueryTile, steps_of(arithmetic, problem.dim))),
        numbers_(problem.row_count()),
        lists_(problem.query_count() * list_capacity) {
    const std::size_t rows = problem.row_count(), queries = problem.query_count();
    rows_.copy_from(problem.rows.data(), problem.rows.size());
    queries_.copy_from(problem.queries.data(), problem.queries.size());
    for (const DeviceBuffer<float>* single : {&largest_, &reach_}) fill_bytes(single->data(), 0, sizeof(float));
    fill_bytes(failed_.data(), 0, kQueryTile);
    fill_bytes(packed_rows_.data(), 0, packed_rows_.size());
    fill_bytes(packed_.data(), 0, packed_.size());
    spread(0, rows, stride_through(rows), numbers_.data());
    Packing packing{};
    packing.vectors = rows_.data();
    packing.count = rows;
    packing.dim = problem.dim;
    packing.numbers = numbers_.data();
    packing.tile = kRowTile;
    packing.packed = packed_rows_.data();
    packing.squared_norms = row_norms_.data();
    packing.roundings = row_roundings_.data();
    packing.largest = reach_.data();
    if (arithmetic == Arithmetic::int8) {
      // The rows are packed in float16 first, which finds the reach.
      DeviceBuffer<char> fp16(packed_bytes(rows, kRowTile, steps_of(Arithmetic::fp16, problem.dim)));
      packing.packed = fp16.data();
      pack(packing);
      packing.packed = packed_rows_.data();
      packing.largest = nullptr;
      packing.reach = reach_.data();
    }
    packing.arithmetic = arithmetic;
    pack(packing);
    take_largest(row_roundings_.data(), rows, largest_.data());
    packing = {};
    packing.vectors = queries_.data();
    packing.count = queries;
    packing.dim = problem.dim;
    packing.tile = kQueryTile;
    packing.arithmetic = arithmetic;
    packing.packed = packed_.data();
    packing.squared_norms = norms_.data();
    packing.roundings = roundings_.data();
    packing.scales = scales_.data();
    packing.failed = failed_.data();
    pack(packing);
    search.arithmetic = arithmetic;
    search.products = products;
    search.packed_rows = packed_rows_.data();
    search.packed_queries = packed_.data();
    search.steps = static_cast<std::uint32_t>(steps_of(arithmetic, problem.dim));
    search.row_count = rows;
    search.tile_count = static_cast<std::uint32_t>((rows + kRowTile - 1) / kRowTile);
    search.tile_stride = static_cast<std::uint32_t>(stride_through(search.tile_count));
    search.row_numbers = numbers_.data();
    search.rows = rows_.data();
    search.dim = problem.dim;
    search.row_norms = row_norms_.data();
    search.queries = queries_.data();
    search.query_norms = norms_.data();
    search.query_roundings = roundings_.data();
    search.query_scales = scales_.data();
    search.row_rounding = largest_.data();
    search.reach = reach_.data();
    search.query_count = queries;
    search.k = k;
    search.list_capacity = list_capacity;
    search.lists = lists_.data();
    search.counts = counts_.data();
    search.settled = settled_.data();
    search.again = again_.data();
    search.tiles_again = tiles_again_.data();
    search.any_again = any_again_.data();
    search.cutoffs = cutoffs_.data();
    search.ceilings = ceilings_.data();
    search.failed = failed_.data();
    start_pass(search);
  }

  std::vector<std::uint32_t> counts() const { return counts_.to_host(search.query_count); }
  std::vector<std::uint32_t> again() const { return again_.to_host(search.query_count); }
  std::vector<std::uint8_t> failed() const { return failed_.to_host(search.query_count); }
  std::vector<float> query_roundings() const { return roundings_.to_host(search.query_count); }
  std::vector<float> row_roundings() const { return row_roundings_.to_host(search.row_count); }

  double reach() const { return reach_.to_host(1).front(); }

  // Returns the bound of the error of a query's screened similarities.
  double error(std::size_t query) const {
    return screening_error(search.arithmetic, query_roundings()[query], largest_.to_host(1).front(),
                           search.steps * kStepBytes / bytes_of_a_value(search.arithmetic));
  }

  // Returns each query's score of a similarity of one.
  std::vector<double> scales() const {
    std::vector<double> found = scales_.to_host(search.query_count);
    const double of_rows = kMostInt8 / reach();
    for (double& scale : found) scale = search.arithmetic == Arithmetic::fp16 ? 65536.0 : scale * of_rows;
    return found;
  }
  std::vector<double> cutoffs() const {
    const std::vector<float> scores = cutoffs_.to_host(search.query_count);
    std::vector<double> found = scales();
    for (std::size_t q = 0; q < found.size(); ++q) found[q] = scores[q] / found[q];
    return found;
  }

  // Returns the screened similarities of a query's candidates, at their rows. Other rows have none.
  std::vector<double> scores(std::size_t query) const {
    const std::vector<Candidate> lists = lists_.to_host(search.query_count * search.list_capacity);
    const double scale = scales()[query];
    std::vector<double> found(search.row_count, NAN);
    for (std::size_t i = 0; i < std::min<std::size_t>(counts()[query], search.list_capacity); ++i) {
      const Candidate& candidate = lists[query * search.list_capacity + i];
      found[candidate.row] = scale > 0.0 ? candidate.score / scale : 0.0;
    }
    return found;
  }

  Search search{};

 private:
  DeviceBuffer<float> rows_, queries_;
  DeviceBuffer<double> row_norms_, norms_, scales_;
  DeviceBuffer<float> row_roundings_, roundings_, largest_{1}, reach_{1};
  DeviceBuffer<char> packed_rows_, packed_;
  DeviceBuffer<std::uint32_t> numbers_;
  DeviceBuffer<Candidate> lists_;
  DeviceBuffer<std::uint32_t> counts_{kQueryTile}, settled_{kQueryTile}, again_{kQueryTile}, tiles_again_{1},
      any_again_{1};
  DeviceBuffer<float> cutoffs_{kQueryTile}, ceilings_{kQueryTile};
  DeviceBuffer<std::uint8_t> failed_{kQueryTile};
};

std::string name_of(Arithmetic arithmetic) { return arithmetic == Arithmetic::fp16 ? "float16" : "int8"; }

// Returns the difference that packing makes to a row. A query in this direction meets the whole error.
std::vector<float> lost(const float* row, std::size_t dim, double reach, Arithmetic arithmetic) {
  double norm = 0.0;
  for (std::size_t j = 0; j < dim; ++j) norm += static_cast<double>(row[j]) * row[j];
  std::vector<float> found(dim);
  for (std::size_t j = 0; j < dim; ++j) {
    const double unit = norm > 0.0 ? row[j] / std::sqrt(norm) : 0.0;
    const double packed =
        arithmetic == Arithmetic::fp16
            ? static_cast<double>(float16_value(round_to_float16(static_cast<float>(unit * 256.0)))) / 256.0
            : std::rint(unit * 127.0 / reach) * reach / 127.0;
    found[j] = static_cast<float>((unit - packed) * 1e6);
  }
  return found;
}

// Errors of screened scores are never above the bound, and come near it for queries in the direction of a row's error.
void screened_scores_keep_their_bound(Arithmetic arithmetic, Products products) {
  double closest = 0.0;
  for (const std::size_t dim : {3, 64, 500}) {
    const std::size_t count = kRowTile;
    Problem problem{"bound", dim, vectors(count, dim, 6), vectors(kQueryTile, dim, 7), {}};
    for (std::size_t i = 0; i < 100 * dim; ++i) problem.rows[i] = std::fabs(problem.rows[i]);
    for (std::size_t i = 0; i < 50 * dim; ++i) problem.queries[i] = std::fabs(problem.queries[i]);
    // Three rows have equal components, components between two steps, and denormal ones.
    std::fill_n(&problem.rows[10 * dim], dim, 1.0f);
    for (std::size_t j = 0; j < dim; ++j) problem.rows[11 * dim + j] = static_cast<float>(j % 127) + 0.5f;
    std::fill_n(&problem.rows[12 * dim], dim, 1e-42f);
    for (std::size_t q = 60; q < 100; ++q) {
      // One-hot rows are among them: the largest component is 1.
      const std::vector<float> direction = lost(&problem.rows[q * dim], dim, 1.0, arithmetic);
      std::copy(direction.begin(), direction.end(), &problem.queries[q * dim]);
    }
    Kernels kernels(problem, 1, count, arithmetic, products);
    screen(kernels.search, 0, 1, Screening::first, 2);
    const Neighbours exact = by_core(problem, count, {});
    const std::vector<float> query_errors = kernels.query_roundings(), row_errors = kernels.row_roundings();
    bool kept = true;
    for (std::size_t q = 0; q < kQueryTile; ++q) {
      const std::vector<double> scores = kernels.scores(q);
      for (std::size_t i = q * count; i < (q + 1) * count; ++i) {
        const auto row = static_cast<std::size_t>(exact.positions[i]);
        const double off = std::fabs(scores[row] - exact.scores[i]);
        const double bound = screening_error(arithmetic, query_errors[q], row_errors[row],
                                             kernels.search.steps * kStepBytes / bytes_of_a_value(arithmetic));
        kept = kept && off <= bound;
        closest = std::max(closest, off / bound);
      }
    }
    check(kept, name_of(arithmetic) + ": the bound holds in " + std::to_string(dim) + " dimensions");
  }
  check(closest > 0.5, name_of(arithmetic) + ": the errors come near the bound, " + std::to_string(closest) + " of it");
}

// Returns a vector in int8, scaled by the reach, or by its own largest component if the reach is 0.
std::vector<long> as_int8(const float* vector, std::size_t dim, double reach) {
  double norm = 0.0, most = 0.0;
  for (std::size_t j = 0; j < dim; ++j) norm += static_cast<double>(vector[j]) * vector[j];
  const double to_unit = 1.0 / std::sqrt(norm);
  for (std::size_t j = 0; j < dim; ++j) most = std::max(most, std::fabs(vector[j] * to_unit));
  std::vector<long> values;
  for (std::size_t j = 0; j < dim; ++j) {
    values.push_back(std::lround(std::rint(vector[j] * to_unit * (127.0 / (reach > 0.0 ? reach : most)))));
  }
  return values;
}

// The products of int8 are exact sums of integers.
void int8_products_are_exact(Products products) {
  const std::size_t dim = 70, count = kRowTile;
  Problem problem{"int8", dim, {}, {}, {}};
  std::mt19937 random(51);
  for (std::size_t i = 0; i < (count + 40) * dim; ++i) {
    auto& to = i < count * dim ? problem.rows : problem.queries;
    to.push_back(static_cast<float>(static_cast<int>(random() % 255) - 127));
  }
  std::fill_n(problem.rows.begin(), dim, 127.0f);
  for (std::size_t j = 0; j < dim; ++j) problem.queries[j] = j % 2 == 0 ? 127.0f : -127.0f;
  std::fill_n(problem.queries.begin() + static_cast<std::ptrdiff_t>(dim), dim, -127.0f);
  Kernels kernels(problem, 1, count, Arithmetic::int8, products);
  screen(kernels.search, 0, 1, Screening::first, 1);
  const double reach = kernels.reach();
  bool same = true;
  for (std::size_t q = 0; q < problem.query_count(); ++q) {
    const std::vector<double> scores = kernels.scores(q);
    const double scale = kernels.scales()[q];
    const std::vector<long> query = as_int8(&problem.queries[q * dim], dim, 0.0);
    for (std::size_t row = 0; row < count; ++row) {
      const std::vector<long> packed = as_int8(&problem.rows[row * dim], dim, reach);
      const long sum = std::inner_product(query.begin(), query.end(), packed.begin(), 0L);
      same = same && std::lround(scores[row] * scale) == sum;
    }
  }
  check(same, "products of int8 are exact");
}

// The cutoffs by the maxima of groups exclude none of the k best rows, and most of the others.
void maxima_give_cutoffs(Arithmetic arithmetic, Products products) {
  const std::size_t dim = 24, k = 10, tiles = 6;
  Problem problem{"maxima", dim, vectors(tiles * kRowTile - 5, dim, 21), vectors(100, dim, 22), {}};
  Kernels kernels(problem, k, kRowTile, arithmetic, products);
  DeviceBuffer<float> maxima(problem.query_count() * tiles * kTileGroups);
  kernels.search.maxima = maxima.data();
  kernels.search.maxima_count = kernels.search.maxima_stride = tiles * kTileGroups;
  find_maxima(kernels.search, 3);
  cut_by_maxima(kernels.search);
  const std::vector<double> cutoffs = kernels.cutoffs();
  const Neighbours exact = by_core(problem, problem.row_count(), {});
  bool valid = true;
  std::size_t left = 0;
  for (std::size_t q = 0; q < problem.query_count(); ++q) {
    const double* scores = &exact.scores[q * problem.row_count()];
    // The scores of the k best rows may be too low by the error.
    valid = valid && !(cutoffs[q] + kernels.error(q) > scores[k - 1]);
    left += static_cast<std::size_t>(
        std::count_if(scores, scores + problem.row_count(), [&](double score) { return !(score < cutoffs[q]); }));
  }
  check(valid, "the cutoffs by maxima exclude none of the k best");
  // About one query in sixteen is zero: for it all rows score alike.
  check(left < problem.query_count() * problem.row_count() / 8,
        "and exclude most others, they leave " + std::to_string(left));
  bool incomplete = true;
  for (const float each : maxima.to_host(maxima.size())) incomplete = incomplete && !std::isnan(each);
  check(incomplete, "there is a maximum of every group");
}

// If there are more maxima than threads, the cutoff is found from the largest of each thread, or from all if many
// neighbours are wanted. In both cases at least k maxima reach it.
void cutoffs_of_many_maxima() {
  const std::size_t dim = 24, count = 1000, queries = 100;
  Problem problem{"many maxima", dim, vectors(kRowTile, dim, 21), vectors(queries, dim, 22), {}};
  std::mt19937 random(71);
  std::normal_distribution<float> normal(0.0f, 10000.0f);
  std::vector<float> values(queries * count);
  for (float& each : values) each = normal(random);
  for (const std::size_t k : {1, 10, 100}) {
    Kernels kernels(problem, k, kRowTile, Arithmetic::fp16, Products::by_warp);
    DeviceBuffer<float> maxima(values.size());
    maxima.copy_from(values.data(), values.size());
    kernels.search.maxima = maxima.data();
    kernels.search.maxima_count = kernels.search.maxima_stride = count;
    cut_by_maxima(kernels.search);
    const std::vector<double> cutoffs = kernels.cutoffs(), scales = kernels.scales();
    bool valid = true, near = true;
    for (std::size_t q = 0; q < queries; ++q) {
      const double cutoff = (cutoffs[q] + 2.0 * kernels.error(q)) * scales[q];
      const auto reach = static_cast<std::size_t>(
          std::count_if(&values[q * count], &values[q * count] + count, [&](float each) { return each >= cutoff; }));
      valid = valid && reach >= k;
      near = near && reach <= k + k / 4 + 2;
    }
    check(valid, "k = " + std::to_string(k) + ": no cutoff is above the k-th of the maxima");
    check(near, "k = " + std::to_string(k) + ": and none far below it");
  }
}

// A pass finds the neighbours after those of an earlier pass: known ones are neither counted nor listed.
void neighbours_behind_others(Arithmetic arithmetic, Products products) {
  const std::size_t dim = 24, k = 10, known = 20, tiles = 6;
  Problem problem{"behind others", dim, {}, {}, {}};
  std::mt19937 random(25);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < tiles * kRowTile * dim; ++i) problem.rows.push_back(normal(random));
  for (std::size_t i = 0; i < 60 * dim; ++i) problem.queries.push_back(normal(random));
  const std::size_t rows = problem.row_count(), queries = problem.query_count();
  const Neighbours exact = by_core(problem, rows, {});
  Kernels kernels(problem, k, rows, arithmetic, products);
  Search& search = kernels.search;
  std::vector<double> last(2 * queries);
  for (std::size_t q = 0; q < queries; ++q) last[2 * q] = exact.scores[q * rows + known - 1];
  DeviceBuffer<double> answers(2 * queries);
  answers.copy_from(last.data(), last.size());
  DeviceBuffer<float> maxima(queries * tiles * kTileGroups);
  search.goes_on = true;
  search.scores = answers.data() + 1;
  search.answer_stride = 2;
  search.maxima = maxima.data();
  search.maxima_count = search.maxima_stride = tiles * kTileGroups;
  start_pass(search);
  find_maxima(search, 3);
  cut_by_maxima(search);
  screen(search, 0, tiles, Screening::first, 3);
  ++search.round;
  tighten(search, Screening::first, true, 2);
  bool listed = true, dropped = true;
  std::size_t left = 0;
  for (std::size_t q = 0; q < queries; ++q) {
    const std::vector<double> scores = kernels.scores(q);
    const double ceiling = last[2 * q] + 2.0 * kernels.error(q) + 1e-5;
    for (std::size_t i = 0; i < known + k; ++i) {
      const bool is_there = !std::isnan(scores[static_cast<std::size_t>(exact.positions[q * rows + i])]);
      if (i >= known) listed = listed && is_there;
      if (exact.scores[q * rows + i] > ceiling) dropped = dropped && !is_there;
    }
    for (const double score : scores) left += !std::isnan(score);
  }
  check(listed, name_of(arithmetic) + ": the neighbours behind the known ones are listed");
  check(dropped, name_of(arithmetic) + ": what is known is not");
  check(left < queries * rows / 8, name_of(arithmetic) + ": and few others are, " + std::to_string(left));
}

// A query whose list overflows repeats the stage above the cutoff of its list, and keeps its candidates from before.
void lists_that_overflow(Arithmetic arithmetic, Products products) {
  const std::size_t dim = 40, k = 5, tiles = 8, capacity = 512;
  Problem problem{"overflow", dim, {}, {}, {}};
  std::mt19937 random(23);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < tiles * kRowTile * dim; ++i) problem.rows.push_back(normal(random));
  for (std::size_t i = 0; i < 70 * dim; ++i) problem.queries.push_back(normal(random));
  // All rows score alike for the last query, so that a repeat does not help it.
  for (std::size_t i = 0; i < dim; ++i) problem.queries.push_back(0.0f);
  const std::size_t queries = problem.query_count();
  Kernels kernels(problem, k, capacity, arithmetic, products);
  Search& search = kernels.search;

  screen(search, 0, 1, Screening::first, 2);
  ++search.round;
  tighten(search, Screening::first, false, 2);
  const std::vector<std::uint32_t> before = kernels.counts();
  check(*std::max_element(before.begin(), before.end() - 1) < kRowTile, "a list that does not overflow is tightened");
  // The cutoffs are reset, so that they exclude nothing.
  const std::vector<float> none(queries, -INFINITY);
  copy_to_device(search.cutoffs, none.data(), queries * sizeof(float));
  screen(search, 1, tiles, Screening::first, 3);
  ++search.round;
  tighten(search, Screening::first, false, 2);
  std::vector<std::uint32_t> again = kernels.again();
  std::vector<std::uint8_t> failed = kernels.failed();
  check(std::count(again.begin(), again.end() - 1, search.round) == static_cast<std::ptrdiff_t>(queries - 1),
        "queries whose lists overflowed are to repeat the stage");
  check(failed.back() == kGivenUp &&
            std::count(failed.begin(), failed.end(), 0) == static_cast<std::ptrdiff_t>(queries - 1),
        "only the query that a repeat does not help is given up");
  screen(search, 1, tiles, Screening::again, 3);
  ++search.round;
  tighten(search, Screening::again, true, 2);
  failed = kernels.failed();
  const Neighbours exact = by_core(problem, k, {});
  bool found = true;
  for (std::size_t q = 0; q + 1 < queries; ++q) {
    const std::vector<double> scores = kernels.scores(q);
    for (std::size_t i = 0; i < k; ++i) {
      found = found && !std::isnan(scores[static_cast<std::size_t>(exact.positions[q * k + i])]);
    }
    std::size_t candidates = 0;
    for (const double score : scores) candidates += !std::isnan(score);
    found = found && failed[q] == 0 && candidates == kernels.counts()[q];
  }
  check(found, "repeated stages find the k best, and each row once");
  check(kernels.again().front() == search.round - 1, "the last repeat asks for no other");
}

// In int8, a list raises the cutoff to one error below the least similarity of k rows; by scores alone it would be two.
void cutoffs_by_similarities(Products products) {
  const std::size_t dim = 128, tiles = 4;
  Problem problem{"similarities", dim, {}, {}, {}};
  std::mt19937 random(29);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < tiles * kRowTile * dim; ++i) problem.rows.push_back(normal(random));
  for (std::size_t i = 0; i < 50 * dim; ++i) problem.queries.push_back(normal(random));
  const std::size_t queries = problem.query_count();
  for (const std::size_t k : {1, 10, 42}) {
    const Neighbours exact = by_core(problem, k, {});
    Kernels kernels(problem, k, problem.row_count(), Arithmetic::int8, products);
    screen(kernels.search, 0, tiles, Screening::first, 3);
    ++kernels.search.round;
    tighten(kernels.search, Screening::first, true, 2);
    const std::vector<double> cutoffs = kernels.cutoffs();
    bool valid = true;
    double below = 0.0;
    for (std::size_t q = 0; q < queries; ++q) {
      const double errors = (exact.scores[q * k + k - 1] - cutoffs[q]) / kernels.error(q);
      valid = valid && errors >= 1.0 - 1e-6;
      below += errors / static_cast<double>(queries);
    }
    const std::string about = "k = " + std::to_string(k) + ", " + std::to_string(below) + " errors below the k-th";
    check(valid, about + ": every row that is as similar as the k-th reaches the cutoff");
    check(below < 1.5, about + ": the cutoff has one error, not two");
  }
}

void warpgroups_multiply_as_warps_do() {
  check(warpgroups_agree(), "warpgroups give the scores and maxima of warps");
  Device device = devices().front();
  check(products_of(device, 0) == Products::by_warpgroup, "devices of capability 9.0 multiply by warpgroups");
  device.major = 10;
  check(products_of(device, 0) == Products::by_warp, "others by warps");
}

}  // namespace

int main() {
  plans_cover_all_rows();
  int8_has_to_pay();
  parts_know_their_rows();
  ids_are_stored_once_they_differ_from_positions();
  for (const Products products : {Products::by_warp, Products::by_warpgroup}) {
    for (const Arithmetic arithmetic : {Arithmetic::fp16, Arithmetic::int8}) {
      screened_scores_keep_their_bound(arithmetic, products);
      maxima_give_cutoffs(arithmetic, products);
      neighbours_behind_others(arithmetic, products);
      lists_that_overflow(arithmetic, products);
    }
    int8_products_are_exact(products);
  }
  cutoffs_of_many_maxima();
  for (const Products products : {Products::by_warp, Products::by_warpgroup}) cutoffs_by_similarities(products);
  warpgroups_multiply_as_warps_do();
  return checking::summary();
}
