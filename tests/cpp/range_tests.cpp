// Tests range searches of the core: all rows of at least a similarity, their counts, the rows behind a row, and what
// ends a search.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "checking.h"
#include "database.h"
#include "database_cases.h"
#include "isa.h"
#include "search/range_answers.h"
#include "search/sorted_rows.h"

namespace {

using cases::make_rows;
using checking::check;
using checking::throws;
using latentknn::Database;
using latentknn::ElementType;
using latentknn::RangeAnswers;
using latentknn::SearchRequest;
using latentknn::TooManyFound;
using reference::Neighbour;
using Wanted = RangeAnswers::Wanted;

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();

// Rows in a database of several parts, some of which were removed, and queries that are rows now and then.
struct Problem {
  Problem(std::size_t dim_, latentknn::Strategy strategy, unsigned seed) : dim(dim_), database(dim_, strategy) {
    for (const std::size_t count : {700, 300, 40}) {
      const std::vector<float> more = make_rows(count, dim, seed++);
      std::vector<std::int64_t> more_ids(count);
      for (std::int64_t& id : more_ids) {
        const auto number = static_cast<std::int64_t>(ids.size() + static_cast<std::size_t>(&id - more_ids.data()));
        id = number % 3 == 0 ? std::numeric_limits<std::int64_t>::min() + number
                             : std::numeric_limits<std::int64_t>::max() - number;
      }
      database.add({more.data(), ElementType::float32, count, dim}, more_ids.data(), 2, nullptr);
      rows.insert(rows.end(), more.begin(), more.end());
      ids.insert(ids.end(), more_ids.begin(), more_ids.end());
    }
    std::vector<std::int64_t> gone;
    for (std::int64_t position = 5; position < 1040; position += 9) gone.push_back(position);
    database.change({gone.data(), gone.size(), {nullptr, ElementType::float32, 0, dim}, nullptr}, 2, nullptr);
    for (std::size_t i = gone.size(); i-- > 0;) {
      const std::int64_t at = gone[i], width = static_cast<std::int64_t>(dim);
      rows.erase(rows.begin() + at * width, rows.begin() + (at + 1) * width);
      ids.erase(ids.begin() + at);
    }
    queries = make_rows(kQueries, dim, seed);
    std::copy_n(rows.data(), 3 * dim, queries.data());
    std::mt19937 random(seed);
    for (std::size_t q = 0; q < kQueries; ++q) {
      // A similarity that a row has, so that rows lie on it; and both ends of the range.
      neighbours.push_back(reference::neighbours(queries.data() + q * dim, rows, ids, {}, reference::kNobody));
      const std::vector<Neighbour>& all = neighbours.back();
      at_least.push_back(q == 3 ? -1.0 : q == 4 ? 1.0 : q == 5 ? 0.0 : all[random() % all.size()].similarity);
    }
  }

  SearchRequest request(std::size_t threads) const {
    SearchRequest asked{};
    asked.queries = {queries.data(), ElementType::float32, kQueries, dim};
    asked.at_least = at_least.data();
    asked.threads = threads;
    return asked;
  }

  std::vector<Neighbour> expected(std::size_t q, const std::vector<std::uint8_t>& allowed, Wanted wanted) const {
    std::vector<Neighbour> all = neighbours[q];
    std::erase_if(all, [&](const Neighbour& each) {
      return each.similarity < at_least[q] ||
             (!allowed.empty() && allowed[static_cast<std::size_t>(each.position)] == 0);
    });
    if (wanted == Wanted::by_position) {
      std::sort(all.begin(), all.end(), [](const Neighbour& a, const Neighbour& b) { return a.position < b.position; });
    }
    return all;
  }

  static constexpr std::size_t kQueries = 20;
  std::size_t dim;
  Database database;
  std::vector<float> rows, queries;
  std::vector<std::int64_t> ids;
  std::vector<double> at_least;
  std::vector<std::vector<Neighbour>> neighbours;
};

// What a range search has written.
struct Written {
  Written(RangeAnswers& answers, std::size_t queries) : ends(1, 0) {
    for (std::size_t q = 0; q < queries; ++q) ends.push_back(ends.back() + answers.count(q));
    similarities.resize(ends.back());
    positions.resize(ends.back());
    ids.resize(ends.back());
    scores.resize(ends.back());
    answers.write({similarities.data(), positions.data(), ids.data(), scores.data()}, 2, nullptr);
  }

