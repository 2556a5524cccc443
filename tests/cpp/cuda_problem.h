// Rows and queries for tests, and the comparison of the devices' answers with the core's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "checking.h"
#include "database.h"
#include "sharded_rows.h"

namespace cuda_problem {

using latentknn::cuda::ShardedRequest;
using latentknn::cuda::ShardedRows;

inline constexpr std::size_t kAmple = std::size_t{8} << 30;

struct Neighbours {
  Neighbours(std::size_t count, std::size_t k)
      : similarities(count * k), positions(count * k), ids(count * k), scores(count * k) {}

  std::vector<float> similarities;
  std::vector<std::int64_t> positions;
  std::vector<std::int64_t> ids;
  std::vector<double> scores;
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

// Returns vectors of mixed kinds: ordinary, tiny, huge, zero, sparse, equal to the one before, and half nearly zero.
inline std::vector<float> vectors(std::size_t count, std::size_t dim, unsigned seed) {
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

inline Neighbours by_core(const Problem& problem, std::size_t k, const std::vector<std::uint8_t>& allowed) {
  latentknn::Database database(problem.dim, latentknn::Strategy::float64);
  const std::int64_t* ids = problem.ids.empty() ? nullptr : problem.ids.data();
  database.add({problem.rows.data(), latentknn::ElementType::float32, problem.row_count(), problem.dim}, ids, 1,
               nullptr);
  const std::size_t count = problem.query_count();
  Neighbours found(count, k);
  latentknn::SearchRequest request{};
  request.queries = {problem.queries.data(), latentknn::ElementType::float32, count, problem.dim};
  request.k = k;
  request.answers = {found.similarities.data(), found.positions.data(), found.ids.data(), found.scores.data()};
  if (!allowed.empty()) {
    request.allowed = allowed.data();
    request.allowed_count = allowed.size();
  }
  database.search(request);
  return found;
}

// Checks that the devices' answers are the core's, except for queries that failed. Returns the number of those.
inline std::size_t compare(ShardedRows& rows, const Problem& problem, std::size_t k,
                           const std::vector<std::uint8_t>& allowed = {}, bool with_scores = true) {
  const Neighbours expected = by_core(problem, k, allowed);
  const std::size_t count = problem.query_count();
  Neighbours found(count, k);
  ShardedRequest request{};
  request.queries = problem.queries.data();
  request.count = count;
  request.k = k;
  request.allowed = allowed.empty() ? nullptr : allowed.data();
  request.allowed_count = allowed.size();
  request.threads = 2;
  request.answers = {found.similarities.data(), found.positions.data(), found.ids.data(),
                     with_scores ? found.scores.data() : nullptr};
  const std::vector<std::size_t> failed = rows.search(request);
  const auto equal = [&](const auto& own, const auto& right, std::size_t query) {
    return std::memcmp(&own[query * k], &right[query * k], k * sizeof(own[0])) == 0;
  };
  bool same = true;
  for (std::size_t q = 0; q < count; ++q) {
    if (std::binary_search(failed.begin(), failed.end(), q)) continue;
    same = same && equal(found.similarities, expected.similarities, q) &&
           equal(found.positions, expected.positions, q) && equal(found.ids, expected.ids, q) &&
           (!with_scores || equal(found.scores, expected.scores, q));
  }
  checking::check(same, problem.name + ", k = " + std::to_string(k) + (allowed.empty() ? "" : ", some allowed") +
                            ": the core's answers");
  return failed.size();
}

inline void add(ShardedRows& rows, const Problem& problem, std::size_t begin, std::size_t end) {
  std::vector<std::int64_t> ids(end - begin);
  std::iota(ids.begin(), ids.end(), static_cast<std::int64_t>(begin));
  if (!problem.ids.empty()) std::copy_n(&problem.ids[begin], ids.size(), ids.begin());
  rows.add(&problem.rows[begin * problem.dim], ids.data(), ids.size());
}

inline void add_all(ShardedRows& rows, const Problem& problem) {
  add(rows, problem, 0, problem.row_count() / 3);
  add(rows, problem, problem.row_count() / 3, problem.row_count());
}

}  // namespace cuda_problem
