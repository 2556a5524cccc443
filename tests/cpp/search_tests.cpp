// Tests the stages of a search, each by itself.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "checking.h"
#include "choice/choose_screen.h"
#include "choice/strategy.h"
#include "isa.h"
#include "layout/layout.h"
#include "linear/subspace.h"
#include "reference.h"
#include "screening/int8_screen.h"
#include "screening/ladder.h"
#include "screening/uniform_screen.h"
#include "search/answers.h"
#include "search/block_search.h"
#include "search/cell_visits.h"
#include "search/comparison.h"
#include "search/exact_scorer.h"
#include "search/first_thresholds.h"
#include "search/guesses.h"
#include "search/place_set.h"
#include "search/placed_queries.h"
#include "search/plan.h"
#include "search/queries.h"
#include "search/rescoring.h"
#include "search/rung_choice.h"
#include "search/screened_search.h"
#include "search/tile_ladder.h"
#include "search/top_k.h"
#include "search/value_of_rank.h"

namespace {

using namespace latentknn;
using checking::check;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void pack(Ladder& ladder, const Rows& rows, const Layout& layout) {
  ladder.reserve_rows(rows.count);
  for (std::size_t at = 0; at < rows.count; at += kRowsAtOnce) {
    const GatheredRows some(rows, layout.order().data() + at, std::min(kRowsAtOnce, rows.count - at));
    ladder.pack_rows(some.values.data(), some.squared_norms.data(), at, some.squared_norms.size());
  }
}

// Rows in clusters of a given width, queries from the same clusters, and everything that a search among them needs.
struct Problem {
  Problem(std::size_t rows, std::size_t queries, std::size_t dim_, std::size_t k, float width,
          std::size_t clusters = 10)
      : kernels(select_kernels()), dim(dim_), values(clustered(rows, dim, width, clusters, 1)), norms(rows) {
    kernels.squared_norms(values.data(), rows, dim, norms.data());
    view = {values.data(), norms.data(), nullptr, rows, dim};
    const std::vector<float> asked = clustered(queries, dim, width, clusters, 2);
    found.resize(queries, k);
    request.k = k;
    request.threads = 1;
    request.answers = found.arrays();
    batch = std::make_unique<Queries>(kernels, Matrix{asked.data(), ElementType::float32, queries, dim}, 1, nullptr);
    search = std::make_unique<Search>(Search{kernels, view, *batch, request, nullptr, statistics});
    layout = std::make_unique<Layout>(kernels, principal_directions(kernels, view, Layout::kDirections, 1), view, 1,
                                      nullptr);
  }

  static std::vector<float> clustered(std::size_t count, std::size_t dim, float width, std::size_t clusters,
                                      unsigned seed) {
    std::mt19937 centre_random(7), random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> centres(clusters * dim);
    for (float& value : centres) value = normal(centre_random);
    std::vector<float> vectors(count * dim);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t centre = random() % clusters;
      for (std::size_t j = 0; j < dim; ++j) vectors[i * dim + j] = centres[centre * dim + j] + width * normal(random);
    }
    return vectors;
  }

  // Makes a ladder of 8 bits, and of float32 whose rows are packed when they are needed.
  Ladder make_ladder() const {
    Ladder ladder;
    ladder.screens.push_back(std::make_unique<Int8Screen>(kernels, std::vector<float>(), dim, view));
    ladder.screens.push_back(
        std::make_unique<UniformScreen>(UniformScreen::fp32(kernels, dim, UniformScreen::Packed::each_time)));
    pack(ladder, view, *layout);
    return ladder;
  }

  double similarity_of(std::size_t query, std::size_t row) const {
    return reference::reference_similarity(batch->vector(query), values.data() + row * dim, dim);
  }

