// Rules 1 and 2 of the contract as plain loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

inline double reference_product(const float* a, const float* b, std::size_t dim) {
  double p[8] = {};
  for (std::size_t j = 0; j < dim; ++j) p[j % 8] += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  for (std::size_t w = 4; w > 0; w /= 2) {
    for (std::size_t l = 0; l < w; ++l) p[l] += p[l + w];
  }
  return p[0];
}

// Returns the similarity of a query whose product with itself is `qq`.
inline double similarity_of_query(const float* q, double qq, const float* x, std::size_t dim) {
  const double xx = reference_product(x, x, dim);
  if (qq == 0.0 || xx == 0.0) return 0.0;
  return std::max(-1.0, std::min(1.0, reference_product(q, x, dim) / std::sqrt(qq * xx)));
}

inline double reference_similarity(const float* q, const float* x, std::size_t dim) {
  return similarity_of_query(q, reference_product(q, q, dim), x, dim);
}

struct Neighbour {
  double similarity;
  std::int64_t id;
  std::int64_t position;
};

// Returns all rows that a query may have as neighbours, the best first. `allowed` is empty where all are; `left_out` is
// the position of a row that is none.
inline std::vector<Neighbour> neighbours(const float* query, const std::vector<float>& rows,
                                         const std::vector<std::int64_t>& ids, const std::vector<std::uint8_t>& allowed,
                                         std::size_t left_out) {
  const std::size_t dim = rows.size() / ids.size();
  const double qq = reference_product(query, query, dim);
  std::vector<Neighbour> all;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i == left_out || (!allowed.empty() && allowed[i] == 0)) continue;
    const double similarity = similarity_of_query(query, qq, rows.data() + i * dim, dim);
    all.push_back({similarity, ids[i], static_cast<std::int64_t>(i)});
  }
  std::sort(all.begin(), all.end(), [](const Neighbour& a, const Neighbour& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.id < b.id;
  });
  return all;
}

constexpr std::size_t kNobody = ~std::size_t{0};

}  // namespace reference
