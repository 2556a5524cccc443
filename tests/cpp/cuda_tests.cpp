// The CUDA engine without a device: its plans and its kernels, on an emulated device, against the core byte for byte.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bound.h"
#include "checking.h"
#include "database.h"
#include "emulated_device.h"
#include "helpers.h"
#include "plan.h"
#include "sharded_rows.h"

namespace {

using checking::check;
using namespace latentknn::cuda;

constexpr std::size_t kAmple = std::size_t{8} << 30;

struct Answers {
  std::vector<double> scores;
  std::vector<std::int64_t> positions;
};

struct Problem {
  std::string name;
  std::size_t dim;
  std::vector<float> rows;
  std::vector<float> queries;
  std::vector<std::int64_t> ids;

  std::size_t row_count() const { return rows.size() / dim; }
  std::size_t query_count() const { return queries.size() / dim; }
};

// Rows of mixed kinds: ordinary, tiny and huge, zero, sparse, equal and nearly equal to others.
std::vector<float> vectors(std::size_t count, std::size_t dim, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> found(count * dim);
  for (std::size_t i = 0; i < count; ++i) {
    float* vector = found.data() + i * dim;
    const unsigned kind = random() % 16;
    if (kind == 1 && i > 0) {
      std::copy_n(vector - dim, dim, vector);
      continue;
    }
    const float scale = kind == 2 ? 1e-30f : kind == 3 ? 1e30f : 1.0f;
    for (std::size_t j = 0; j < dim; ++j) vector[j] = kind == 4 ? 0.0f : scale * normal(random);
    if (kind == 5) std::fill(vector + 1, vector + dim, 0.0f);
    if (kind == 6) std::fill(vector + dim / 2, vector + dim, 1e-7f);
  }
  return found;
}

Answers by_core(const Problem& problem, std::size_t k, const std::vector<std::uint8_t>& allowed) {
  latentknn::Database database(problem.dim, latentknn::Strategy::float64);
  const std::int64_t* ids = problem.ids.empty() ? nullptr : problem.ids.data();
  database.add({problem.rows.data(), latentknn::ElementType::float32, problem.row_count(), problem.dim}, ids, 1,
               nullptr);
  const std::size_t count = problem.query_count();
  Answers found{std::vector<double>(count * k), std::vector<std::int64_t>(count * k)};
  std::vector<float> similarities(count * k);
  std::vector<std::int64_t> names(count * k);
  latentknn::SearchRequest request{};
  request.queries = {problem.queries.data(), latentknn::ElementType::float32, count, problem.dim};
  request.k = k;
  request.similarities = similarities.data();
  request.positions = found.positions.data();
  request.ids = names.data();
  request.scores64 = found.scores.data();
  if (!allowed.empty()) {
    request.allowed = allowed.data();
    request.allowed_count = allowed.size();
  }
  database.search(request);
  return found;
}

// Compares what the devices find with the core, but for what they say that they have not found. Returns how much that
// is.
std::size_t compare(ShardedRows& rows, const Problem& problem, std::size_t k,
                    const std::vector<std::uint8_t>& allowed = {}) {
  const Answers expected = by_core(problem, k, allowed);
  const std::size_t count = problem.query_count();
  Answers found{std::vector<double>(count * k), std::vector<std::int64_t>(count * k)};
  ShardedRequest request{};
  request.queries = problem.queries.data();
  request.count = count;
  request.k = k;
  request.allowed = allowed.empty() ? nullptr : allowed.data();
  request.allowed_count = allowed.size();
  request.scores = found.scores.data();
  request.positions = found.positions.data();
  const std::vector<std::size_t> failed = rows.search(request);
  bool same = true;
  for (std::size_t q = 0; q < count; ++q) {
    if (std::binary_search(failed.begin(), failed.end(), q)) continue;
    same = same && std::memcmp(&found.scores[q * k], &expected.scores[q * k], k * sizeof(double)) == 0 &&
           std::equal(&found.positions[q * k], &found.positions[q * k] + k, &expected.positions[q * k]);
  }
  check(same, problem.name + ", k = " + std::to_string(k) + (allowed.empty() ? "" : ", some allowed") +
                  ": the core's answers");
  return failed.size();
}

void add(ShardedRows& rows, const Problem& problem, std::size_t begin, std::size_t end) {
  std::vector<std::int64_t> ids(end - begin);
  std::iota(ids.begin(), ids.end(), static_cast<std::int64_t>(begin));
  if (!problem.ids.empty()) std::copy_n(&problem.ids[begin], ids.size(), ids.begin());
  rows.add(&problem.rows[begin * problem.dim], ids.data(), ids.size());
}

void add_all(ShardedRows& rows, const Problem& problem) {
  add(rows, problem, 0, problem.row_count() / 3);
  add(rows, problem, problem.row_count() / 3, problem.row_count());
}

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

void answers_are_those_of_the_core() {
  for (const std::size_t dim : {1, 7, 50, 200, 2000}) {
    const std::size_t count = dim < 2000 ? 2700 : 250, queries = dim < 2000 ? 140 : 30;
    Problem problem{"d = " + std::to_string(dim), dim, vectors(count, dim, 1), vectors(queries, dim, 2), {}};
    std::copy_n(problem.rows.begin(), 20 * dim, problem.queries.begin());
    ShardedRows rows(dim, {0});
    add_all(rows, problem);
    for (const std::size_t k : {1, 100}) {
      const std::size_t failed = compare(rows, problem, k);
      // Nothing tells the rows of a zero query apart.
      if (dim >= 50) check(failed < 20, problem.name + ": most queries are answered, not " + std::to_string(failed));
    }
    std::vector<std::uint8_t> allowed(problem.row_count());
    for (std::size_t i = 0; i < allowed.size(); ++i) allowed[i] = i % 3 == 0;
    check(dim < 50 || compare(rows, problem, 10, allowed) < 20, problem.name + ": so are those among some rows");
  }
}

void ids_decide_between_equal_rows() {
  const std::size_t dim = 40;
  Problem problem{"ids", dim, vectors(600, dim, 3), {}, {}};
  for (std::size_t i = 0; i < 600; ++i) problem.ids.push_back(static_cast<std::int64_t>(i * 7919 % 600) - 300);
  for (std::size_t i = 1; i < 600; i += 2) std::copy_n(&problem.rows[(i - 1) * dim], dim, &problem.rows[i * dim]);
  problem.queries.assign(problem.rows.begin(), problem.rows.begin() + 50 * static_cast<std::ptrdiff_t>(dim));
  ShardedRows rows(dim, {0});
  add_all(rows, problem);
  check(compare(rows, problem, 7) < 10, "queries among pairs of equal rows are answered");
}

void more_neighbours_than_a_pass_finds() {
  const std::size_t dim = 24, k = 2 * kMostNeighbours + 500;
  Problem problem{"several passes", dim, {}, {}, {}};
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < 9000; ++i) {
    for (std::size_t j = 0; j < dim; ++j) {
      problem.rows.push_back(i % 3 == 0 ? normal(random) : problem.rows[(i - i % 3) * dim + j]);
    }
    problem.ids.push_back(static_cast<std::int64_t>(i * 4999 % 9000));
  }
  problem.queries.assign(problem.rows.begin(), problem.rows.begin() + 3 * static_cast<std::ptrdiff_t>(dim));
  ShardedRows rows(dim, {0});
  add_all(rows, problem);
  check(compare(rows, problem, k) == 0, "all queries are answered in several passes");
  check(compare(rows, problem, kMostNeighbours) == 0, "all queries are answered in one full pass");
}