  bool equal(std::size_t q, const std::vector<Neighbour>& wanted) const {
    if (ends[q + 1] - ends[q] != wanted.size()) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::size_t at = ends[q] + i;
      const float rounded = static_cast<float>(wanted[i].similarity) + 0.0f;
      if (ids[at] != wanted[i].id || positions[at] != wanted[i].position ||
          std::memcmp(&scores[at], &wanted[i].similarity, sizeof(double)) != 0 ||
          std::memcmp(&similarities[at], &rounded, sizeof(float)) != 0) {
        return false;
      }
    }
    return true;
  }

  std::vector<std::size_t> ends;
  std::vector<float> similarities;
  std::vector<std::int64_t> positions, ids;
  std::vector<double> scores;
};

const std::vector<latentknn::Strategy> kStrategies = {latentknn::Strategy::automatic, latentknn::Strategy::fp32,
                                                      latentknn::Strategy::int16,     latentknn::Strategy::int8,
                                                      latentknn::Strategy::pca,       latentknn::Strategy::float64};

void all_rows_in_range_are_found(const std::string& isa) {
  for (const latentknn::Strategy strategy : kStrategies) {
    for (const std::size_t dim : {3, 24, 65}) {
      const Problem problem(dim, strategy, static_cast<unsigned>(dim));
      std::vector<std::uint8_t> some(problem.ids.size());
      for (std::size_t i = 0; i < some.size(); ++i) some[i] = i % 3 != 0;
      const std::vector<std::uint8_t> none(problem.ids.size(), 0);
      const std::string what = isa + ", " + latentknn::strategy_name(strategy) + ", dim " + std::to_string(dim);
      for (const std::size_t threads : {1, 3}) {
        for (const std::vector<std::uint8_t>& allowed : {std::vector<std::uint8_t>(), some, none}) {
          SearchRequest request = problem.request(threads);
          if (!allowed.empty()) request.allowed = allowed.data();
          request.allowed_count = allowed.size();
          RangeAnswers counted(Problem::kQueries, Wanted::counts, kAnyNumber);
          problem.database.search_range(request, counted);
          for (const Wanted wanted : {Wanted::by_similarity, Wanted::by_position}) {
            RangeAnswers answers(Problem::kQueries, wanted, kAnyNumber);
            problem.database.search_range(request, answers);
            const Written written(answers, Problem::kQueries);
            bool found = true, counts = true;
            for (std::size_t q = 0; q < Problem::kQueries; ++q) {
              const auto expected = problem.expected(q, allowed, wanted);
              found = found && written.equal(q, expected);
              counts = counts && counted.count(q) == expected.size();
            }
            check(found, "a range search finds what the reference finds: " + what);
            check(counts, "rows in range are counted: " + what);
          }
        }
      }
    }
  }
}

// Rows of a database that is large enough for blocks to choose rungs: most in a cluster so tight that no screen tells
// them apart, others far from each other, some equal, some zero. One query is in the cluster, the others are not.
struct LargeProblem {
  explicit LargeProblem(std::size_t dim_) : dim(dim_) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    std::vector<float> centre(dim);
    for (float& value : centre) value = normal(random);
    for (std::size_t i = 0; i < kRows; ++i) {
      const bool tight = i % 3 != 0, same = i % 10 == 1 && i > 10;
      for (std::size_t j = 0; j < dim; ++j) {
        rows.push_back(i % 50 == 0 ? 0.0f
                       : same      ? rows[(i - 10) * dim + j]
                       : tight     ? centre[j] + 1e-4f * normal(random)
                                   : normal(random));
      }
      ids.push_back(static_cast<std::int64_t>(i * 7919 % 100003));
    }
    queries = make_rows(kQueries, dim, 12);
    std::copy(centre.begin(), centre.end(), queries.begin());
    for (std::size_t q = 0; q < kQueries; ++q) {
      all.push_back(reference::neighbours(queries.data() + q * dim, rows, ids, {}, reference::kNobody));
      // The similarity of a row: among the first ones mostly, and anywhere for the query in the cluster.
      const std::size_t rank = q == 0 ? kRows / 2 : q % 4 == 1 ? 2000 : random() % 40;
      at_least.push_back(q == 2 ? -1.0 : all[q][rank].similarity);
    }
  }

  std::vector<Neighbour> expected(std::size_t q, const std::vector<std::uint8_t>& allowed, Wanted wanted) const {
    std::vector<Neighbour> found = all[q];
    std::erase_if(found, [&](const Neighbour& each) {
      return each.similarity < at_least[q] ||
             (!allowed.empty() && allowed[static_cast<std::size_t>(each.position)] == 0);
    });
    if (wanted == Wanted::by_position) {
      std::sort(found.begin(), found.end(),
                [](const Neighbour& a, const Neighbour& b) { return a.position < b.position; });
    }
    return found;
  }

  static constexpr std::size_t kRows = 7000, kQueries = 30;
  std::size_t dim;
  std::vector<float> rows, queries;
  std::vector<std::int64_t> ids;
  std::vector<double> at_least;
  std::vector<std::vector<Neighbour>> all;
};

