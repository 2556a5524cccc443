// Tests the core without Python, so that the tests also run cross-compiled under an emulator. They compare every kernel
// of the processor with the contract written as plain loops, byte for byte.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "checking.h"
#include "database.h"
#include "database_cases.h"
#include "isa.h"
#include "layout/layout.h"
#include "linear/rotation.h"
#include "linear/subspace.h"
#include "reference.h"
#include "screening/int8_screen.h"
#include "screening/principal_screen.h"
#include "screening/uniform_screen.h"
#include "search/candidate_lists.h"

namespace {

using cases::FoundAnswers;
using cases::make_rows;
using checking::check;
using checking::throws;
using latentknn::Database;
using latentknn::ElementType;
using latentknn::SearchRequest;
using reference::reference_product;
using reference::reference_similarity;

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
  const std::size_t half = c.rows / 2;  // rows come in two pieces
  database.add({rows.data(), ElementType::float32, half, c.dim}, ids.data(), c.threads, nullptr);
  database.add({rows.data() + half * c.dim, ElementType::float32, c.rows - half, c.dim}, ids.data() + half, c.threads,
               nullptr);

  FoundAnswers answers(c.queries, c.k);
  const std::vector<std::uint8_t> all;
  SearchRequest request{};
  request.queries = {queries.data(), ElementType::float32, c.queries, c.dim};
  request.k = c.k;
  request.threads = c.threads;
  request.allowed = c.masked ? allowed.data() : nullptr;
  request.allowed_count = c.rows;
  request.answers = answers.arrays();
  database.search(request);

