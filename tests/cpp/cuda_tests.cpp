// The CUDA engine without a device: its plans and its kernels, on an emulated device, against the core byte for byte.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
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
#include "plan.h"
#include "sharded_rows.h"

namespace {

using checking::check;
using latentknn::cuda::DeviceRows;
using latentknn::cuda::ShardedRequest;
using latentknn::cuda::ShardedRows;
namespace emulation = latentknn::cuda::emulation;

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
  const std::size_t ample = std::size_t{1} << 40;
  check(latentknn::cuda::queries_at_once(0, 1000, 10, 128) == 1, "there is always room for one query");
  check(latentknn::cuda::queries_at_once(ample, 1000000, 10, 128) == 16384, "batches have a largest size");
  check(latentknn::cuda::queries_at_once(ample, 10000, 10, 128) == 2560, "there are several batches to overlap");
  const std::size_t memory = latentknn::cuda::memory_for_searches(ample);
  check(2 * latentknn::cuda::bytes_brought(ample) < memory && memory < ample, "searches find memory left");
}

void answers_are_those_of_the_core() {
  for (const std::size_t dim : {1, 7, 50, 200}) {
    Problem problem{"d = " + std::to_string(dim), dim, vectors(2700, dim, 1), vectors(140, dim, 2), {}};
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
  ShardedRows rows(dim, {0});
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
    ShardedRows rows(dim, {0});
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
    search.list_capacity = count;
    search.lists = lists.data();
    search.counts = counts.data();
    search.cutoffs = cutoffs.data();
    search.ceilings = ceilings.data();
    search.failed = failed.data();
    start_pass(search);
    screen(search, 0, 1, true, 2);
    const Answers exact = by_core(problem, count, {});
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
  ShardedRows rows(dim, {0});
  add_all(rows, problem);
  check(compare(rows, problem, 10) == 0, "rows that are sorted by class are told apart");
}

void parts_know_their_rows() {
  latentknn::cuda::Numbering numbering;
  numbering.append(10, 3);
  numbering.append(13, 2);
  numbering.append(20, 0);
  numbering.append(30, 1);
  check(numbering.size() == 6, "a part has its runs' rows");
  const std::array<std::int64_t, 6> expected{10, 11, 12, 13, 14, 30};
  for (std::size_t i = 0; i < 6; ++i) check(numbering.position(i) == expected[i], "a row has its position");
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
    ShardedRows rows(dim, numbers, 400000, 500);
    add(rows, problem, 0, 400);
    add(rows, problem, 400, 3000);
    add(rows, problem, 3000, count);
    const std::vector<std::size_t> shares = rows.shares();
    check(shares.front() > 500 && shares.back() > 500, problem.name + ": rows on the device and on the host");
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
    } catch (const latentknn::cuda::OutOfMemory& error) {
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
    check(refused(request, latentknn::cuda::Stopped()), "a poll that asks to stop ends the search");
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
    } catch (const latentknn::cuda::DeviceError&) {
      refused = true;
    }
    check(refused, "there is no device " + std::to_string(number));
  }
}

// More rows are allowed than are gathered at a time.
void many_chosen_rows() {
  const std::size_t dim = 40;
  Problem problem{"many chosen rows", dim, vectors(2500, dim, 15), vectors(20, dim, 16), {}};
  std::vector<std::uint8_t> allowed(2500, 1);
  allowed[4] = 0;
  ShardedRows rows(dim, {0}, 1000000);
  add_all(rows, problem);
  check(rows.shares() == std::vector<std::size_t>{2500, 0}, "all rows are on the device");
  const DeviceRows alone(dim, 0, 1, 1000000);
  check(alone.chosen_at_once() < 1000, "they are gathered in several pieces");
  check(compare(rows, problem, 10, allowed) < 5 && compare(rows, problem, 1000, allowed) < 20,
        "searches among many rows are answered");
}

// One of several tasks fails: the others are told, and what it threw is thrown.
void tasks_that_fail() {
  latentknn::cuda::Stop stop([] { return false; });
  const auto wait = [&] {
    while (!stop.asked()) std::this_thread::yield();
    stop.check();
  };
  std::string said;
  try {
    latentknn::cuda::run_together({wait, [] { throw std::runtime_error("the second"); }, wait}, stop);
  } catch (const std::runtime_error& error) {
    said = error.what();
  }
  check(said == "the second", "what the first to fail threw is thrown, not " + said);

  // A failure within a task stops the others before it is out of that task.
  latentknn::cuda::Stop nested([] { return false; });
  std::atomic<bool> others_are_stopped{false};
  said.clear();
  try {
    latentknn::cuda::run_together({[&] {
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
  } catch (const latentknn::cuda::Stopped&) {
    said = "stopped";
  }
  check(said == "within", "a failure counts for more than the stop that it causes, not " + said);

  // The caller has done its own part and waits: it is asked all the same.
  int asked = 0;
  latentknn::cuda::Stop other([&] { return ++asked == 2; });
  bool stopped = false;
  try {
    latentknn::cuda::run_together({[] {},
                                   [&] {
                                     while (!other.asked()) std::this_thread::yield();
                                     other.check();
                                   }},
                                  other);
  } catch (const latentknn::cuda::Stopped&) {
    stopped = true;
  }
  check(stopped, "a caller that waits is asked whether to stop");

  // The other does not look; the caller's question must not get lost.
  std::atomic<bool> was_asked{false};
  latentknn::cuda::Stop unheard([&] { return was_asked.exchange(true) ? false : true; });
  stopped = false;
  try {
    latentknn::cuda::run_together({[] {},
                                   [&] {
                                     while (!was_asked) std::this_thread::yield();
                                   }},
                                  unheard);
  } catch (const latentknn::cuda::Stopped&) {
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
  screened_scores_keep_their_bound();
  rows_sorted_by_class();
  parts_know_their_rows();
  rows_on_several_devices();
  many_chosen_rows();
  what_fails_is_said();
  tasks_that_fail();
  return checking::summary();
}
