// The CUDA engine without a device: its plans and its kernels, on an emulated device, against the core byte for byte.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "bound.h"
#include "checking.h"
#include "database.h"
#include "device_rows.h"
#include "emulated_device.h"
#include "plan.h"

namespace {

using checking::check;
using latentknn::cuda::DeviceRequest;
using latentknn::cuda::DeviceRows;

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

Answers by_core(const Problem& problem, std::size_t k, const std::vector<std::uint8_t>& allowed, bool self) {
  latentknn::Database database(problem.dim, latentknn::Strategy::float64);
  const std::int64_t* ids = problem.ids.empty() ? nullptr : problem.ids.data();
  database.add({problem.rows.data(), latentknn::ElementType::float32, problem.row_count(), problem.dim}, ids, 1,
               nullptr);
  const std::size_t count = self ? problem.row_count() : problem.query_count();
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
  if (self) {
    check(database.search_self(request), "the core searches");
  } else {
    database.search(request);
  }
  return found;
}

// Compares what the device finds with the core, but for what it says that it has not found. Returns how much that is.
std::size_t compare(DeviceRows& rows, const Problem& problem, std::size_t k,
                    const std::vector<std::uint8_t>& allowed = {}, bool self = false) {
  const Answers expected = by_core(problem, k, allowed, self);
  const std::size_t count = self ? problem.row_count() : problem.query_count();
  std::vector<double> scores(count * k);
  std::vector<std::uint32_t> numbers(count * k);
  std::vector<std::uint32_t> among;
  for (std::uint32_t i = 0; i < allowed.size(); ++i) {
    if (allowed[i] != 0) among.push_back(i);
  }
  DeviceRequest request{};
  request.queries = self ? nullptr : problem.queries.data();
  request.count = count;
  request.k = k;
  request.among = allowed.empty() ? nullptr : among.data();
  request.among_count = among.size();
  request.scores = scores.data();
  request.numbers = numbers.data();
  const std::vector<std::size_t> failed = rows.search(request);
  bool same = true;
  for (std::size_t q = 0; q < count; ++q) {
    if (std::binary_search(failed.begin(), failed.end(), q)) continue;
    for (std::size_t i = q * k; i < (q + 1) * k; ++i) {
      same = same && std::memcmp(&scores[i], &expected.scores[i], sizeof(double)) == 0 &&
             numbers[i] == static_cast<std::uint64_t>(expected.positions[i]);
    }
  }
  check(same, problem.name + ", k = " + std::to_string(k) + (self ? ", itself" : "") +
                  (allowed.empty() ? "" : ", some allowed") + ": the core's answers");
  return failed.size();
}

void add_all(DeviceRows& rows, const Problem& problem) {
  const std::int64_t* ids = problem.ids.empty() ? nullptr : problem.ids.data();
  const std::size_t first = problem.row_count() / 3;
  rows.add(problem.rows.data(), ids, first);
  rows.add(problem.rows.data() + first * problem.dim, ids == nullptr ? nullptr : ids + first,
           problem.row_count() - first);
}

void plans_cover_all_rows() {
  for (const std::size_t k : {1, 10, 100, 512, 513, 2048}) {
    for (const std::size_t tiles : {1, 2, 8, 9, 235, 3907, 48226}) {
      std::size_t end = 0;
      bool follow = true;
      for (const latentknn::cuda::Stage& stage : latentknn::cuda::stages(tiles, k)) {
        follow = follow && stage.begin == end && stage.end > stage.begin;
        if (stage.begin == 0) {
          check(stage.end * latentknn::cuda::kRowTile <= latentknn::cuda::list_capacity(k),
                "the first stage fits the lists");
        }
        end = stage.end;
      }
      check(follow && end == tiles, "stages follow each other to the last tile");
      std::vector<bool> seen(tiles);
      for (std::size_t i = 0; i < tiles; ++i) seen[i * latentknn::cuda::tile_stride(tiles) % tiles] = true;
      check(std::find(seen.begin(), seen.end(), false) == seen.end(), "the order has every tile");
    }
    check(latentknn::cuda::list_capacity(k) >= 4 * k, "a list holds more than is wanted");
    check(latentknn::cuda::ranking_capacity(k) >= 2 * k, "a ranking holds more than is wanted");
  }
  check(latentknn::cuda::queries_at_once(0, 10, 128) == 1, "there is always room for one query");
  check(latentknn::cuda::queries_at_once(std::size_t{1} << 40, 10, 128) == 16384, "batches have a largest size");
}

void answers_are_those_of_the_core() {
  for (const std::size_t dim : {1, 7, 50, 200}) {
    Problem problem{"d = " + std::to_string(dim), dim, vectors(2700, dim, 1), vectors(140, dim, 2), {}};
    std::copy_n(problem.rows.begin(), 20 * dim, problem.queries.begin());
    DeviceRows rows(dim, 0);
    add_all(rows, problem);
    for (const std::size_t k : {1, 100}) {
      const std::size_t failed = compare(rows, problem, k);
      // Nothing tells the rows of a zero query apart.
      if (dim >= 50) check(failed < 20, problem.name + ": most queries are answered, not " + std::to_string(failed));
    }
    std::vector<std::uint8_t> allowed(problem.row_count());
    for (std::size_t i = 0; i < allowed.size(); ++i) allowed[i] = i % 3 == 0;
    compare(rows, problem, 10, allowed);
  }
}

void ids_decide_between_equal_rows() {
  const std::size_t dim = 40;
  Problem problem{"ids", dim, vectors(600, dim, 3), {}, {}};
  for (std::size_t i = 0; i < 600; ++i) problem.ids.push_back(static_cast<std::int64_t>(i * 7919 % 600) - 300);
  for (std::size_t i = 1; i < 600; i += 2) std::copy_n(&problem.rows[(i - 1) * dim], dim, &problem.rows[i * dim]);
  problem.queries.assign(problem.rows.begin(), problem.rows.begin() + 50 * static_cast<std::ptrdiff_t>(dim));
  DeviceRows rows(dim, 0);
  add_all(rows, problem);
  check(compare(rows, problem, 7) < 10, "queries among pairs of equal rows are answered");
  compare(rows, problem, 7, {}, true);
}

void more_neighbours_than_a_pass_finds() {
  const std::size_t dim = 24, k = 2 * latentknn::cuda::kMostNeighbours + 500;
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
  DeviceRows rows(dim, 0);
  add_all(rows, problem);
  check(compare(rows, problem, k) == 0, "all queries are answered in several passes");
  check(compare(rows, problem, latentknn::cuda::kMostNeighbours) == 0, "all queries are answered in one full pass");
}

// Rows that halves can hardly tell apart: the answers stay exact, or are said to be missing.
void rows_that_lie_together() {
  const std::size_t dim = 64;
  for (const float spread : {0.5f, 1e-2f, 1e-6f}) {
    Problem problem{"spread " + std::to_string(spread), dim, {}, {}, {}};
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < 3000 * dim; ++i) problem.rows.push_back(1.0f + spread * normal(random));
    problem.queries.assign(problem.rows.begin(), problem.rows.begin() + 40 * static_cast<std::ptrdiff_t>(dim));
    DeviceRows rows(dim, 0);
    add_all(rows, problem);
    const std::size_t failed = compare(rows, problem, 10);
    check(spread < 0.1f ? failed > 0 : failed == 0, problem.name + ": " + std::to_string(failed) + " not answered");
  }
}