void many_rows_in_range_are_found(const std::string& isa, const LargeProblem& problem) {
  std::vector<std::uint8_t> some(LargeProblem::kRows);
  for (std::size_t i = 0; i < some.size(); ++i) some[i] = i % 5 != 0;
  for (const latentknn::Strategy strategy : kStrategies) {
    Database database(problem.dim, strategy);
    database.add({problem.rows.data(), ElementType::float32, LargeProblem::kRows, problem.dim}, problem.ids.data(), 2,
                 nullptr);
    const std::string what =
        isa + ", " + latentknn::strategy_name(strategy) + ", dim " + std::to_string(problem.dim) + ", many rows";
    for (const std::vector<std::uint8_t>& allowed : {std::vector<std::uint8_t>(), some}) {
      SearchRequest request{};
      request.queries = {problem.queries.data(), ElementType::float32, LargeProblem::kQueries, problem.dim};
      request.at_least = problem.at_least.data();
      request.threads = allowed.empty() ? 1 : 3;
      if (!allowed.empty()) request.allowed = allowed.data();
      request.allowed_count = allowed.size();
      RangeAnswers counted(LargeProblem::kQueries, Wanted::counts, kAnyNumber);
      database.search_range(request, counted);
      for (const Wanted wanted : {Wanted::by_similarity, Wanted::by_position}) {
        RangeAnswers answers(LargeProblem::kQueries, wanted, kAnyNumber);
        database.search_range(request, answers);
        const Written written(answers, LargeProblem::kQueries);
        for (std::size_t q = 0; q < LargeProblem::kQueries; ++q) {
          const std::vector<Neighbour> expected = problem.expected(q, allowed, wanted);
          check(written.equal(q, expected), "query " + std::to_string(q) + " finds what the reference finds: " + what);
          check(counted.count(q) == expected.size(), "rows in range are counted: " + what);
        }
      }
    }
  }
}

void similarities_of_pairs_are_exact(const std::string& isa) {
  const latentknn::KernelTable& kernels = latentknn::select_kernels();
  std::mt19937 random(4);
  for (const std::size_t dim : {1, 7, 8, 9, 16, 64, 67, 128}) {
    constexpr std::size_t kRows = 40, kQueries = 12;
    const std::vector<float> rows = make_rows(kRows, dim, 1), queries = make_rows(kQueries, dim, 2);
    std::vector<double> row_norms(kRows), query_norms(kQueries), wide(kQueries * ((dim + 7) / 8 * 8));
    kernels.squared_norms(rows.data(), kRows, dim, row_norms.data());
    kernels.squared_norms(queries.data(), kQueries, dim, query_norms.data());
    for (std::size_t q = 0; q < kQueries; ++q) {
      std::copy_n(queries.data() + q * dim, dim, wide.data() + q * ((dim + 7) / 8 * 8));
    }
    for (std::size_t count = 0; count < 30; ++count) {
      std::vector<latentknn::Pair> pairs;
      for (std::size_t i = 0; i < count; ++i) {
        pairs.push_back(
            {static_cast<std::uint32_t>(random() % kQueries), static_cast<std::uint32_t>(random() % kRows)});
      }
      std::vector<double> found(count + 1, 7.0);
      kernels.similarities({wide.data(), query_norms.data(), rows.data(), row_norms.data(), dim, pairs.data(), count},
                           found.data());
      bool equal = found[count] == 7.0;
      for (std::size_t i = 0; i < count; ++i) {
        const double expected = reference::reference_similarity(queries.data() + pairs[i].query * dim,
                                                                rows.data() + pairs[i].row * dim, dim);
        equal = equal && std::memcmp(&found[i], &expected, sizeof expected) == 0;
      }
      check(equal, "similarities of pairs are the reference's: " + isa + ", dim " + std::to_string(dim));
    }
  }
}