// Rows that float16 can hardly tell apart: the answers stay exact, or are said to be missing.
void rows_that_lie_together() {
  const std::size_t dim = 64;
  for (const float spread : {0.5f, 1e-2f, 1e-6f}) {
    Problem problem{"spread " + std::to_string(spread), dim, {}, {}, {}};
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < 3000 * dim; ++i) problem.rows.push_back(1.0f + spread * normal(random));
    problem.queries.assign(problem.rows.begin(), problem.rows.begin() + 40 * static_cast<std::ptrdiff_t>(dim));
    ShardedRows rows(dim, {0});
    add_all(rows, problem);
    const std::size_t failed = compare(rows, problem, 10);
    check(spread < 0.1f ? failed > 0 : failed == 0, problem.name + ": " + std::to_string(failed) + " not answered");
  }
}

// A search of one tile of queries among rows, kernel by kernel.
class Kernels {
 public:
  Kernels(const Problem& problem, std::size_t k, std::size_t list_capacity, Arithmetic arithmetic)
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
    for (const DeviceArray<float>* single : {&largest_, &reach_}) fill_bytes(single->data(), 0, sizeof(float));
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
      // Once for the reach, in memory that float16 would fill.
      DeviceArray<char> fp16(packed_bytes(rows, kRowTile, steps_of(Arithmetic::fp16, problem.dim)));
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
    search.packed_rows = packed_rows_.data();
    search.packed_queries = packed_.data();
    search.steps = static_cast<std::uint32_t>(steps_of(arithmetic, problem.dim));
    search.row_count = rows;
    search.tile_count = static_cast<std::uint32_t>((rows + kRowTile - 1) / kRowTile);
    search.tile_stride = static_cast<std::uint32_t>(stride_through(search.tile_count));
    search.row_numbers = numbers_.data();
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