// What a screened score may be off by is never exceeded, and not idly large.
void screened_scores_keep_their_bound() {
  using namespace latentknn::cuda;
  double closest = 0.0;
  for (const std::size_t dim : {3, 64, 500}) {
    const std::size_t count = 256, packed_dim = (dim + kDimStep - 1) / kDimStep * kDimStep;
    Problem problem{"bound", dim, vectors(count, dim, 6), vectors(kQueryTile, dim, 7), {}};
    for (std::size_t i = 0; i < 100 * dim; ++i) problem.rows[i] = std::fabs(problem.rows[i]);
    for (std::size_t i = 0; i < 50 * dim; ++i) problem.queries[i] = std::fabs(problem.queries[i]);
    DeviceArray<float> rows(count * dim), queries(kQueryTile * dim), row_roundings(count), roundings(kQueryTile),
        largest(1), cutoffs(kQueryTile), ceilings(kQueryTile);
    DeviceArray<double> row_norms(count), norms(kQueryTile);
    DeviceArray<std::uint16_t> packed_rows(count * packed_dim), packed(kQueryTile * packed_dim);
    DeviceArray<std::uint32_t> counts(kQueryTile);
    DeviceArray<std::uint8_t> failed(kQueryTile);
    DeviceArray<Candidate> lists(kQueryTile * count);
    rows.copy_from(problem.rows.data(), count * dim);
    queries.copy_from(problem.queries.data(), kQueryTile * dim);
    fill_bytes(largest.data(), 0, sizeof(float));
    fill_bytes(failed.data(), 0, kQueryTile);
    pack(rows.data(), count, dim, packed_dim, row_norms.data(), packed_rows.data(), row_roundings.data());
    pack(queries.data(), kQueryTile, dim, packed_dim, norms.data(), packed.data(), roundings.data());
    take_largest(row_roundings.data(), count, largest.data());
    Search search{};
    search.packed_rows = packed_rows.data();
    search.packed_queries = packed.data();
    search.packed_dim = packed_dim;
    search.row_count = count;
    search.tile_count = search.tile_stride = 1;
    search.query_roundings = roundings.data();
    search.row_rounding = largest.data();
    search.query_count = kQueryTile;
    search.self = -1;
    search.list_capacity = count;
    search.lists = lists.data();
    search.counts = counts.data();
    search.cutoffs = cutoffs.data();
    search.ceilings = ceilings.data();
    search.failed = failed.data();
    start_pass(search);
    screen(search, 0, 1, true, 2);
    const Answers exact = by_core(problem, count, {}, false);
    const std::vector<Candidate> found = lists.to_host(kQueryTile * count);
    const std::vector<float> query_errors = roundings.to_host(kQueryTile), row_errors = row_roundings.to_host(count);
    bool kept = true;
    for (std::size_t q = 0; q < kQueryTile; ++q) {
      for (std::size_t i = q * count; i < (q + 1) * count; ++i) {
        const auto row = static_cast<std::size_t>(exact.positions[i]);
        const double off = std::fabs(static_cast<double>(found[q * count + row].score) / kScale - exact.scores[i]);
        const double bound = screening_error(query_errors[q], row_errors[row], packed_dim);
        kept = kept && off <= bound && found[q * count + row].row == row;
        closest = std::max(closest, off / bound);
      }
    }
    check(kept, "the bound holds in " + std::to_string(dim) + " dimensions");
  }
  check(closest > 0.1, "the bound is of the errors' size, which reach " + std::to_string(closest) + " of it");
}

