// Tests of the CUDA engine's searches on emulated devices: the answers equal the core's, byte for byte.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "cuda_problem.h"
#include "emulated_device.h"
#include "plan.h"

namespace {

using checking::check;
using namespace cuda_problem;
using namespace latentknn::cuda;

void answers_are_those_of_the_core() {
  for (const std::size_t dim : {1, 7, 50, 200, 2000}) {
    const std::size_t count = dim < 2000 ? 2700 : 250, queries = dim < 2000 ? 140 : 30;
    Problem problem{"d = " + std::to_string(dim), dim, vectors(count, dim, 1), vectors(queries, dim, 2), {}};
    std::copy_n(problem.rows.begin(), 20 * dim, problem.queries.begin());
    ShardedRows rows(dim, {0});
    add_all(rows, problem);
    for (const std::size_t k : {1, 100}) {
      const std::size_t failed = compare(rows, problem, k);
      // Queries of zeros fail: all rows score alike.
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

// If float16 can hardly tell rows apart, answers are exact, or reported as missing.
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

// int8 answers the queries whose rows it can tell apart, and float16 the rest.
// If int8 leaves too many, it is not tried again.
void int8_and_what_it_leaves_open() {
  const std::size_t dim = 64, queries = kQueryTile;  // with fewer, int8 would not be judged
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
    check(tally.in_int8 == 2 * queries, problem.name + ": int8 that lost is asked for fewer only");
    problem.rows.insert(problem.rows.end(), dim, 0.5f);
    add(rows, problem, 3000, 3001);
    check(compare(rows, problem, 10) == 0, problem.name + ": all queries are answered after an add");
    check(rows.tally().in_int8 == tally.in_int8 + queries, problem.name + ": with other rows int8 is tried again");
  }
}

// Rows come class by class, and classes are far apart: the first rows are near few queries.
void rows_sorted_by_class() {
  const std::size_t dim = 32;
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  struct Case {
    std::string name;
    std::vector<std::size_t> classes;  // class of each run of rows
    bool at_once;
  };
  // In the last two cases the first tiles of the order have class 0 alone. The next tiles then have more hits
  // for a query of class 1 than its list can hold.
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

// Rows and queries fill their tiles, have one less, or one more.
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

// More rows are allowed than can be gathered at a time.
void many_chosen_rows() {
  const std::size_t dim = 40;
  Problem problem{"many chosen rows", dim, vectors(2500, dim, 15), vectors(20, dim, 16), {}};
  std::vector<std::uint8_t> allowed(2500, 1);
  allowed[4] = 0;
  ShardedRows rows(dim, {0}, 1200000);
  add_all(rows, problem);
  check(rows.shares() == std::vector<std::size_t>{2500, 0}, "all rows are on the device");
  const DeviceRows alone(dim, 0, devices().front(), 1200000);
  check(alone.chosen_at_once() < 1000, "they are gathered in several pieces");
  check(compare(rows, problem, 10, allowed) < 5 && compare(rows, problem, 1000, allowed) < 20,
        "searches among many rows are answered");
}

}  // namespace

int main() {
  // All tests are done with the products of warpgroups, then with those of warps.
  for (const bool hopper : {true, false}) {
    emulation::set_hopper(hopper);
    answers_are_those_of_the_core();
    ids_decide_between_equal_rows();
    more_neighbours_than_a_pass_finds();
    rows_that_lie_together();
    int8_and_what_it_leaves_open();
    rows_sorted_by_class();
    tiles_at_their_boundaries();
    many_chosen_rows();
  }
  return checking::summary();
}
