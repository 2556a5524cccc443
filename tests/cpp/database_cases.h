// Rows for the tests of a database, and what its searches found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "reference.h"
#include "search/answer_arrays.h"

namespace cases {

// Makes rows of mixed kinds: ordinary, tiny and huge norms, zero, duplicates and near-duplicates of one another.
inline std::vector<float> make_rows(std::size_t count, std::size_t dim, unsigned seed) {
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

class FoundAnswers {
 public:
  FoundAnswers(std::size_t queries, std::size_t k)
      : k_(k), similarities_(queries * k), scores_(queries * k), positions_(queries * k), ids_(queries * k) {}

  latentknn::AnswerArrays arrays() { return {similarities_.data(), positions_.data(), ids_.data(), scores_.data()}; }

  // Returns whether a query's answer is that of the reference, byte for byte.
  bool equal(std::size_t query, const std::vector<reference::Neighbour>& expected) const {
    for (std::size_t i = 0; i < k_; ++i) {
      const std::size_t at = query * k_ + i;
      const reference::Neighbour& wanted = expected[i];
      const float rounded = static_cast<float>(wanted.similarity) + 0.0f;
      if (ids_[at] != wanted.id || positions_[at] != wanted.position ||
          std::memcmp(&scores_[at], &wanted.similarity, sizeof(double)) != 0 ||
          std::memcmp(&similarities_[at], &rounded, sizeof(float)) != 0) {
        return false;
      }
    }
    return true;
  }

 private:
  std::size_t k_;
  std::vector<float> similarities_;
  std::vector<double> scores_;
  std::vector<std::int64_t> positions_, ids_;
};

}  // namespace cases
