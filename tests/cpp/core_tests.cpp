// Tests of the core without Python, so that they also run cross-compiled under an emulator: every kernel
// of the processor against the contract written as plain loops, byte for byte.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "checking.h"
#include "database.h"
#include "isa.h"
#include "layout/layout.h"
#include "screening/subspace.h"
#include "thread_pool.h"

namespace {

using checking::check;
using latentknn::Database;
using latentknn::ElementType;
using latentknn::SearchRequest;

double reference_product(const float* a, const float* b, std::size_t dim) {
  double p[8] = {};
  for (std::size_t j = 0; j < dim; ++j) p[j % 8] += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  for (std::size_t w = 4; w > 0; w /= 2) {
    for (std::size_t l = 0; l < w; ++l) p[l] += p[l + w];
  }
  return p[0];
}

double reference_similarity(const float* q, const float* x, std::size_t dim) {
  const double qq = reference_product(q, q, dim);
  const double xx = reference_product(x, x, dim);
  if (qq == 0.0 || xx == 0.0) return 0.0;
  return std::max(-1.0, std::min(1.0, reference_product(q, x, dim) / std::sqrt(qq * xx)));
}

struct Found {
  double score;
  std::int64_t id;
};

// Rows of mixed kinds: ordinary, tiny and huge norms, zero, duplicates and near-duplicates of one another.
std::vector<float> make_rows(std::size_t count, std::size_t dim, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * dim);
  for (std::size_t i = 0; i < count; ++i) {
    float* row = rows.data() + i * dim;
    const unsigned kind = random() % 8;
    const float scale = kind == 0 ? 1e-30f : kind == 1 ? 1e30f : kind == 2 ? 1e-41f : 1.0f;
    for (std::size_t j = 0; j < dim; ++j) row[j] = kind == 3 ? 0.0f : normal(random) * scale;
    if (kind >= 6 && i > 0) {
      std::memcpy(row, rows.data() + (random() % i) * dim, dim * sizeof(float));
      if (kind == 7) row[random() % dim] *= 1.0f + 0x1p-23f;
    }
  }
  return rows;
}

struct Case {
  std::size_t rows, queries, dim, k, threads;
  bool masked;
};

std::string describe(const std::string& isa, latentknn::Strategy strategy, const Case& c) {
  return isa + " " + latentknn::strategy_name(strategy) + " rows " + std::to_string(c.rows) + " queries " +
         std::to_string(c.queries) + " dim " + std::to_string(c.dim) + " k " + std::to_string(c.k) +
         (c.masked ? " masked" : "");
}

void compare_with_reference(const std::string& isa, latentknn::Strategy strategy, const Case& c, unsigned seed) {
  const std::vector<float> rows = make_rows(c.rows, c.dim, seed);
  const std::vector<float> queries = make_rows(c.queries, c.dim, seed + 1);
  std::vector<std::int64_t> ids(c.rows);
  for (std::size_t i = 0; i < c.rows; ++i) ids[i] = static_cast<std::int64_t>((i * 7919 + 13) % 100003) - 50000;
  std::vector<std::uint8_t> allowed(c.rows, 1);
  for (std::size_t i = 0; c.masked && i < c.rows; i += 3) allowed[i] = 0;

  Database database(c.dim, strategy);
  const std::size_t half = c.rows / 2;  // in two pieces, so that a tile is packed again
  database.add({rows.data(), ElementType::float32, half, c.dim}, ids.data(), c.threads, nullptr);
  database.add({rows.data() + half * c.dim, ElementType::float32, c.rows - half, c.dim}, ids.data() + half, c.threads,
               nullptr);

  std::vector<float> similarities(c.queries * c.k);
  std::vector<double> scores(c.queries * c.k);
  std::vector<std::int64_t> positions(c.queries * c.k), found_ids(c.queries * c.k);
  SearchRequest request{};
  request.queries = {queries.data(), ElementType::float32, c.queries, c.dim};
  request.k = c.k;
  request.threads = c.threads;
  request.allowed = c.masked ? allowed.data() : nullptr;
  request.allowed_count = c.rows;
  request.similarities = similarities.data();
  request.positions = positions.data();
  request.ids = found_ids.data();
  request.scores64 = scores.data();
  database.search(request);

  bool equal = std::string(database.isa()) == isa;
  for (std::size_t q = 0; q < c.queries; ++q) {
    std::vector<Found> all;
    for (std::size_t i = 0; i < c.rows; ++i) {
      if (allowed[i] == 0) continue;
      all.push_back({reference_similarity(queries.data() + q * c.dim, rows.data() + i * c.dim, c.dim), ids[i]});
    }
    std::sort(all.begin(), all.end(),
              [](const Found& a, const Found& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; });
    for (std::size_t i = 0; i < c.k; ++i) {
      const std::size_t at = q * c.k + i;
      const float rounded = static_cast<float>(all[i].score) + 0.0f;
      equal = equal && found_ids[at] == all[i].id && ids[static_cast<std::size_t>(positions[at])] == all[i].id;
      equal = equal && std::memcmp(&scores[at], &all[i].score, sizeof(double)) == 0;
      equal = equal && std::memcmp(&similarities[at], &rounded, sizeof(float)) == 0;
    }
  }
  check(equal, describe(isa, strategy, c));
}