void rows_behind_are_found_once() {
  const std::size_t first = 250, last = 890;
  std::vector<std::vector<Neighbour>> expected;
  const Problem any(8, latentknn::Strategy::automatic, 5);
  for (std::size_t row = first; row < last; ++row) {
    std::vector<std::uint8_t> behind(any.ids.size(), 0);
    std::fill(behind.begin() + static_cast<std::ptrdiff_t>(row + 1), behind.end(), std::uint8_t{1});
    expected.push_back(reference::neighbours(any.rows.data() + row * 8, any.rows, any.ids, behind, reference::kNobody));
    std::erase_if(expected.back(), [](const Neighbour& each) { return each.similarity < 0.5; });
  }
  for (const latentknn::Strategy strategy : kStrategies) {
    const Problem problem(8, strategy, 5);
    const std::size_t count = problem.ids.size();
    const std::vector<double> at_least(last - first, 0.5);
    SearchRequest request{};
    request.at_least = at_least.data();
    request.threads = 2;
    RangeAnswers answers(last - first, Wanted::by_similarity, kAnyNumber);
    problem.database.search_range_behind(first, last, request, answers);
    const Written written(answers, last - first);
    bool found = true;
    for (std::size_t row = 0; row < last - first; ++row) found = found && written.equal(row, expected[row]);
    check(found, std::string("rows find those behind them: ") + latentknn::strategy_name(strategy));
    check(throws<std::invalid_argument>(
              [&] { problem.database.search_range_behind(first, count + 1, request, answers); }),
          "rows beyond the last are refused");
  }
}

void a_search_ends_where_too_many_are_found() {
  for (const latentknn::Strategy strategy : {latentknn::Strategy::int16, latentknn::Strategy::float64}) {
    const Problem problem(8, strategy, 7);
    for (const std::size_t threads : {1, 3}) {
      const SearchRequest request = problem.request(threads);
      RangeAnswers counted(Problem::kQueries, Wanted::counts, kAnyNumber);
      problem.database.search_range(request, counted);
      std::uint64_t total = 0;
      for (std::size_t q = 0; q < Problem::kQueries; ++q) total += counted.count(q);
      RangeAnswers all(Problem::kQueries, Wanted::by_similarity, total);
      problem.database.search_range(request, all);
      check(Written(all, Problem::kQueries).ends.back() == total, "as many rows as may be found are found");
      RangeAnswers fewer(Problem::kQueries, Wanted::by_similarity, total - 1);
      check(throws<TooManyFound>([&] { problem.database.search_range(request, fewer); }),
            "one row more than may be found ends the search");
    }
  }
}

void a_poll_ends_a_search() {
  const std::size_t count = 30000, dim = 64;
  const std::vector<float> rows = make_rows(count, dim, 1);
  for (const latentknn::Strategy strategy : {latentknn::Strategy::fp32, latentknn::Strategy::float64}) {
    Database database(dim, strategy);
    database.add({rows.data(), ElementType::float32, count, dim}, nullptr, 2, nullptr);
    const std::vector<double> at_least(count, 0.3);
    SearchRequest request{};
    request.queries = {rows.data(), ElementType::float32, count, dim};
    request.at_least = at_least.data();
    request.threads = 2;
    request.poll = [] { return true; };
    RangeAnswers answers(count, Wanted::counts, kAnyNumber);
    check(throws<latentknn::Interrupted>([&] { database.search_range(request, answers); }), "a poll ends a search");
  }
}

void long_lists_are_sorted() {
  struct Row {
    double key;
    int number;
  };
  std::mt19937 random(3);
  for (const std::size_t count : {0, 1, 127, 128, 5000}) {
    for (const double width : {0.0, 1e-300, 1.0}) {
      std::vector<Row> rows;
      for (std::size_t i = 0; i < count; ++i) {
        rows.push_back({width * static_cast<double>(random() % 50), static_cast<int>(random() % 1000)});
      }
      const auto order = [](const Row& a, const Row& b) {
        return a.key != b.key ? a.key < b.key : a.number < b.number;
      };
      std::vector<Row> by_both = rows;
      const auto key = [](const Row& row) { return row.key; };
      latentknn::sort_rows(rows, order, key);
      check(std::is_sorted(rows.begin(), rows.end(), order), "rows are sorted");
      latentknn::sort_rows(by_both, order, key, [](const Row& row) { return static_cast<double>(row.number / 3); });
      check(std::is_sorted(by_both.begin(), by_both.end(), order), "rows are sorted by two keys");
    }
  }
}

}  // namespace

int main() {
  const std::vector<LargeProblem> large{LargeProblem(8), LargeProblem(40)};
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    all_rows_in_range_are_found(isa);
    similarities_of_pairs_are_exact(isa);
    for (const LargeProblem& problem : large) many_rows_in_range_are_found(isa, problem);
  }
  unsetenv("LATENTKNN_ISA");
  rows_behind_are_found_once();
  a_search_ends_where_too_many_are_found();
  a_poll_ends_a_search();
  long_lists_are_sorted();
  return checking::summary();
}