  // By how much a screened similarity of a query can be off.
  double error(std::size_t query) const {
    return screening_error(search.arithmetic, query_roundings()[query], largest_.to_host(1).front(),
                           search.steps * kStepBytes / bytes_of_a_value(search.arithmetic));
  }

  // The score of a similarity of one.
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

  // The screened similarity of each of a query's candidates, by rows; what is no candidate has none.
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
  DeviceArray<float> rows_, queries_;
  DeviceArray<double> row_norms_, norms_, scales_;
  DeviceArray<float> row_roundings_, roundings_, largest_{1}, reach_{1};
  DeviceArray<char> packed_rows_, packed_;
  DeviceArray<std::uint32_t> numbers_;
  DeviceArray<Candidate> lists_;
  DeviceArray<std::uint32_t> counts_{kQueryTile}, settled_{kQueryTile}, again_{kQueryTile}, tiles_again_{1},
      any_again_{1};
  DeviceArray<float> cutoffs_{kQueryTile}, ceilings_{kQueryTile};
  DeviceArray<std::uint8_t> failed_{kQueryTile};
};

std::string name_of(Arithmetic arithmetic) { return arithmetic == Arithmetic::fp16 ? "float16" : "int8"; }

// What is lost of a row when it is packed, as a vector of its own: a query in this direction sees all of it.
std::vector<float> lost(const float* row, std::size_t dim, double reach, Arithmetic arithmetic) {
  double norm = 0.0;
  for (std::size_t j = 0; j < dim; ++j) norm += static_cast<double>(row[j]) * row[j];
  std::vector<float> found(dim);
  for (std::size_t j = 0; j < dim; ++j) {
    const double unit = norm > 0.0 ? row[j] / std::sqrt(norm) : 0.0;
    const double packed = arithmetic == Arithmetic::fp16
                              ? static_cast<double>(half_value(round_to_half(static_cast<float>(unit * 256.0)))) / 256.0
                              : std::rint(unit * 127.0 / reach) * reach / 127.0;
    found[j] = static_cast<float>((unit - packed) * 1e6);
  }
  return found;
}