  bool equal = std::string(database.isa()) == isa;
  for (std::size_t q = 0; q < c.queries; ++q) {
    const auto expected =
        reference::neighbours(queries.data() + q * c.dim, rows, ids, c.masked ? allowed : all, reference::kNobody);
    equal = equal && answers.equal(q, expected);
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
            if (!checking::chosen(seed)) continue;
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

// Makes points on a circle in few dimensions, where the angles of caps add up exactly, or points anywhere.
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

// Counts the rows that marks skip for a query that looks for similarities of at least `wanted`, and checks that none of
// them reaches it.
std::size_t count_skipped(const latentknn::KernelTable& kernels, const latentknn::Layout& layout,
                          const std::vector<float>& query, double wanted, const std::vector<double>& similarities,
                          const std::string& what) {
  const double norm = reference_product(query.data(), query.data(), query.size());
  const std::vector<float> point = layout.points(query.data(), &norm, 1);
  std::vector<float> products;
  const latentknn::AlignedBuffer<char> packed = layout.caps()->pack(point.data(), 1);
  std::vector<latentknn::Reach> reaches(kernels.of(latentknn::Arithmetic::fp32).query_tile,
                                        latentknn::CellCaps::kNowhere);
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
        const latentknn::Rows view{rows.data(), norms.data(), nullptr, kCount, dim};
        const latentknn::Layout layout(
            kernels, latentknn::principal_directions(kernels, view, std::min(latentknn::Layout::kDirections, dim), 2),
            view, 2, nullptr);
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

// Returns every score of a screen, without cutoffs: (queries, rows).
std::vector<float> all_scores(const latentknn::Screen& screen, const std::vector<char>& queries,
                              std::size_t query_count, std::size_t row_count) {
  const latentknn::ScreenKernel& kernel = screen.kernel();
  const std::size_t tiles = (query_count + kernel.query_tile - 1) / kernel.query_tile;
  std::vector<char> cutoffs(tiles * kernel.query_tile * kernel.cutoff_bytes);
  for (std::size_t q = 0; q < tiles * kernel.query_tile; ++q) kernel.set_cutoff(cutoffs.data(), q, -INFINITY);
  std::vector<std::uint32_t> query_tiles(tiles);
  for (std::uint32_t i = 0; i < tiles; ++i) query_tiles[i] = i;
  std::vector<latentknn::TileVisit> visits;
  for (std::uint32_t tile = 0; tile * kernel.row_tile < row_count; ++tile) {
    visits.push_back({tile, 0, static_cast<std::uint32_t>(tiles)});
  }
  std::vector<latentknn::Hit> hits(visits.size() * kernel.row_tile * tiles * kernel.query_tile + 10000);
  latentknn::ScreenTask task{};
  task.queries = queries.data();
  task.query_count = query_count;
  task.rows = screen.packed_rows();
  task.row_count = row_count;
  task.visits = visits.data();
  task.visit_count = visits.size();
  task.query_tiles = query_tiles.data();
  task.dim = screen.packed_dim();
  task.cutoffs = cutoffs.data();
  task.hits = hits.data();
  task.hit_capacity = hits.size();
  kernel.screen(task);
  std::vector<float> scores(query_count * row_count, NAN);
  for (std::size_t i = 0; i < task.hit_count; ++i) scores[hits[i].query * row_count + hits[i].row] = hits[i].score;
  return scores;
}

void compare_bounds(latentknn::Screen& screen, const std::vector<float>& rows, const std::vector<float>& queries,
                    const std::vector<double>& similarities, std::size_t dim, const std::string& what) {
  const std::size_t row_count = rows.size() / dim, query_count = queries.size() / dim;
  std::vector<double> row_norms(row_count), query_norms(query_count);
  for (std::size_t i = 0; i < row_count; ++i) {
    row_norms[i] = reference_product(rows.data() + i * dim, rows.data() + i * dim, dim);
  }
  for (std::size_t q = 0; q < query_count; ++q) {
    query_norms[q] = reference_product(queries.data() + q * dim, queries.data() + q * dim, dim);
  }
  screen.reserve_rows(row_count);
  screen.pack_rows(rows.data(), row_norms.data(), 0, row_count);
  const latentknn::ScreenKernel& kernel = screen.kernel();
  const std::size_t padded = (query_count + kernel.query_tile - 1) / kernel.query_tile * kernel.query_tile;
  std::vector<char> packed(padded * kernel.query_bytes(screen.packed_dim()));
  std::vector<latentknn::ScoreBound> bounds(query_count);
  screen.pack_queries(queries.data(), query_norms.data(), query_count, packed.data(), bounds.data());
  const std::vector<float> scores = all_scores(screen, packed, query_count, row_count);
  const std::vector<std::uint32_t> unscreened = screen.unscreened_places();
  bool above = true, below = true;
  for (std::size_t q = 0; q < query_count; ++q) {
    for (std::uint32_t i = 0; i < row_count; ++i) {
      if (std::binary_search(unscreened.begin(), unscreened.end(), i)) continue;
      const double similarity = screen.score_scale() * similarities[q * row_count + i];
      const double upper = static_cast<double>(scores[q * row_count + i]) + bounds[q].above;
      above = above && similarity <= upper;
      below = below && (std::isinf(bounds[q].width) || similarity >= upper - bounds[q].width);
    }
  }
  check(above, what + ": no similarity is above its bound");
  check(below, what + ": no similarity is below its bound");
  check(unscreened.size() < row_count, what + ": most rows are screened");
}

// Checks every screen's bounds, on rows of all kinds, in cones and around few points, and on queries that are no rows.
void bounds_hold() {
  constexpr std::size_t kRows = 300, kQueries = 11;
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    const latentknn::KernelTable& kernels = latentknn::select_kernels();
    for (const std::size_t dim : std::initializer_list<std::size_t>{3, 17, 64, 101, 300}) {
      for (const std::string kind : {"mixed", "cone", "points", "equal"}) {
        std::vector<float> rows = make_rows(kRows, dim, 31), queries = make_rows(kQueries, dim, 32);
        if (kind != "mixed") {
          const std::vector<float> noise = make_points(kRows + 4, dim, false, 33);
          const float spread = kind == "cone" ? 0.1f : kind == "points" ? 1e-3f : 0.0f;
          for (std::size_t i = 0; i < kRows * dim; ++i) {
            const std::size_t point = kind == "points" ? i / dim % 4 : 0;
            rows[i] = noise[(kRows + point) * dim + i % dim] + spread * noise[i];
          }
          std::copy_n(rows.begin(), kQueries / 2 * dim, queries.begin());
        }
        std::vector<double> norms(kRows);
        kernels.squared_norms(rows.data(), kRows, dim, norms.data());
        const latentknn::Rows sample{rows.data(), norms.data(), nullptr, kRows, dim};
        std::vector<double> similarities;
        for (std::size_t q = 0; q < kQueries; ++q) {
          for (std::size_t i = 0; i < kRows; ++i) {
            similarities.push_back(reference_similarity(queries.data() + q * dim, rows.data() + i * dim, dim));
          }
        }
        const std::string what = isa + " dim " + std::to_string(dim) + " " + kind;
        constexpr auto kKept = latentknn::UniformScreen::Packed::kept;
        latentknn::UniformScreen fp32 = latentknn::UniformScreen::fp32(kernels, dim, kKept);
        compare_bounds(fp32, rows, queries, similarities, dim, what + " fp32");
        latentknn::UniformScreen int16 = latentknn::UniformScreen::int16(kernels, dim, kKept);
        compare_bounds(int16, rows, queries, similarities, dim, what + " int16");
        latentknn::Int8Screen int8(kernels, std::vector<float>(), dim, sample);
        compare_bounds(int8, rows, queries, similarities, dim, what + " int8");
        const std::vector<float> directions =
            latentknn::principal_directions(kernels, sample, std::min<std::size_t>(dim - 1, 8), 1);
        latentknn::Int8Screen subspace(kernels, directions, dim, sample);
        compare_bounds(subspace, rows, queries, similarities, dim, what + " int8 of a subspace");
        latentknn::PrincipalScreen principal(kernels, directions, dim);
        compare_bounds(principal, rows, queries, similarities, dim, what + " int16 of a subspace");
      }
    }
  }
  unsetenv("LATENTKNN_ISA");
}

// Lengths of components, and of what lies between vectors, are those of real numbers up to the error that is promised.
void rotations_are_orthonormal_and_flat() {
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    for (const std::size_t dim : {1, 2, 3, 7, 17, 64, 101, 257, 784, 1021, 1536}) {
      const latentknn::Rotation rotation(latentknn::select_kernels(), dim);
      const std::string what = isa + " dim " + std::to_string(dim);
      check(rotation.width() >= dim && rotation.width() <= dim + dim / 8 + 1, what + ": little padding");
      // Random vectors, the same number everywhere, a slow wave, and nothing.
      constexpr std::size_t kCount = 19;
      std::vector<float> vectors = make_rows(kCount, dim, 35);
      for (std::size_t j = 0; j < dim; ++j) {
        vectors[j] = 3.0f;
        vectors[dim + j] = static_cast<float>(std::cos(6.0 * static_cast<double>(j) / static_cast<double>(dim)));
        vectors[2 * dim + j] = 0.0f;
      }
      std::vector<double> norms;
      for (std::size_t i = 0; i < kCount; ++i) {
        norms.push_back(reference_product(vectors.data() + i * dim, vectors.data() + i * dim, dim));
      }
      std::vector<float> turned(kCount * rotation.width());
      rotation.rotate(vectors.data(), norms.data(), kCount, turned.data());
      const auto product = [&](std::size_t a, std::size_t b) {
        double sum = 0.0;
        for (std::size_t j = 0; j < rotation.width(); ++j) {
          sum += static_cast<double>(turned[a * rotation.width() + j]) *
                 static_cast<double>(turned[b * rotation.width() + j]);
        }
        return sum;
      };
      bool kept = true;
      const double moved = rotation.error() * (2.0 + rotation.error()) + 1e-12;
      for (std::size_t a = 0; a < kCount; ++a) {
        for (std::size_t b = 0; b < kCount; ++b) {
          const double expected = reference_similarity(vectors.data() + a * dim, vectors.data() + b * dim, dim);
          const bool itself = a == b && norms[a] > 0.0;
          kept = kept && std::abs(product(a, b) - (itself ? 1.0 : expected)) <= moved;
        }
      }
      check(kept, what + ": products are those of the vectors");
      check(rotation.error() < 1e-3, what + ": and nearly exact");
      // Numbers below the normal ones have the same coordinates, as vectors are scaled first.
      std::vector<float> tiny(vectors.begin(), vectors.begin() + static_cast<std::ptrdiff_t>(2 * dim));
      for (float& value : tiny) value *= 0x1p-60f;
      const std::vector<double> tiny_norms{norms[0] * 0x1p-120, norms[1] * 0x1p-120};
      std::vector<float> tiny_turned(2 * rotation.width());
      rotation.rotate(tiny.data(), tiny_norms.data(), 2, tiny_turned.data());
      check(std::equal(tiny_turned.begin(), tiny_turned.end(), turned.begin()), what + ": lengths do not matter");
      float largest = 0.0f;
      for (std::size_t j = 0; j < 2 * rotation.width(); ++j) largest = std::max(largest, std::abs(turned[j]));
      check(dim < 64 || largest < 6.0 / std::sqrt(static_cast<double>(dim)), what + ": no component is large");
    }
  }
  unsetenv("LATENTKNN_ISA");
}

// What int8_screen.h says of sums of 32 bits rests on this.
void rotations_of_screens_have_at_most_4096_dimensions() {
  bool bounded = true;
  for (std::size_t dim = 1; dim <= 4096; ++dim) bounded = bounded && latentknn::Rotation::width_of(dim) <= 4096;
  check(bounded, "rotations of up to 4,096 dimensions are not padded beyond");
}

// Finds where a query's rows lie between their bounds: 0 is the upper one, 1 the lower. Returns the least and the
// largest.
std::pair<double, double> places_between_bounds(const latentknn::Screen& screen, const std::vector<float>& query,
                                                const std::vector<float>& rows, std::size_t dim) {
  const latentknn::ScreenKernel& kernel = screen.kernel();
  const double norm = reference_product(query.data(), query.data(), dim);
  std::vector<char> packed(kernel.query_tile * kernel.query_bytes(screen.packed_dim()));
  latentknn::ScoreBound bound{};
  screen.pack_queries(query.data(), &norm, 1, packed.data(), &bound);
  const std::size_t row_count = rows.size() / dim;
  const std::vector<float> scores = all_scores(screen, packed, 1, row_count);
  const std::vector<std::uint32_t> unscreened = screen.unscreened_places();
  std::pair<double, double> places{INFINITY, -INFINITY};
  for (std::uint32_t i = 0; i < row_count; ++i) {
    if (std::binary_search(unscreened.begin(), unscreened.end(), i)) continue;
    const double similarity = reference_similarity(query.data(), rows.data() + i * dim, dim);
    const double place =
        (static_cast<double>(scores[i]) + bound.above - screen.score_scale() * similarity) / bound.width;
    places = {std::min(places.first, place), std::max(places.second, place)};
  }
  return places;
}

// Climbs from random queries to those whose scores are farthest off: what rounding takes away lies along the rows.
void bounds_hold_where_scores_are_farthest_off() {
  constexpr std::size_t kRows = 100;
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    const latentknn::KernelTable& kernels = latentknn::select_kernels();
    if (kernels.of(latentknn::Arithmetic::int8).wraps) continue;  // then scores bound from above only
    for (const std::size_t dim : std::initializer_list<std::size_t>{2, 3, 6}) {
      const std::vector<float> rows = make_points(kRows, dim, false, 51);
      std::vector<double> norms(kRows);
      kernels.squared_norms(rows.data(), kRows, dim, norms.data());
      const latentknn::Rows sample{rows.data(), norms.data(), nullptr, kRows, dim};
      latentknn::Int8Screen screen(kernels, std::vector<float>(), dim, sample);
      screen.reserve_rows(kRows);
      screen.pack_rows(rows.data(), norms.data(), 0, kRows);
      std::mt19937 random(52);
      std::normal_distribution<float> normal;
      for (const bool up : {true, false}) {
        const auto distance = [&](const std::vector<float>& query) {
          const auto [least, largest] = places_between_bounds(screen, query, rows, dim);
          return up ? least : 1.0 - largest;
        };
        std::vector<float> best = make_points(1, dim, false, 53);
        double nearest = distance(best);
        for (std::size_t step = 0; step < checking::scaled(600); ++step) {
          std::vector<float> other = best;
          for (float& x : other) x += normal(random) * (step % 3 == 0 ? 0.3f : 0.01f);
          const double reached = distance(other);
          if (reached < nearest) {
            nearest = reached;
            best = other;
          }
        }
        const std::string what = isa + " dim " + std::to_string(dim) + (up ? " above" : " below");
        check(nearest >= 0.0, what + ": no score is off by more than its bound");
        check(nearest < 0.2 || checking::scale() < 1, what + ": some score nearly is: " + std::to_string(nearest));
      }
    }
  }
  unsetenv("LATENTKNN_ISA");
}