// In consecutive classes, far apart: the first rows know nothing of most queries' neighbours.
void rows_sorted_by_class() {
  const std::size_t dim = 32, classes = 10, each = 1200;
  Problem problem{"sorted by class", dim, {}, {}, {}};
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  const std::vector<float> centres = [&] {
    std::vector<float> made(classes * dim);
    for (float& value : made) value = normal(random);
    return made;
  }();
  for (std::size_t i = 0; i < classes * each * dim; ++i) {
    problem.rows.push_back(centres[i / (each * dim) * dim + i % dim] + 0.5f * normal(random));
  }
  for (std::size_t i = 0; i < 60 * dim; ++i) {
    problem.queries.push_back(centres[i / dim % classes * dim + i % dim] + 0.5f * normal(random));
  }
  DeviceRows rows(dim, 0);
  add_all(rows, problem);
  check(compare(rows, problem, 10) == 0, "rows that are sorted by class are told apart");
}

// Rows without ids of their own among rows with: their numbers count.
void ids_of_some_rows() {
  const std::size_t dim = 20;
  Problem problem{"ids of some rows", dim, vectors(400, dim, 12), {}, {}};
  std::copy_n(problem.rows.begin(), 200 * dim, problem.rows.begin() + 200 * static_cast<std::ptrdiff_t>(dim));
  problem.queries.assign(problem.rows.begin(), problem.rows.begin() + 30 * static_cast<std::ptrdiff_t>(dim));
  DeviceRows rows(dim, 0);
  for (std::size_t i = 0; i < 400; ++i)
    problem.ids.push_back(i < 100 || i >= 200 ? static_cast<std::int64_t>(i) : -static_cast<std::int64_t>(i));
  rows.add(problem.rows.data(), nullptr, 100);
  rows.add(problem.rows.data() + 100 * dim, problem.ids.data() + 100, 100);
  rows.add(problem.rows.data() + 200 * dim, nullptr, 200);
  compare(rows, problem, 5);
}