// What a screened score may be off by is never exceeded, and nearly reached by queries that see what the rows have
// lost.
void screened_scores_keep_their_bound(Arithmetic arithmetic) {
  double closest = 0.0;
  for (const std::size_t dim : {3, 64, 500}) {
    const std::size_t count = kRowTile;
    Problem problem{"bound", dim, vectors(count, dim, 6), vectors(kQueryTile, dim, 7), {}};
    for (std::size_t i = 0; i < 100 * dim; ++i) problem.rows[i] = std::fabs(problem.rows[i]);
    for (std::size_t i = 0; i < 50 * dim; ++i) problem.queries[i] = std::fabs(problem.queries[i]);
    // All alike, between two steps, denormal.
    std::fill_n(&problem.rows[10 * dim], dim, 1.0f);
    for (std::size_t j = 0; j < dim; ++j) problem.rows[11 * dim + j] = static_cast<float>(j % 127) + 0.5f;
    std::fill_n(&problem.rows[12 * dim], dim, 1e-42f);
    for (std::size_t q = 60; q < 100; ++q) {
      // One-hot rows are among them: the largest component is 1.
      const std::vector<float> direction = lost(&problem.rows[q * dim], dim, 1.0, arithmetic);
      std::copy(direction.begin(), direction.end(), &problem.queries[q * dim]);
    }
    Kernels kernels(problem, 1, count, arithmetic);
    screen(kernels.search, 0, 1, Screening::first, 2);
    const Answers exact = by_core(problem, count, {});
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

// A vector in int8; with no reach, by its own.
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

// The products of int8 are sums of integers, to the last one.
void int8_products_are_exact() {
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
  Kernels kernels(problem, 1, count, Arithmetic::int8);
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

// The cutoffs that follow from the maxima of groups exclude none of the k best, and most of the others.
void maxima_give_cutoffs(Arithmetic arithmetic) {
  const std::size_t dim = 24, k = 10, tiles = 6;
  Problem problem{"maxima", dim, vectors(tiles * kRowTile - 5, dim, 21), vectors(100, dim, 22), {}};
  Kernels kernels(problem, k, kRowTile, arithmetic);
  DeviceArray<float> maxima(problem.query_count() * tiles * kTileGroups);
  kernels.search.maxima = maxima.data();
  kernels.search.maxima_count = kernels.search.maxima_stride = tiles * kTileGroups;
  find_maxima(kernels.search, 3);
  cut_by_maxima(kernels.search);
  const std::vector<double> cutoffs = kernels.cutoffs();
  const Answers exact = by_core(problem, problem.row_count(), {});
  bool valid = true;
  std::size_t left = 0;
  for (std::size_t q = 0; q < problem.query_count(); ++q) {
    const double* scores = &exact.scores[q * problem.row_count()];
    // A row may score as much more than its similarity as the k best score less.
    valid = valid && !(cutoffs[q] + kernels.error(q) > scores[k - 1]);
    left += static_cast<std::size_t>(
        std::count_if(scores, scores + problem.row_count(), [&](double score) { return !(score < cutoffs[q]); }));
  }
  check(valid, "the cutoffs by maxima exclude none of the k best");
  // All rows are equally far from a query of zeros, one in sixteen.
  check(left < problem.query_count() * problem.row_count() / 8,
        "and exclude most others, they leave " + std::to_string(left));
  bool incomplete = true;
  for (const float each : maxima.to_host(maxima.size())) incomplete = incomplete && !std::isnan(each);
  check(incomplete, "there is a maximum of every group");
}

// The neighbours behind those that an earlier pass has found: what is known is neither counted nor listed.
void neighbours_behind_others(Arithmetic arithmetic) {
  const std::size_t dim = 24, k = 10, known = 20, tiles = 6;
  Problem problem{"behind others", dim, {}, {}, {}};
  std::mt19937 random(25);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < tiles * kRowTile * dim; ++i) problem.rows.push_back(normal(random));
  for (std::size_t i = 0; i < 60 * dim; ++i) problem.queries.push_back(normal(random));
  const std::size_t rows = problem.row_count(), queries = problem.query_count();
  const Answers exact = by_core(problem, rows, {});
  Kernels kernels(problem, k, rows, arithmetic);
  Search& search = kernels.search;
  std::vector<double> last(2 * queries);
  for (std::size_t q = 0; q < queries; ++q) last[2 * q] = exact.scores[q * rows + known - 1];
  DeviceArray<double> answers(2 * queries);
  answers.copy_from(last.data(), last.size());
  DeviceArray<float> maxima(queries * tiles * kTileGroups);
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

// A query whose list overflows repeats the stage above the cutoff that its list gives, and keeps what it had before.
void lists_that_overflow(Arithmetic arithmetic) {
  const std::size_t dim = 40, k = 5, tiles = 8, capacity = 512;
  Problem problem{"overflow", dim, {}, {}, {}};
  std::mt19937 random(23);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < tiles * kRowTile * dim; ++i) problem.rows.push_back(normal(random));
  for (std::size_t i = 0; i < 70 * dim; ++i) problem.queries.push_back(normal(random));
  // Queries that nothing tells from most rows: of no use is a repeat to them.
  for (std::size_t i = 0; i < dim; ++i) problem.queries.push_back(0.0f);
  const std::size_t queries = problem.query_count();
  Kernels kernels(problem, k, capacity, arithmetic);
  Search& search = kernels.search;

  screen(search, 0, 1, Screening::first, 2);
  ++search.round;
  tighten(search, Screening::first, false, 2);
  const std::vector<std::uint32_t> before = kernels.counts();
  check(*std::max_element(before.begin(), before.end() - 1) < kRowTile, "a list that does not overflow is tightened");
  // As if nothing had been found so far: the cutoffs exclude nothing.
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
  const Answers exact = by_core(problem, k, {});
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

// In consecutive classes, far apart: the first rows know nothing of most queries' neighbours.
void rows_sorted_by_class() {
  const std::size_t dim = 32;
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  struct Case {
    std::string name;
    std::vector<std::size_t> classes;  // one run of rows after the other
    bool at_once;
  };
  // In the last two the first tiles of the order are of class 0 alone: to a query of class 1 the next ones bring more
  // rows than its list holds.
  const std::vector<std::size_t> hidden{0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  for (const auto& [name, classes, at_once] :
       {Case{"ten classes", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, true},
        Case{"eight large classes", {0, 1, 2, 3, 4, 5, 6, 7}, true},
        Case{"ten classes, added one by one", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, false},
        Case{"a class that hides", hidden, false}}) {
    const std::size_t each = classes.size() == 8 ? 7500 : 1200;
    Problem problem{name, dim, {}, {}, {}};
    std::vector<float> centres(classes.size() * dim);
    for (float& value : centres) value = normal(random);
    const auto append = [&](std::vector<float>& to, std::size_t of) {
      for (std::size_t j = 0; j < dim; ++j) to.push_back(centres[of * dim + j] + 0.5f * normal(random));
    };
    for (const std::size_t of : classes) {
      for (std::size_t i = 0; i < each; ++i) append(problem.rows, of);
    }
    for (std::size_t i = 0; i < 60; ++i) append(problem.queries, classes[i % classes.size()]);
    ShardedRows rows(dim, {0});
    const std::size_t step = at_once ? problem.row_count() : each;
    for (std::size_t end = step; end <= problem.row_count(); end += step) add(rows, problem, end - step, end);
    const std::size_t failed = compare(rows, problem, 10);
    check(failed == 0, name + ": rows that are sorted are told apart, " + std::to_string(failed) + " are not");
  }
}

// Rows and queries that fill their tiles, or nearly, or a little more.
void tiles_at_their_boundaries() {
  const std::size_t dim = 33;
  for (const std::size_t rows : {1, 255, 256, 257, 1023, 1024, 1025}) {
    for (const std::size_t queries : {1, 127, 128, 129}) {
      if (rows > 257 && queries == 127) continue;
      Problem problem{std::to_string(rows) + " x " + std::to_string(queries),
                      dim,
                      vectors(rows, dim, 31),
                      vectors(queries, dim, 32),
                      {}};
      ShardedRows held(dim, {0});
      add(held, problem, 0, rows);
      const std::size_t failed = compare(held, problem, std::min<std::size_t>(rows, 3));
      check(failed <= queries / 6 + 1, problem.name + ": " + std::to_string(failed) + " queries are given up");
    }
  }
}

// int8 answers what it can tell apart, float16 the rest; where int8 leaves too much, it is not asked again.
void int8_and_what_it_leaves_open() {
  const std::size_t dim = 64, queries = 40;
  std::mt19937 random(61);
  std::normal_distribution<float> normal;
  for (const float spread : {100.0f, 0.15f}) {
    Problem problem{"around one point, spread " + std::to_string(spread), dim, {}, {}, {}};
    for (std::size_t i = 0; i < (3000 + queries) * dim; ++i) {
      (i < 3000 * dim ? problem.rows : problem.queries)
          .push_back((i % 2 == 0 ? 1.0f : -1.0f) + spread * normal(random));
    }
    ShardedRows rows(dim, {0});
    add(rows, problem, 0, 2000);
    add(rows, problem, 2000, 3000);
    check(compare(rows, problem, 10) == 0, problem.name + ": all queries are answered");
    Tally tally = rows.tally();
    check(tally.in_int8 == queries, problem.name + ": int8 is tried first");
    const bool apart = spread > 1.0f;
    check(apart ? tally.left_open == 0 : tally.left_open > queries / 2,
          problem.name + ": int8 leaves " + std::to_string(tally.left_open) + " open");
    std::size_t failed = compare(rows, problem, 20) + compare(rows, problem, 9) + compare(rows, problem, 300);
    check(failed == 0, problem.name + ": all queries are answered, for any k");
    tally = rows.tally();
    check(tally.in_int8 == (apart ? 3 : 2) * queries, problem.name + ": int8 that lost is asked for fewer only");
    problem.rows.insert(problem.rows.end(), dim, 0.5f);
    add(rows, problem, 3000, 3001);
    check(compare(rows, problem, 10) == 0, problem.name + ": all queries are answered after an add");
    check(rows.tally().in_int8 == tally.in_int8 + queries, problem.name + ": with other rows int8 is tried again");
  }
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
  // Runs of all lengths, across the blocks that the numbering looks up.
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

// Devices share the rows; what they have no room for waits on the host.
void rows_on_several_devices() {
  const std::size_t dim = 40, count = 4000;
  Problem problem{"several devices", dim, vectors(count, dim, 13), vectors(40, dim, 14), {}};
  std::copy_n(problem.rows.begin(), 20 * dim, problem.queries.begin());
  for (std::size_t i = 0; i < count; ++i) problem.ids.push_back(static_cast<std::int64_t>(i * 1871 % count) - 77);
  std::vector<std::uint8_t> allowed(count);
  for (std::size_t i = 0; i < count; ++i) allowed[i] = i % 3 == 0 || (i > 2000 && i < 2300);
  std::vector<std::uint8_t> few(count);
  few[3] = few[1999] = few[3999] = 1;

  const auto check_searches = [&](ShardedRows& rows) {
    const std::size_t most = problem.query_count() / 5;  // nothing tells the rows of a zero query apart
    bool answered = true;
    for (const std::size_t k : {1, 200}) answered = compare(rows, problem, k) <= most && answered;
    answered = compare(rows, problem, 10, allowed) <= most && answered;
    answered = compare(rows, problem, 3, few) <= most && answered;
    check(answered, problem.name + ": most queries are answered");
  };
  {
    emulation::set_devices(3, kAmple);
    ShardedRows rows(dim, {2, 0, 1}, 0, 500);
    for (const std::size_t end : {300, 1100, 1101, 4000}) add(rows, problem, rows.size(), end);
    const std::vector<std::size_t> shares = rows.shares();
    check(*std::min_element(shares.begin(), shares.end() - 1) >= 1100 && shares.back() == 0,
          "devices have about as many rows each");
    check_searches(rows);
  }
  {
    ShardedRows rows(dim, {0, 1, 2}, 0, 5000);
    add_all(rows, problem);
    check(rows.shares() == std::vector<std::size_t>{count, 0, 0, 0}, "few rows stay on one device");
    check_searches(rows);
  }
  const std::size_t before = emulation::allocated();
  for (const std::size_t devices : {1, 2}) {
    problem.name = std::to_string(devices) + " devices that are too small";
    emulation::set_devices(devices, kAmple);
    std::vector<int> numbers(devices);
    std::iota(numbers.begin(), numbers.end(), 0);
    ShardedRows rows(dim, numbers, 1000000 / devices, 500);
    add(rows, problem, 0, 400);
    add(rows, problem, 400, 3000);
    add(rows, problem, 3000, count);
    const std::vector<std::size_t> shares = rows.shares();
    check(shares.front() > 500 && shares.back() > 100, problem.name + ": rows on the device and on the host");
    check(std::accumulate(shares.begin(), shares.end(), std::size_t{0}) == count, problem.name + ": no row is lost");
    check_searches(rows);
    rows.clear();
    check(rows.size() == 0 && rows.shares().back() == 0, problem.name + ": nothing is left after clearing");
    add(rows, problem, 0, count);
    compare(rows, problem, 1);
  }
  {
    problem.name = "a device that fills up";
    emulation::set_devices(1, kAmple);
    ShardedRows rows(dim, {0});
    add(rows, problem, 0, 700);
    emulation::limit_memory(100000);
    add(rows, problem, 700, count);
    check(rows.shares() == std::vector<std::size_t>{768, count - 768}, problem.name + ": rows go to the host");
    emulation::limit_memory(kAmple);
    compare(rows, problem, 10);
  }
  check(emulation::allocated() == before, "all memory of devices and all pinned memory is given back");
  emulation::set_devices(1, kAmple);
}

void what_fails_is_said() {
  const std::size_t dim = 16;
  Problem problem{"after errors", dim, vectors(500, dim, 8), vectors(10, dim, 9), {}};
  const std::size_t before = emulation::allocated();
  {
    ShardedRows rows(dim, {0});
    add_all(rows, problem);
    emulation::limit_memory(1000);
    std::string said;
    try {
      compare(rows, problem, 5);
    } catch (const OutOfMemory& error) {
      said = error.what();
    }
    check(said.find("bytes to give") != std::string::npos && said.find("are free") != std::string::npos,
          "out of memory says what was asked and what is free: " + said);
    emulation::limit_memory(kAmple);
    compare(rows, problem, 5);

    const auto refused = [&](ShardedRequest request, auto expected) {
      std::vector<double> scores(1000);
      std::vector<std::int64_t> positions(1000);
      request.queries = problem.queries.data();
      request.count = 1;
      request.scores = scores.data();
      request.positions = positions.data();
      try {
        rows.search(request);
      } catch (const decltype(expected)&) {
        return true;
      }
      return false;
    };
    ShardedRequest request{};
    request.k = 5;
    request.poll = [] { return true; };
    check(refused(request, Stopped()), "a poll that asks to stop ends the search");
    request.poll = nullptr;
    request.k = 501;
    check(refused(request, std::invalid_argument("")), "more neighbours than rows are refused");
    std::vector<std::uint8_t> allowed(500);
    allowed[7] = 1;
    request.allowed = allowed.data();
    request.allowed_count = 500;
    request.k = 2;
    check(refused(request, std::invalid_argument("")), "more neighbours than rows that are allowed are refused");
    request.k = 1;
    request.allowed_count = 499;
    check(refused(request, std::invalid_argument("")), "flags of other rows are refused");
  }
  check(emulation::allocated() == before, "all device memory is given back");
  for (const int number : {-1, 1, 99}) {
    bool refused = false;
    try {
      ShardedRows(dim, {number});
    } catch (const DeviceError&) {
      refused = true;
    }
    check(refused, "there is no device " + std::to_string(number));
  }
}

// On two devices that are too small, with several batches of queries: every kind of memory that a search needs.
struct Crowded {
  Crowded() : rows(dim, {0, 1}, 100000, 100), allowed(problem.row_count()) {
    add_all(rows, problem);
    for (std::size_t i = 0; i < allowed.size(); ++i) allowed[i] = i % 4 != 0;
    check(rows.shares().front() > 0 && rows.shares().back() > 0, "there are rows on devices and on the host");
  }

  // Returns whether the search was stopped or ran out of memory.
  bool breaks_off(const std::function<bool()>& poll, bool some) {
    const std::size_t count = problem.query_count(), k = 5;
    std::vector<double> scores(count * k);
    std::vector<std::int64_t> positions(count * k);
    ShardedRequest request{};
    request.queries = problem.queries.data();
    request.count = count;
    request.k = k;
    request.poll = poll;
    request.allowed = some ? allowed.data() : nullptr;
    request.allowed_count = allowed.size();
    request.scores = scores.data();
    request.positions = positions.data();
    try {
      rows.search(request);
    } catch (const OutOfMemory&) {
      return true;
    } catch (const Stopped&) {
      return true;
    }
    return false;
  }

  static constexpr std::size_t dim = 24;
  Problem problem{"crowded", dim, vectors(560, dim, 41), vectors(kQueryTile + 1, dim, 42), {}};
  ShardedRows rows;
  std::vector<std::uint8_t> allowed;
};

void searches_keep_their_memory() {
  emulation::set_devices(2, kAmple);
  {
    Crowded crowded;
    for (const bool some : {false, true}) crowded.breaks_off(nullptr, some);
    const std::size_t before = emulation::allocations_made();
    for (const bool some : {false, true}) crowded.breaks_off(nullptr, some);
    check(emulation::allocations_made() == before, "a search like the one before allocates nothing");
    crowded.rows.clear();
  }
  emulation::set_devices(1, kAmple);
}

void searches_that_break_off() {
  emulation::set_devices(2, kAmple);
  for (const bool some : {false, true}) {
    std::size_t failures = 0;
    for (bool failed = true; failed; ++failures) {
      Crowded crowded;
      emulation::fail_allocation_after(failures);
      failed = crowded.breaks_off(nullptr, some);
      emulation::fail_allocation_after(kAmple);
      if (failures % 5 == 0) compare(crowded.rows, crowded.problem, 5);
    }
    check(failures > 10, "each allocation of a search may fail, " + std::to_string(failures) + " did");

    Crowded crowded;
    std::size_t stops = 0;
    for (bool stopped = true; stopped; ++stops) {
      std::size_t polls = 0;
      stopped = crowded.breaks_off([&] { return polls++ == stops; }, some);
      if (stops % 5 == 0) compare(crowded.rows, crowded.problem, 5);
    }
    check(stops > 5, "a search looks often enough whether to stop, " + std::to_string(stops) + " times");
  }
  emulation::set_devices(1, kAmple);
}

// More rows are allowed than are gathered at a time.
void many_chosen_rows() {
  const std::size_t dim = 40;
  Problem problem{"many chosen rows", dim, vectors(2500, dim, 15), vectors(20, dim, 16), {}};
  std::vector<std::uint8_t> allowed(2500, 1);
  allowed[4] = 0;
  ShardedRows rows(dim, {0}, 1200000);
  add_all(rows, problem);
  check(rows.shares() == std::vector<std::size_t>{2500, 0}, "all rows are on the device");
  const DeviceRows alone(dim, 0, 1, 1200000);
  check(alone.chosen_at_once() < 1000, "they are gathered in several pieces");
  check(compare(rows, problem, 10, allowed) < 5 && compare(rows, problem, 1000, allowed) < 20,
        "searches among many rows are answered");
}

// A forked child has a copy of the helpers, but not their threads.
void helpers_of_another_process() {
  auto helpers = std::make_unique<Helpers>();
  Stop stop([] { return false; });
  helpers->run_together({[] {}, [] {}, [] {}}, stop);
  const pid_t child = fork();
  if (child == 0) {
    helpers.reset();
    _exit(0);
  }
  int status = -1;
  for (int i = 0; i < 1000 && waitpid(child, &status, WNOHANG) == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const bool ended = status == 0;
  if (!ended) kill(child, SIGKILL);
  check(ended, "a forked child lets go of helpers");
  helpers->run_together({[] {}, [] {}}, stop);
}

// One of several tasks fails: the others are told, and what it threw is thrown.
void tasks_that_fail() {
  Stop stop([] { return false; });
  const auto wait = [&] {
    while (!stop.asked()) std::this_thread::yield();
    stop.check();
  };
  std::string said;
  try {
    Helpers().run_together({wait, [] { throw std::runtime_error("the second"); }, wait}, stop);
  } catch (const std::runtime_error& error) {
    said = error.what();
  }
  check(said == "the second", "what the first to fail threw is thrown, not " + said);

  // A failure within a task stops the others before it is out of that task.
  Stop nested([] { return false; });
  std::atomic<bool> others_are_stopped{false};
  said.clear();
  try {
    Helpers().run_together({[&] {
                              while (!nested.asked()) std::this_thread::yield();
                              others_are_stopped = true;
                              nested.check();
                            },
                            [&] {
                              nested.ask();
                              while (!others_are_stopped) std::this_thread::yield();
                              std::this_thread::sleep_for(std::chrono::milliseconds(50));
                              throw std::runtime_error("within");
                            }},
                           nested);
  } catch (const std::runtime_error& error) {
    said = error.what();
  } catch (const Stopped&) {
    said = "stopped";
  }
  check(said == "within", "a failure counts for more than the stop that it causes, not " + said);

  // The caller has done its own part and waits: it is asked all the same.
  int asked = 0;
  Stop other([&] { return ++asked == 2; });
  bool stopped = false;
  try {
    Helpers().run_together({[] {},
                            [&] {
                              while (!other.asked()) std::this_thread::yield();
                              other.check();
                            }},
                           other);
  } catch (const Stopped&) {
    stopped = true;
  }
  check(stopped, "a caller that waits is asked whether to stop");

  // The other does not look; the caller's question must not get lost.
  std::atomic<bool> was_asked{false};
  Stop unheard([&] { return was_asked.exchange(true) ? false : true; });
  stopped = false;
  try {
    Helpers().run_together({[] {},
                            [&] {
                              while (!was_asked) std::this_thread::yield();
                            }},
                           unheard);
  } catch (const Stopped&) {
    stopped = true;
  }
  check(stopped, "a caller that was asked at the end is stopped");
}

}  // namespace

int main() {
  plans_cover_all_rows();
  answers_are_those_of_the_core();
  ids_decide_between_equal_rows();
  more_neighbours_than_a_pass_finds();
  rows_that_lie_together();
  for (const Arithmetic arithmetic : {Arithmetic::fp16, Arithmetic::int8}) {
    screened_scores_keep_their_bound(arithmetic);
    maxima_give_cutoffs(arithmetic);
    neighbours_behind_others(arithmetic);
    lists_that_overflow(arithmetic);
  }
  int8_products_are_exact();
  int8_and_what_it_leaves_open();
  rows_sorted_by_class();
  tiles_at_their_boundaries();
  parts_know_their_rows();
  rows_on_several_devices();
  many_chosen_rows();
  what_fails_is_said();
  searches_keep_their_memory();
  searches_that_break_off();
  helpers_of_another_process();
  tasks_that_fail();
  return checking::summary();
}