// Widths change between additions, and lists are shortened in every way meanwhile.
void widths_stay_with_the_rows_that_were_listed() {
  struct Row {
    float upper;
    double lower;
  };
  std::mt19937 random(19);
  const double widths[] = {0.5, INFINITY, 0.01, 0.1};
  bool sound = true, close = true, same = true;
  for (int trial = 0; trial < 200; ++trial) {
    latentknn::CandidateLists lists(latentknn::select_kernels());
    lists.start(1, 3000);
    std::vector<Row> all;  // by place
    std::set<std::uint32_t> listed;
    std::size_t changed = 0;
    for (int step = 0; step < 30; ++step) {
      const double width = widths[random() % 4];
      lists.set_width(0, width);
      for (unsigned i = random() % 60; i > 0; --i) {
        const float upper = static_cast<float>(random() % 1000) / 1000.0f;
        const auto place = static_cast<std::uint32_t>(all.size());
        lists.add(0, upper, place);
        all.push_back({upper, static_cast<double>(upper) - width});
        listed.insert(place);
      }
      const std::size_t rank = 1 + random() % 20;
      const double value = lists.reached_by(0, rank, -INFINITY);
      const auto reaching = [&](double least) {
        return static_cast<std::size_t>(std::count_if(listed.begin(), listed.end(),
                                                      [&](std::uint32_t place) { return all[place].lower >= least; }));
      };
      sound = sound && (value == -INFINITY || reaching(value) >= rank);
      changed += value == -INFINITY ? 0 : 1;
      const unsigned way = random() % 6;
      std::vector<std::uint32_t> taken;
      std::vector<latentknn::Listed> every;
      if (way == 0) {
        const double least = static_cast<double>(random() % 500) / 1000.0;
        lists.keep_above(0, least);
        std::erase_if(listed, [&](std::uint32_t place) { return static_cast<double>(all[place].upper) < least; });
      } else if (way == 1) {
        lists.keep_places(0, [](std::uint32_t place) { return place % 3 != 0; });
        std::erase_if(listed, [](std::uint32_t place) { return place % 3 == 0; });
      } else if (way == 2) {
        lists.take_likeliest(0, 10, -INFINITY, taken);
      } else if (way == 3) {
        lists.take_all(0, every);
      }
      for (const std::uint32_t place : taken) listed.erase(place);
      for (const latentknn::Listed& row : every) listed.erase(row.place);
      same = same && lists.size(0) == listed.size();
    }
    close = close && changed > 5;
  }
  check(sound, "rows that are listed have the similarity that is said of them");
  check(close, "and something is said");
  check(same, "lists have the rows that were not taken");
}