void what_fails_changes_nothing() {
  const std::size_t dim = 16;
  Problem problem{"after errors", dim, vectors(500, dim, 8), vectors(10, dim, 9), {}};
  const std::size_t before = latentknn::cuda::emulation::allocated();
  {
    DeviceRows rows(dim, 0);
    rows.add(problem.rows.data(), nullptr, 500);
    latentknn::cuda::emulation::limit_memory(1000);
    std::string said;
    try {
      rows.add(problem.rows.data(), nullptr, 500);
    } catch (const latentknn::cuda::OutOfDeviceMemory& error) {
      said = error.what();
    }
    check(said.find("bytes to give") != std::string::npos && said.find("are free") != std::string::npos,
          "out of memory says what was asked and what is free: " + said);
    said.clear();
    try {
      compare(rows, problem, 5);
    } catch (const latentknn::cuda::OutOfDeviceMemory& error) {
      said = error.what();
    }
    check(!said.empty(), "a search that does not fit is refused");
    latentknn::cuda::emulation::limit_memory(std::size_t{8} << 30);
    check(rows.size() == 500, "rows that found no room are not there");
    compare(rows, problem, 5);

    const std::vector<float> others = vectors(300, dim, 10);
    rows.add(others.data(), nullptr, 300);
    problem.rows.insert(problem.rows.end(), others.begin(), others.end());
    compare(rows, problem, 5);

    std::vector<double> scores(50);
    std::vector<std::uint32_t> numbers(50);
    DeviceRequest request{};
    request.queries = problem.queries.data();
    request.count = 10;
    request.k = 5;
    request.poll = [] { return true; };
    request.scores = scores.data();
    request.numbers = numbers.data();
    bool stopped = false;
    try {
      rows.search(request);
    } catch (const latentknn::cuda::Stopped&) {
      stopped = true;
    }
    check(stopped, "a poll that asks to stop ends the search");
  }
  {
    DeviceRows rows(dim, 0);
    rows.add(problem.rows.data(), nullptr, 3);
    const std::uint32_t beyond = 3;
    std::vector<double> scores(10);
    std::vector<std::uint32_t> numbers(10);
    for (const bool among : {false, true}) {
      DeviceRequest request{};
      request.queries = problem.queries.data();
      request.count = 1;
      request.k = among ? 1 : 4;
      request.among = among ? &beyond : nullptr;
      request.among_count = among ? 1 : 0;
      request.scores = scores.data();
      request.numbers = numbers.data();
      bool refused = false;
      try {
        rows.search(request);
      } catch (const std::invalid_argument&) {
        refused = true;
      }
      check(refused, "rows that are not there are not searched for");
    }
  }
  check(latentknn::cuda::emulation::allocated() == before, "all device memory is given back");
  for (const int number : {-1, 1, 99}) {
    bool refused = false;
    try {
      DeviceRows(dim, number);
    } catch (const latentknn::cuda::DeviceError&) {
      refused = true;
    }
    check(refused, "there is no device " + std::to_string(number));
  }
}

}  // namespace

int main() {
  plans_cover_all_rows();
  answers_are_those_of_the_core();
  ids_decide_between_equal_rows();
  more_neighbours_than_a_pass_finds();
  rows_that_lie_together();
  screened_scores_keep_their_bound();
  rows_sorted_by_class();
  ids_of_some_rows();
  what_fails_changes_nothing();
  return checking::summary();
}