  // Returns the rows in order of their similarity to a query, the nearest first; they are sorted when they are first
  // asked for.
  const std::vector<std::size_t>& nearest(std::size_t query) const {
    std::vector<std::size_t>& order = orders.try_emplace(query).first->second;
    if (!order.empty()) return order;
    std::vector<double> scores(view.count);
    for (std::size_t row = 0; row < view.count; ++row) scores[row] = similarity_of(query, row);
    order.resize(view.count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
    return order;
  }

  // Whether the answers to the first `queries` queries are those of the contract.
  bool answers_are_right(std::size_t queries) const {
    for (std::size_t query = 0; query < queries; ++query) {
      const std::vector<std::size_t>& expected = nearest(query);
      for (std::size_t i = 0; i < request.k; ++i) {
        const std::size_t at = query * request.k + i;
        if (found.positions[at] != static_cast<std::int64_t>(expected[i])) return false;
        if (found.scores[at] != similarity_of(query, expected[i])) return false;
      }
    }
    return true;
  }

  struct Found {
    void resize(std::size_t queries, std::size_t k) {
      similarities.resize(queries * k);
      positions.resize(queries * k, -1);
      ids.resize(queries * k);
      scores.resize(queries * k);
    }
    AnswerArrays arrays() { return {similarities.data(), positions.data(), ids.data(), scores.data()}; }

    std::vector<float> similarities;
    std::vector<std::int64_t> positions, ids;
    std::vector<double> scores;
  };

  const KernelTable& kernels;
  std::size_t dim;
  std::vector<float> values;
  std::vector<double> norms;
  Rows view{};
  Found found;
  SearchRequest request{};
  SearchStatistics statistics;
  std::unique_ptr<Queries> batch;
  std::unique_ptr<Search> search;
  std::unique_ptr<Layout> layout;
  mutable std::map<std::size_t, std::vector<std::size_t>> orders;
};

std::vector<std::size_t> first_numbers(std::size_t count) {
  std::vector<std::size_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  return numbers;
}

void queries_are_rounded_once() {
  const KernelTable& kernels = select_kernels();
  const std::size_t count = 3000, dim = 70;  // enough rows for several tasks
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> numbers(count * dim);
  for (double& number : numbers) number = normal(random);
  const Matrix matrix{numbers.data(), ElementType::float64, count, dim};
  const Queries queries(kernels, matrix, 2, nullptr);
  std::vector<float> rounded(numbers.begin(), numbers.end());
  std::vector<double> norms(count);
  kernels.squared_norms(rounded.data(), count, dim, norms.data());
  std::fill(numbers.begin(), numbers.end(), 0.0);
  check(std::equal(rounded.begin(), rounded.end(), queries.vector(0)), "queries stay what they were when they came");
  check(std::equal(norms.begin(), norms.end(), queries.squared_norms()), "queries have their norms");

  for (const std::size_t bad : {2900, 1500, 17}) numbers[bad * dim + 3] = std::numeric_limits<double>::quiet_NaN();
  std::size_t refused = count;
  try {
    const Queries none(kernels, matrix, 2, nullptr);
  } catch (const InvalidRow& invalid) {
    refused = invalid.row;
  }
  check(refused == 17, "the first bad query is named, " + std::to_string(refused));
}

void queries_are_placed_in_order() {
  const Problem problem(3000, 700, 24, 5, 0.5f);
  const PlacedQueries placed(*problem.search, *problem.layout);
  std::vector<std::size_t> sorted = placed.queries;
  std::sort(sorted.begin(), sorted.end());
  check(sorted == first_numbers(700), "each query has one place");
  check(std::is_sorted(placed.places.begin(), placed.places.end()), "queries stand in the order of their places");
  bool own_points = true;
  const std::size_t width = problem.layout->width();
  for (std::size_t i = 0; i < placed.queries.size(); i += 50) {
    const std::size_t query = placed.queries[i];
    const std::vector<float> point =
        problem.layout->points(problem.batch->vector(query), problem.batch->squared_norms() + query, 1);
    own_points =
        own_points && std::equal(point.begin(), point.end(), placed.points.begin() + static_cast<long>(i * width));
  }
  check(own_points, "queries come with their points");
}

void plans_cover_all_queries() {
  bool covered = true, whole = true;
  for (const std::size_t queries : {1, 7, 64, 1000, 3001}) {
    for (const std::size_t k : {1, 10, 400}) {
      Problem problem(3000, queries, 16, k, 0.5f);
      const Ladder ladder = problem.make_ladder();
      for (const std::size_t threads : {1, 2, 16}) {
        problem.request.threads = threads;
        for (const SearchPlan& plan :
             {plan_exhaustive(*problem.search, 3000), plan_screened(*problem.search, ladder, *problem.layout)}) {
          covered = covered && plan.query_block * plan.blocks >= queries && plan.shards >= 1 &&
                    plan.query_block * (plan.blocks - 1) < queries;
          whole = whole && (!ThreadPool::is_little(plan.work) || plan.shards == 1 || plan.tasks() == plan.shards);
        }
        const SearchPlan little = plan_screened(*problem.search, ladder, *problem.layout);
        whole = whole && (threads > 1 && !ThreadPool::is_little(little.work) ? true : little.shards == 1);
      }
    }
  }
  check(covered, "blocks cover all queries, and none is empty");
  check(whole, "what one thread does is not cut into shards");
}

void rows_are_cut_where_threads_lack_queries() {
  const auto plan_for = [](std::size_t queries, std::size_t k) {
    Problem problem(40000, queries, 128, k, 0.5f);
    problem.request.threads = 2;
    return plan_screened(*problem.search, problem.make_ladder(), *problem.layout);
  };
  check(plan_for(1, 1).shards > 1, "threads share the rows of one query");
  for (const std::size_t queries : {1, 500, 3000}) {
    const SearchPlan plan = plan_for(queries, 0);
    check(plan.tasks() <= 16 && (queries == 1 || plan.shards <= 2),
          std::to_string(queries) + " queries of a range search, shards " + std::to_string(plan.shards));
  }
  for (const auto [queries, k] : {std::pair<std::size_t, std::size_t>{1000, 1}, {1000, 100}, {48, 100}}) {
    const SearchPlan plan = plan_for(queries, k);
    check(plan.shards == 1 && plan.blocks > 1, std::to_string(queries) + " queries are shared, k = " +
                                                   std::to_string(k) + ", shards " + std::to_string(plan.shards));
  }
}

void cells_are_visited_once() {
  const Problem problem(5000, 150, 24, 5, 0.5f);
  const PlacedQueries placed(*problem.search, *problem.layout);
  const std::size_t tile = problem.kernels.of(Arithmetic::int8).query_tile;
  const std::size_t cells = (5000 + problem.layout->cell_rows() - 1) / problem.layout->cell_rows();
  CellVisits visits(*problem.layout, tile);
  const Window window{cells / 4, cells};
  const std::size_t begin = 30, end = 150;
  visits.start(placed, begin, end, window);
  const std::vector<double> anything(end - begin, -kInfinity);
  std::vector<std::size_t> times(visits.tiles() * cells);
  const std::size_t all = window.end - window.begin;
  for (const std::size_t width : {std::size_t{2}, std::size_t{9}, all / 2, all}) {
    visits.widen(width);
    for (const std::size_t run : visits.runs()) {
      const Window entered = visits.enter(run, anything);
      for (std::size_t cell = entered.begin; cell < entered.end; ++cell) {
        for (std::size_t t = 0; t < visits.tiles(); ++t) times[t * cells + cell] += visits.wants(cell, t) ? 1 : 0;
      }
    }
  }
  bool once = true;
  for (std::size_t t = 0; t < visits.tiles(); ++t) {
    for (std::size_t cell = 0; cell < cells; ++cell) {
      once = once && times[t * cells + cell] == (window.contains(cell) ? 1u : 0u);
    }
  }
  check(once, "each tile visits every cell of its shard once, and no other");
}

// An instruction set need not have all arithmetics.
void any_arithmetics_will_do() {
  Problem problem(5000, 90, 48, 6, 0.3f);
  for (const std::vector<Arithmetic>& missing : {std::vector{Arithmetic::int8}, std::vector{Arithmetic::int16},
                                                 std::vector{Arithmetic::int8, Arithmetic::int16}}) {
    KernelTable kernels = problem.kernels;
    for (const Arithmetic arithmetic : missing) kernels.screens[static_cast<std::size_t>(arithmetic)] = {};
    for (const std::string& name : strategy_names()) {
      const Strategy strategy = strategy_from_name(name);
      const std::vector<float> directions = directions_for(strategy, kernels, problem.view, 5000, 1);
      const Layout layout(kernels, directions, problem.view, 1, nullptr);
      Choice choice = choose_screen(strategy, kernels, problem.view, 5000, directions, layout, 1);
      if (choice.ladder.empty()) continue;
      pack(choice.ladder, problem.view, layout);
      const Search search{kernels, problem.view, *problem.batch, problem.request, nullptr, problem.statistics};
      problem.found.resize(0, 0);
      problem.found.resize(90, 6);
      problem.request.answers = problem.found.arrays();
      screened_search(search, choice.ladder, layout);
      check(problem.answers_are_right(90), name + " answers rightly without " + std::to_string(missing.size()) +
                                               " of the arithmetics, by " + choice.ladder.cheapest().name());
    }
  }
}

// Guesses of thresholds are worth the more, the more cells queries reach: without a prediction they would be made as if
// queries reached all.
void every_strategy_predicts_what_is_reached() {
  for (const std::size_t dim : {std::size_t{10}, std::size_t{24}}) {
    const Problem problem(5000, 1, dim, 5, 0.05f);
    for (const std::string& name : strategy_names()) {
      const Strategy strategy = strategy_from_name(name);
      if (strategy == Strategy::float64) continue;
      const std::vector<float> directions = directions_for(strategy, problem.kernels, problem.view, 5000, 1);
      const Layout layout(problem.kernels, directions, problem.view, 1, nullptr);
      const Choice choice = choose_screen(strategy, problem.kernels, problem.view, 5000, directions, layout, 1);
      check(choice.reached > 0.0 && choice.reached < 0.9,
            name + " predicts what is reached of tight clusters in " + std::to_string(dim) + " dimensions");
    }
  }
}

// Queries that a subspace leaves too many rows go on in all dimensions, which does not help where those leave all too.
void no_subspace_is_forecast_to_tell_equal_rows_apart() {
  const Problem problem(5000, 1, 64, 5, 0.0f, 1);
  const Strategy strategy = Strategy::automatic;
  const std::vector<float> directions = directions_for(strategy, problem.kernels, problem.view, 5000, 1);
  const Layout layout(problem.kernels, directions, problem.view, 1, nullptr);
  const Choice choice = choose_screen(strategy, problem.kernels, problem.view, 5000, directions, layout, 1);
  bool all = !choice.considered.empty();
  for (const Consideration& considered : choice.considered) all = all && considered.candidates > 4900.0;
  check(all, "no screen is forecast to tell equal rows apart");
}

void shards_answer_as_one() {
  const std::size_t queries = 40, k = 6, rows = 500, shards = 3;
  Problem problem(rows, queries, 16, k, 0.5f);
  Answers answers(*problem.search, shards);
  std::mt19937 random(5);
  bool raised = true;
  for (std::size_t query = 0; query < queries; ++query) {
    for (const std::size_t shard : {std::size_t{2}, std::size_t{0}, std::size_t{1}}) {
      TopK best(k, nullptr);
      for (std::size_t row = shard; row < rows; row += shards) {
        best.push(problem.similarity_of(query, row), static_cast<std::uint32_t>(row));
      }
      answers.put(query, shard, best);
    }
    answers.raise_threshold(query, 0.25);
    answers.raise_threshold(query, -0.5);
    raised = raised && answers.threshold(query) == 0.25;
  }
  answers.merge();
  check(problem.answers_are_right(queries), "the best of all shards are the best of all rows");
  check(raised, "a threshold is never lowered");
}

void answers_of_any_length_are_sorted() {
  std::mt19937 random(13);
  // Similarities that are apart, few, equal, as near to zero as numbers can be, and all but one nearly equal.
  struct Kind {
    double step;
    unsigned distinct;
    bool outlier;
  };
  for (const Kind kind : {Kind{0x1p-20, 5000, false}, Kind{0.25, 3, false}, Kind{0.0, 5000, false},
                          Kind{0x1p-1074, 5000, false}, Kind{0x1p-45, 5000, true}}) {
    for (const std::size_t k : {1, 127, 128, 1000, 5000}) {
      std::vector<std::int64_t> ids(2 * k);
      // Float64 does not tell large ids apart.
      std::iota(ids.begin(), ids.end(), kind.outlier || k == 127 ? std::int64_t{1} << 62 : std::int64_t{-7});
      std::shuffle(ids.begin(), ids.end(), random);
      TopK best(k, ids.data());
      std::vector<ScoredRow> all;
      for (std::uint32_t row = 0; row < ids.size(); ++row) {
        const double similarity = kind.step * (static_cast<double>(random() % kind.distinct) - 4.0);
        // Similarities of zero have either sign.
        all.push_back({kind.outlier && row == 5 ? 1.0 : similarity == 0.0 && row % 2 == 0 ? -0.0 : similarity, row});
        best.push(all.back().score, row);
      }
      std::sort(all.begin(), all.end(), ContractOrder(ids.data()));
      const std::vector<ScoredRow>& sorted = best.sorted();
      bool same = sorted.size() == k;
      for (std::size_t i = 0; i < k; ++i) same = same && sorted[i].row == all[i].row && sorted[i].score == all[i].score;
      check(same, "the best of twice " + std::to_string(k) + " rows are in the contract's order");
    }
  }
}

void values_of_a_rank_are_found_by_counting() {
  const KernelTable& kernels = select_kernels();
  std::mt19937 random(11);
  bool reached = true, close = true;
  for (const std::size_t count : {1, 15, 16, 700}) {
    std::vector<float> values(count);
    // Few distinct values in every other case.
    for (float& value : values) value = static_cast<float>(random() % (count % 2 == 0 ? 7 : 1000)) / 1000.0f - 0.5f;
    std::vector<float> sorted = values;
    std::sort(sorted.rbegin(), sorted.rend());
    const auto counted = [&](float least) { return kernels.count_at_least(values.data(), count, least); };
    for (const std::size_t rank : {std::size_t{1}, (count + 1) / 2, count}) {
      const float found = bound_of_rank(rank, -2.0, counted);
      const auto reaching = static_cast<std::size_t>(
          std::count_if(values.begin(), values.end(), [found](float value) { return value >= found; }));
      const auto needed = static_cast<std::size_t>(
          std::count_if(values.begin(), values.end(), [&](float value) { return value >= sorted[rank - 1]; }));
      reached = reached && reaching >= rank;
      close = close && reaching <= std::max(needed, rank + rank / 8);
    }
    reached = reached && bound_of_rank(count, 0.6, counted) == -kInfinity;
  }
  check(reached, "so many values reach the value of a rank");
  check(close, "not many more do");
}

// What a problem for guesses is like.
struct Guessing {
  float width;
  std::size_t clusters;
  bool masked;
  bool among_themselves;
  bool equal;
};

void guesses_are_reached() {
  const std::size_t rows = 6000, queries = 70, dim = 24, k = 300;
  for (const Guessing& kind : {Guessing{1.0f, 1, false, false, false}, Guessing{0.2f, 40, false, false, false},
                               Guessing{0.5f, 6, true, false, false}, Guessing{0.5f, 6, false, true, false},
                               Guessing{0.0f, 3, false, false, true}}) {
    Problem problem(rows, queries, dim, k, kind.width, kind.clusters);
    std::vector<std::uint8_t> flags(rows);
    for (std::size_t row = 0; row < rows; ++row) flags[row] = row % 5 != 0;
    if (kind.masked) problem.request.allowed = flags.data();
    std::vector<std::uint32_t> own(queries);
    std::iota(own.begin(), own.end(), 50u);
    const Queries same(problem.values.data() + 50 * dim, problem.norms.data() + 50, queries, dim);
    const Search search{problem.kernels,
                        problem.view,
                        kind.among_themselves ? same : *problem.batch,
                        problem.request,
                        kind.among_themselves ? own.data() : nullptr,
                        problem.statistics};
    const std::vector<double> guesses = guess_thresholds(search, *problem.layout, false);
    check(guesses.size() == queries, "thresholds are guessed where many neighbours are wanted");
    check(guess_thresholds(search, *problem.layout, true).empty() == kind.equal,
          "but for another way, where guesses say little");
    std::size_t too_high = 0, useful = 0;
    for (std::size_t q = 0; q < guesses.size(); ++q) {
      std::size_t reaching = 0;
      for (std::size_t row = 0; row < rows; ++row) {
        const double similarity =
            reference::reference_similarity(search.queries.vector(q), problem.values.data() + row * dim, dim);
        reaching += search.admits(q, static_cast<std::uint32_t>(row)) && similarity >= guesses[q] ? 1 : 0;
      }
      too_high += reaching < k ? 1 : 0;
      useful += reaching < 4 * k ? 1 : 0;
    }
    check(too_high == 0, "guesses are reached by k rows, but " + std::to_string(too_high));
    check(kind.equal || useful == queries, "and by few more, of queries " + std::to_string(useful));
  }
  const Problem tied(6000, 40, dim, k, 0.0f, 3);
  screened_search(*tied.search, tied.make_ladder(), *tied.layout);
  check(tied.answers_are_right(40), "ties are found where guesses say little");
  const Problem few(6000, 70, 24, 5, 0.5f);
  check(guess_thresholds(*few.search, *few.layout, false).empty(),
        "nothing is guessed where few neighbours are wanted");
}

// Guesses that are too high for some queries, and right or too low for others.
void refuted_guesses_lose_no_neighbour() {
  const std::size_t rows = 5000, queries = 90, k = 40;
  for (const std::size_t threads : {1, 64}) {
    Problem problem(rows, queries, 24, k, 0.5f);
    problem.request.threads = threads;
    const Ladder ladder = problem.make_ladder();
    std::vector<double> guesses(queries);
    for (std::size_t q = 0; q < queries; ++q) {
      const std::vector<std::size_t>& nearest = problem.nearest(q);
      const std::size_t rank = std::vector<std::size_t>{0, k - 2, k - 1, k, 3 * k, rows - 1}[q % 6];
      guesses[q] = q % 18 == 17 ? 2.0 : problem.similarity_of(q, nearest[rank]);
    }
    Search search = *problem.search;
    search.guesses = guesses.data();
    const SearchPlan plan = plan_screened(search, ladder, *problem.layout);
    check(threads == 1 || plan.shards > 1, "rows are searched in shards too");
    screened_search(search, ladder, *problem.layout);
    check(problem.answers_are_right(queries), "queries whose guesses were too high are searched for again");

    Answers answers(search, 1);
    for (std::size_t q = 0; q < queries; ++q) {
      TopK best(k, nullptr);
      for (std::size_t row = 0; row < rows; ++row) {
        const double similarity = problem.similarity_of(q, row);
        if (similarity >= guesses[q]) best.push(similarity, static_cast<std::uint32_t>(row));
      }
      answers.put(q, 0, best);
    }
    bool named = true;
    const std::vector<std::size_t> refuted = answers.refuted();
    for (std::size_t q = 0; q < queries; ++q) {
      named = named && std::binary_search(refuted.begin(), refuted.end(), q) == (q % 6 < 2 || q % 18 == 17);
    }
    check(named, "answers know which guesses were too high");
  }
}

bool finds_maxima() { return select_kernels().of(Arithmetic::int8).maxima != nullptr; }

// Thresholds that are found before any row is listed.
void first_thresholds_are_reached() {
  if (!finds_maxima()) return;
  const std::size_t rows = 6000, queries = 70, dim = 24;
  for (const std::size_t k : {1, 10, 90}) {
    for (const bool among_themselves : {false, true}) {
      Problem problem(rows, queries, dim, k, 0.5f, 6);
      const Ladder ladder = problem.make_ladder();
      std::vector<std::uint32_t> own(queries);
      std::iota(own.begin(), own.end(), 50u);
      const Queries same(problem.values.data() + 50 * dim, problem.norms.data() + 50, queries, dim);
      Search search{problem.kernels,
                    problem.view,
                    among_themselves ? same : *problem.batch,
                    problem.request,
                    among_themselves ? own.data() : nullptr,
                    problem.statistics};
      check(FirstThresholds::possible(search, ladder, 1), "tiles find maxima");
      const PlacedQueries placed(search, *problem.layout);
      std::vector<float> vectors;
      std::vector<double> norms;
      for (const std::size_t query : placed.queries) {
        vectors.insert(vectors.end(), search.queries.vector(query), search.queries.vector(query) + dim);
        norms.push_back(search.queries.squared_norms()[query]);
      }
      TileLadder tiles(search, ladder, *problem.layout);
      tiles.start(vectors.data(), norms.data(), queries);
      const std::size_t cells = (rows + problem.layout->cell_rows() - 1) / problem.layout->cell_rows();
      CellVisits visits(*problem.layout, ladder.cheapest().kernel().query_tile);
      visits.start(placed, 0, queries, {0, cells});
      FirstThresholds first(search, ladder, *problem.layout);
      const std::size_t compared = first.raise(visits, {0, cells}, tiles);
      check(compared > 0 && compared < cells, "the full cells around a tile's place are compared, " +
                                                  std::to_string(compared) + " of " + std::to_string(cells));
      std::size_t too_high = 0, useful = 0;
      for (std::size_t q = 0; q < queries; ++q) {
        std::size_t reaching = 0;
        for (std::size_t row = 0; row < rows; ++row) {
          const double similarity =
              reference::reference_similarity(vectors.data() + q * dim, problem.values.data() + row * dim, dim);
          reaching +=
              search.admits(placed.queries[q], static_cast<std::uint32_t>(row)) && similarity >= tiles.thresholds()[q]
                  ? 1
                  : 0;
        }
        too_high += reaching < k ? 1 : 0;
        useful += reaching < rows / 4 ? 1 : 0;
      }
      check(too_high == 0, "first thresholds are reached by k rows, but " + std::to_string(too_high));
      check(useful > queries * 9 / 10, "and not by most of the others, of queries " + std::to_string(useful));
    }
  }
}

// Rows that no screen says anything about, which are scored exactly before, and windows away from the queries.
void first_thresholds_leave_out_what_scores_say_nothing_about() {
  if (!finds_maxima()) return;
  const std::size_t rows = 5000, queries = 40, dim = 64, k = 3;
  // The rows of the sample are near each other, so that steps are small. The others lie on the other side.
  Problem problem(rows, queries, dim, k, 0.05f, 1);
  for (std::size_t i = 3000 * dim; i < rows * dim; ++i) problem.values[i] = -problem.values[i];
  Ladder ladder;
  const Rows sample{problem.values.data(), problem.norms.data(), nullptr, 3000, dim};
  ladder.screens.push_back(std::make_unique<Int8Screen>(problem.kernels, std::vector<float>(), dim, sample));
  problem.layout = std::make_unique<Layout>(problem.kernels,
                                            principal_directions(problem.kernels, problem.view, Layout::kDirections, 1),
                                            problem.view, 1, nullptr);
  pack(ladder, problem.view, *problem.layout);
  check(ladder.unscreened_places().size() > 500, "many rows are unscreened");
  const PlacedQueries placed(*problem.search, *problem.layout);
  std::vector<float> vectors;
  std::vector<double> norms;
  for (const std::size_t query : placed.queries) {
    vectors.insert(vectors.end(), problem.batch->vector(query), problem.batch->vector(query) + dim);
    norms.push_back(problem.batch->squared_norms()[query]);
  }
  TileLadder tiles(*problem.search, ladder, *problem.layout);
  CellVisits visits(*problem.layout, ladder.cheapest().kernel().query_tile);
  FirstThresholds first(*problem.search, ladder, *problem.layout);
  const std::size_t cells = (rows + problem.layout->cell_rows() - 1) / problem.layout->cell_rows();
  // One object serves one block after another.
  for (const Window window : {Window{0, cells}, Window{0, 9}, Window{cells / 2, cells}, Window{cells - 11, cells - 1},
                              Window{cells - 1, cells}}) {
    tiles.start(vectors.data(), norms.data(), queries);
    visits.start(placed, 0, queries, window);
    const std::size_t compared = first.raise(visits, window, tiles);
    check(compared <= window.end - window.begin && (compared > 0) == (window.end - window.begin > 1),
          "whole cells of the window are compared, " + std::to_string(compared));
    std::size_t too_high = 0;
    for (std::size_t q = 0; q < queries; ++q) {
      std::size_t reaching = 0;
      for (std::size_t place = window.begin * problem.layout->cell_rows();
           place < std::min(rows, window.end * problem.layout->cell_rows()); ++place) {
        reaching += reference::reference_similarity(vectors.data() + q * dim,
                                                    problem.values.data() + problem.layout->order()[place] * dim,
                                                    dim) >= tiles.thresholds()[q]
                        ? 1
                        : 0;
      }
      too_high += reaching < k ? 1 : 0;
    }
    check(too_high == 0, "thresholds are reached by k rows of the window, but " + std::to_string(too_high));
  }
}

// Where rows are not admitted, known or cannot be bounded from below, their maxima say nothing.
void first_thresholds_know_when_they_say_nothing() {
  if (!finds_maxima()) return;
  Problem problem(3000, 20, 24, 5, 0.5f);
  const Ladder ladder = problem.make_ladder();
  std::vector<double> known(20, -kInfinity);
  problem.request.at_least = known.data();
  check(FirstThresholds::possible(*problem.search, ladder, 1), "nothing is known of the neighbours");
  check(FirstThresholds::possible(*problem.search, ladder, 10), "each shard has enough rows for its maxima");
  check(!FirstThresholds::possible(*problem.search, ladder, 20), "no shard has enough rows for its maxima");
  known[7] = 0.5;
  check(!FirstThresholds::possible(*problem.search, ladder, 1), "a threshold is known");
  problem.request.at_least = nullptr;
  const std::vector<std::uint8_t> flags(3000, 1);
  problem.request.allowed = flags.data();
  check(!FirstThresholds::possible(*problem.search, ladder, 1), "rows may be left out");
  problem.request.allowed = nullptr;
  Search behind = *problem.search;
  behind.only_behind = true;
  check(!FirstThresholds::possible(behind, ladder, 1), "rows before a query are left out");
  Ladder in_float = problem.make_ladder();
  in_float.begins_on = 1;
  check(!FirstThresholds::possible(*problem.search, in_float, 1), "float32 has no kernel for maxima");
}

// A look finds rows of the part, and never more of it than there are: k may be nearly half of the rows.
void looks_find_rows_that_are_near() {
  for (const std::size_t k : {5, 300, 2499}) {
    for (const std::size_t begins_on : {0, 1}) {
      Problem problem(5000, 12, 24, k, 0.5f);
      Ladder ladder = problem.make_ladder();
      ladder.begins_on = begins_on;
      look_near(*problem.search, ladder, *problem.layout);
      bool real = true, many = true;
      for (std::size_t query = 0; query < 12; ++query) {
        std::size_t found = 0;
        for (; found < k && problem.found.positions[query * k + found] >= 0; ++found) {
          const std::size_t at = query * k + found;
          const auto row = static_cast<std::size_t>(problem.found.positions[at]);
          real = real && problem.found.scores[at] == problem.similarity_of(query, row) &&
                 (found == 0 || problem.found.scores[at] <= problem.found.scores[at - 1]);
        }
        many = many && found == k;
      }
      check(real, "a look gives rows with their similarities, in order");
      check(many, "and k of them, where it visits twice as many, k = " + std::to_string(k));
    }
  }
}

void scorers_give_the_contracts_similarities() {
  Problem problem(900, 30, 37, 8, 0.3f);
  ExactScorer scorer(*problem.search);
  scorer.start(first_numbers(30));
  std::vector<std::uint32_t> all(900);
  std::iota(all.begin(), all.end(), std::uint32_t{0});
  std::vector<TopK> scattered(30, TopK(8, nullptr)), together(30, TopK(8, nullptr));
  std::vector<ExactScorer::PlacedPair> pairs;
  for (std::uint32_t query = 0; query < 30; ++query) {
    scorer.score_scattered(query, all, scattered[query]);
    for (const std::uint32_t place : all) pairs.push_back({query, place});
  }
  scorer.score(pairs, problem.layout->order(), together);
  Answers answers(*problem.search, 1);
  for (std::size_t query = 0; query < 30; ++query) answers.put(query, 0, scattered[query]);
  check(problem.answers_are_right(30), "rows of a list have the contract's similarities");
  for (std::size_t query = 0; query < 30; ++query) answers.put(query, 0, together[query]);
  check(problem.answers_are_right(30), "pairs of queries and places have the same");
  check(scorer.scored_rows() == 2 * 30 * 900, "rows that are scored are counted");
}

// The stages of a block, begun for the first queries of a problem.
struct Block {
  explicit Block(Problem& problem_, std::size_t count_)
      : problem(problem_),
        count(count_),
        ladder(problem.make_ladder()),
        unscreened(ladder.unscreened_places(), problem.view.count),
        tiles(*problem.search, ladder, *problem.layout),
        rescoring(*problem.search, *problem.layout, tiles),
        comparison(*problem.layout, unscreened, tiles, rescoring) {
    tiles.start(problem.batch->vector(0), problem.batch->squared_norms(), count);
    rescoring.start(first_numbers(count), problem.layout->cell_rows());
    comparison.start(count);
  }