void kernels_equal_the_reference() {
  const std::vector<std::size_t> dims = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 127, 129, 300};
  const std::vector<std::size_t> sizes = {1, 7, 8, 12, 13, 16, 24, 47, 48, 49, 97, 500};
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    unsigned seed = 1;
    for (const std::string& name : latentknn::strategy_names()) {
      const latentknn::Strategy strategy = latentknn::strategy_from_name(name);
      for (const std::size_t dim : dims) {
        for (const std::size_t rows : sizes) {
          const std::size_t queries = 1 + seed % 19;
          for (const std::size_t k : {std::size_t{1}, std::size_t{5}, rows / 3, rows}) {
            if (k < 1 || k > rows) continue;
            ++seed;
            const bool masked = k <= rows / 2 && seed % 2 == 0;
            compare_with_reference(isa, strategy, {rows, queries, dim, k, 1 + seed % 3, masked}, seed);
          }
        }
      }
    }
    std::printf("%s: compared\n", isa.c_str());
  }
  unsetenv("LATENTKNN_ISA");
}

// Points on a circle in few dimensions, where the angles of caps add up exactly, or anywhere.
std::vector<float> make_points(std::size_t count, std::size_t dim, bool circle, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> points(count * dim, 0.0f);
  for (std::size_t i = 0; i < count; ++i) {
    const float angle = static_cast<float>(random()) * 0x1p-32f * 6.2831853f;
    float* point = points.data() + i * dim;
    for (std::size_t j = 0; !circle && j < dim; ++j) point[j] = normal(random);
    if (circle) {
      point[0] = std::cos(angle);
      point[1] = std::sin(angle);
    }
  }
  return points;
}

// Of one query that looks for similarities of at least one that a row has: what its marks leave out.
std::size_t count_skipped(const latentknn::KernelTable& kernels, const latentknn::Layout& layout,
                          const std::vector<float>& query, double wanted, const std::vector<double>& similarities,
                          const std::string& what) {
  const double norm = reference_product(query.data(), query.data(), query.size());
  const std::vector<float> point = layout.points(query.data(), &norm, 1);
  std::vector<float> products;
  const latentknn::AlignedBuffer<char> packed = layout.caps()->pack(point.data(), 1);
  std::vector<latentknn::Reach> reaches(kernels.fp32.query_tile, latentknn::CellCaps::kNowhere);
  reaches[0] = layout.caps()->reach(wanted);
  std::vector<std::uint8_t> marks(latentknn::CellCaps::kRun);
  std::size_t skipped = 0;
  bool right = true;
  for (std::size_t place = 0; place < similarities.size(); ++place) {
    const std::size_t cell = place / layout.cell_rows(), run = latentknn::CellCaps::kRun;
    if (place % (run * layout.cell_rows()) == 0) {
      layout.caps()->mark(cell / run, packed, reaches.data(), 1, products, marks.data());
    }
    if (marks[cell % run] != 0) continue;
    ++skipped;
    right = right && similarities[layout.order()[place]] < wanted;
  }
  check(right, "skipped cells hold nothing: " + what);
  return skipped;
}