// Compares lists with sorting, with ties, widths that change, rows that nothing bounds from below, and ranks up to the
// whole list.
void lists_are_shortened_rightly() {
  std::mt19937 random(9);
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    latentknn::CandidateLists lists(latentknn::select_kernels());
    bool reached = true, near = true, likeliest = true, all = true;
    for (int trial = 0; trial < 300; ++trial) {
      const std::size_t count = 1 + random() % 900, rank = 1 + random() % count;
      const unsigned distinct = trial % 3 == 0 ? 5 : 1000000;  // ties
      const std::vector<double> widths =
          trial % 5 == 0 ? std::vector<double>{INFINITY, 0.1} : std::vector<double>{0.1, 0.3, 0.02};
      std::vector<float> uppers;
      std::vector<double> lowers;
      lists.start(2, count + 1);
      for (std::uint32_t i = 0; i < count; ++i) {
        const std::size_t part = i * widths.size() / count;
        lists.set_width(1, widths[part]);
        uppers.push_back(static_cast<float>(random() % distinct) / static_cast<float>(distinct));
        // Rows that came before have the largest width of those that are no longer used.
        const std::size_t last = (count - 1) * widths.size() / count;
        const auto end = widths.begin() + static_cast<std::ptrdiff_t>(last);
        const double width = part == last ? widths[last] : *std::max_element(widths.begin(), end);
        lowers.push_back(static_cast<double>(uppers[i]) - width);
        lists.add(1, uppers[i], i);
      }
      std::vector<double> sorted = lowers;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      const double value = lists.reached_by(1, rank, -INFINITY);
      const auto reaching = std::count_if(lowers.begin(), lowers.end(), [&](double lower) { return lower >= value; });
      reached = reached && sorted[rank - 1] >= value && reaching >= static_cast<long>(rank);
      const auto above =
          std::count_if(lowers.begin(), lowers.end(), [&](double lower) { return lower > value + 3e-7; });
      near = near && (reaching <= static_cast<long>(rank + rank / 8) || above < static_cast<long>(rank));

      std::vector<std::uint32_t> taken;
      lists.take_likeliest(1, rank, -INFINITY, taken);
      all = all && taken.size() >= rank && taken.size() + lists.size(1) == count;
      float least = INFINITY;
      for (const std::uint32_t place : taken) least = std::min(least, uppers[place]);
      std::vector<latentknn::Listed> left;
      lists.take_all(1, left);
      for (const latentknn::Listed& row : left) likeliest = likeliest && row.upper <= least;
    }
    check(reached, isa + ": as many reach the value as asked for");
    check(near, isa + ": and not many more, but for ties");
    check(all, isa + ": at least so many are taken, and the others stay");
    check(likeliest, isa + ": none that stays is likelier");
  }
  unsetenv("LATENTKNN_ISA");
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

}  // namespace

int main() {
  kernels_equal_the_reference();
  cells_out_of_reach_hold_nothing();
  bounds_hold();
  rotations_are_orthonormal_and_flat();
  rotations_of_screens_have_at_most_4096_dimensions();
  bounds_hold_where_scores_are_farthest_off();
  lists_are_shortened_rightly();
  widths_stay_with_the_rows_that_were_listed();
  unknown_isa_is_refused();
  bad_rows_change_nothing();
  return checking::summary();
}