  std::size_t cells() const {
    return (problem.view.count + problem.layout->cell_rows() - 1) / problem.layout->cell_rows();
  }
  void want_all(std::size_t rung) {
    for (std::size_t q = 0; q < count; ++q) rescoring.set_width(q, tiles.width(q));
    for (std::size_t cell = 0; cell < cells(); ++cell) {
      for (std::size_t tile = 0; tile < tiles.tiles(); ++tile) comparison.want(cell, tile, rung);
    }
  }
  bool answers_are_right() {
    rescoring.score_all();
    Answers answers(*problem.search, 1);
    rescoring.hand_over(0, answers);
    return problem.answers_are_right(count);
  }

  Problem& problem;
  std::size_t count;
  Ladder ladder;
  PlaceSet unscreened;
  TileLadder tiles;
  Rescoring rescoring;
  Comparison comparison;
};

void tiles_stand_on_rungs() {
  Problem problem(1000, 70, 24, 5, 0.5f);
  Block block(problem, 70);
  TileLadder& tiles = block.tiles;
  std::size_t queries = 0;
  for (std::size_t tile = 0; tile < tiles.tiles(); ++tile) queries += tiles.size(tile);
  check(queries == 70 && tiles.end(tiles.tiles() - 1) == 70, "each query is in one tile");
  tiles.raise_threshold(3, 0.5);
  tiles.raise_threshold(3, 0.25);
  check(tiles.thresholds()[3] == 0.5, "a query's threshold is never lowered");
  tiles.stand_on(0, tiles.rungs());
  check(tiles.bounded_below(3), "rows that are scored are bounded from below");
  tiles.begin_on(1);
  tiles.start(problem.batch->vector(0), problem.batch->squared_norms(), 70);
  check(tiles.rung_of(0) == 1 && tiles.finer(1), "the next block begins where it is told to");
}

void comparison_leaves_whatever_is_near() {
  for (const std::size_t rung : {std::size_t{0}, std::size_t{1}}) {
    Problem problem(2000, 60, 24, 5, 0.5f);
    Block block(problem, 60);
    std::size_t near = 0;
    for (std::size_t query = 0; query < 60; ++query) {
      const double threshold = problem.similarity_of(query, problem.nearest(query)[40]);
      block.tiles.raise_threshold(query, threshold);
      near += 41;
    }
    for (std::size_t tile = 0; tile < block.tiles.tiles(); ++tile) block.tiles.stand_on(tile, rung);
    block.want_all(rung);
    block.comparison.try_out(rung);
    double tried = 0.0, left = 0.0;
    const auto pairs_left = [&] {
      double sum = 0.0;
      for (std::size_t tile = 0; tile < block.tiles.tiles(); ++tile) {
        sum += block.comparison.left_share(tile) * static_cast<double>(block.tiles.size(tile) * 2000);
      }
      return sum;
    };
    tried = pairs_left();
    check(block.comparison.screened_rows() == 0, "what is tried out is not counted as work");
    block.comparison.reset_counts();
    block.want_all(rung);
    block.comparison.compare(rung);
    left = pairs_left();
    const std::string name = "rung " + std::to_string(rung);
    check(left >= static_cast<double>(near - 60 * block.unscreened.places().size()) - 0.5,
          name + ": no row above the threshold is excluded, " + std::to_string(left));
    check(tried >= left - 0.5, name + ": trying a rung tells what it leaves");
    check(block.comparison.screened_rows() == 2000 * 60, name + ": pairs are counted");
    for (std::size_t query = 0; query < 60; ++query) block.rescoring.score_places(query, block.unscreened.places());
    check(block.answers_are_right(), name + ": the neighbours are among what is left");
  }
}

void candidates_are_scored_until_none_can_matter() {
  Problem problem(6000, 20, 24, 7, 0.5f);
  std::mt19937 random(11);
  for (const float width : {1e-4f, 0.3f}) {
    Block block(problem, 20);
    for (std::size_t q = 0; q < 20; ++q) {
      std::vector<std::uint32_t> places(6000);
      std::iota(places.begin(), places.end(), std::uint32_t{0});
      std::shuffle(places.begin(), places.end(), random);
      block.rescoring.set_width(q, 2.1 * static_cast<double>(width));
      for (const std::uint32_t place : places) {
        const auto score = static_cast<float>(problem.similarity_of(q, problem.layout->order()[place]));
        block.rescoring.add(q, {score + width, score - width, place});
      }
    }
    const std::uint64_t before = problem.statistics.scored_rows;
    check(block.answers_are_right(), "lists that overflow lose no neighbour");
    const std::uint64_t scored = problem.statistics.scored_rows - before;
    check(width > 0.01f || scored < 20 * 600, "narrow bounds spare most rows their scoring, " + std::to_string(scored));
  }
}

void tiles_climb_where_little_is_told_apart() {
  for (const bool close : {true, false}) {
    // The width of tight clusters is below what 8 bits tell apart.
    Problem problem(8000, 64, 48, 5, close ? 1e-4f : 1.0f, 2);
    Block block(problem, 64);
    const PlacedQueries placed(*problem.search, *problem.layout);
    CellVisits visits(*problem.layout, problem.kernels.of(Arithmetic::int8).query_tile);
    RungChoice choice(*problem.search, *problem.layout, block.tiles, visits, block.comparison);
    visits.start(placed, 0, 64, {0, block.cells()});
    for (std::size_t q = 0; q < 64; ++q) {
      block.tiles.raise_threshold(q, problem.similarity_of(q, problem.nearest(q)[4]));
    }
    visits.widen(block.cells() / 4);
    visits.widen(block.cells());
    block.want_all(0);
    block.comparison.compare(0);
    choice.climb();
    std::size_t climbed = 0;
    for (std::size_t tile = 0; tile < block.tiles.tiles(); ++tile) climbed += block.tiles.rung_of(tile) > 0 ? 1 : 0;
    // The last tile may have few queries, for which rows are not packed.
    const std::size_t whole_tiles = 64 / problem.kernels.of(Arithmetic::int8).query_tile;
    check(close ? climbed >= whole_tiles : climbed == 0,
          std::string(close ? "tight" : "wide") + " clusters: tiles on a finer rung: " + std::to_string(climbed));
  }
}

}  // namespace

int main() {
  const std::vector<std::string> isas = available_isas();
  check(std::find(isas.begin(), isas.end(), "amx_stand_in") != isas.end(), "some kernel finds maxima");
  for (const std::string& isa : available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    queries_are_rounded_once();
    queries_are_placed_in_order();
    plans_cover_all_queries();
    rows_are_cut_where_threads_lack_queries();
    cells_are_visited_once();
    any_arithmetics_will_do();
    every_strategy_predicts_what_is_reached();
    no_subspace_is_forecast_to_tell_equal_rows_apart();
    shards_answer_as_one();
    answers_of_any_length_are_sorted();
    values_of_a_rank_are_found_by_counting();
    guesses_are_reached();
    refuted_guesses_lose_no_neighbour();
    first_thresholds_are_reached();
    first_thresholds_leave_out_what_scores_say_nothing_about();
    first_thresholds_know_when_they_say_nothing();
    looks_find_rows_that_are_near();
    scorers_give_the_contracts_similarities();
    tiles_stand_on_rungs();
    comparison_leaves_whatever_is_near();
    candidates_are_scored_until_none_can_matter();
    tiles_climb_where_little_is_told_apart();
  }
  return checking::summary();
}