void cells_out_of_reach_hold_nothing() {
  constexpr std::size_t kCount = 3000;
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    const latentknn::KernelTable& kernels = latentknn::select_kernels();
    for (const std::size_t dim : std::initializer_list<std::size_t>{2, 3, 9, 40}) {
      for (const bool circle : {true, false}) {
        const std::vector<float> rows = make_points(kCount, dim, circle, 5);
        std::vector<double> norms(kCount);
        kernels.squared_norms(rows.data(), kCount, dim, norms.data());
        latentknn::Layout layout(
            kernels,
            latentknn::principal_directions(kernels, {rows.data(), norms.data(), nullptr, kCount, dim},
                                            std::min(latentknn::Layout::kDirections, dim), 2),
            dim);
        const std::size_t first = kCount / 2;  // in two pieces, the second beginning within a cell
        layout.extend({rows.data(), norms.data(), nullptr, first, dim}, 2, nullptr);
        layout.extend({rows.data(), norms.data(), nullptr, kCount, dim}, 2, nullptr);
        std::size_t skipped = 0;
        for (unsigned seed = 100; seed < 120; ++seed) {
          const std::vector<float> query = make_points(1, dim, circle, seed);
          std::vector<double> similarities(kCount);
          for (std::size_t i = 0; i < kCount; ++i) {
            similarities[i] = reference_similarity(query.data(), rows.data() + i * dim, dim);
          }
          std::vector<double> sorted = similarities;
          std::sort(sorted.begin(), sorted.end(), std::greater<>());
          for (const std::size_t rank : std::initializer_list<std::size_t>{0, 9, 299, 2999}) {
            skipped += count_skipped(kernels, layout, query, sorted[rank], similarities,
                                     isa + " dim " + std::to_string(dim) + " rank " + std::to_string(rank));
          }
        }
        check(skipped > 0 || !circle, isa + " dim " + std::to_string(dim) + ": some cells are out of reach");
      }
    }
  }
  unsetenv("LATENTKNN_ISA");
}

template <class Exception>
bool throws(const std::function<void()>& action) {
  try {
    action();
  } catch (const Exception&) {
    return true;
  }
  return false;
}

void unknown_isa_is_refused() {
  setenv("LATENTKNN_ISA", "abacus", 1);
  check(throws<std::invalid_argument>([] { latentknn::select_kernels(); }), "an unknown instruction set is refused");
  unsetenv("LATENTKNN_ISA");
}

void bad_rows_change_nothing() {
  Database database(2, latentknn::Strategy::fp32);
  const double good[] = {1, 2, 3, 4};
  database.add({good, ElementType::float64, 2, 2}, nullptr, 1, nullptr);
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY), 1e300, 1e-300}) {
    const double rows[] = {1, 1, bad, 0};
    check(throws<latentknn::InvalidRow>([&] { database.add({rows, ElementType::float64, 2, 2}, nullptr, 1, nullptr); }),
          "a row with " + std::to_string(bad) + " is refused");
    check(database.size() == 2, "a refused row leaves the database as it was");
  }
}

void pool_stops_when_asked() {
  std::atomic<int> done{0};
  const auto task = [&](std::size_t) {
    while (done < 1000000000) latentknn::ThreadPool::check_interrupt();
  };
  check(throws<latentknn::Interrupted>([&] { latentknn::ThreadPool::shared().run(4, 2, task, [] { return true; }); }),
        "a poll that asks to stop interrupts endless tasks");

  // Each is over long before a poll is due; all together are not.
  const auto many_short_jobs = [] {
    for (int i = 0; i < 1000000; ++i)
      latentknn::ThreadPool::shared().run(2, 2, [](std::size_t) {}, [] { return true; });
  };
  check(throws<latentknn::Interrupted>(many_short_jobs), "a poll that asks to stop interrupts work of many short jobs");
}

void pool_passes_exceptions_on() {
  const auto task = [](std::size_t index) {
    if (index == 5) throw std::bad_alloc();
  };
  check(throws<std::bad_alloc>([&] { latentknn::ThreadPool::shared().run(100, 3, task, nullptr); }),
        "an exception of a task reaches the caller");
  std::atomic<std::size_t> sum{0};
  latentknn::ThreadPool::shared().run(1000, 4, [&](std::size_t index) { sum += index; }, nullptr);
  check(sum == 499500, "every task runs once");
}

}  // namespace

int main() {
  kernels_equal_the_reference();
  cells_out_of_reach_hold_nothing();
  unknown_isa_is_refused();
  bad_rows_change_nothing();
  pool_stops_when_asked();
  pool_passes_exceptions_on();
  return checking::summary();
}
