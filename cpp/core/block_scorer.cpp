#include "block_scorer.h"

#include <algorithm>

namespace latentknn {
namespace {

constexpr std::size_t kCacheBytes = std::size_t{16} << 20;  // of rows that stay in the last cache by themselves
constexpr std::size_t kChunkBytes = std::size_t{4} << 20;   // of rows visited together where they do not
constexpr std::size_t kAhead = 16;                          // rows asked for before they are needed
constexpr std::size_t kLine = 64 / sizeof(float);

}  // namespace

BlockScorer::BlockScorer(const KernelTable& kernels, const Rows& rows)
    : kernels_(kernels), rows_(rows), padded_dim_((rows.dim + 7) / 8 * 8) {}

void BlockScorer::start(const SearchRequest& request, const std::vector<std::size_t>& queries) {
  const std::size_t count = queries.size();
  queries_.resize(count * rows_.dim);
  squared_norms_.resize(count);
  wide_.assign(count * padded_dim_, 0.0);
  scored_rows_ = 0;
  for (std::size_t q = 0; q < count; ++q) {
    convert_rows(request.queries, queries[q], queries[q] + 1, queries_.data() + q * rows_.dim);
  }
  kernels_.squared_norms(queries_.data(), count, rows_.dim, squared_norms_.data());
  for (std::size_t q = 0; q < count; ++q) {
    std::copy_n(queries_.data() + q * rows_.dim, rows_.dim, wide_.data() + q * padded_dim_);
  }
}

void BlockScorer::score(std::size_t query, const std::uint32_t* list, std::size_t count, TopK& best) {
  products_.resize(std::max(products_.size(), count));
  kernels_.dot_products(wide_.data() + query * padded_dim_, rows_.values, list, count, rows_.dim, products_.data());
  for (std::size_t i = 0; i < count; ++i) {
    best.push(similarity(products_[i], squared_norms_[query], rows_.squared_norms[list[i]]), list[i]);
  }
  scored_rows_ += count;
}

void BlockScorer::score(const std::vector<Pair>& pairs, std::vector<TopK>& best) {
  // A counting sort by chunks of rows; within a chunk the pairs stay sorted by query.
  const std::size_t row_bytes = rows_.dim * sizeof(float);
  const std::size_t chunk =
      rows_.count <= kCacheBytes / row_bytes ? rows_.count : std::max<std::size_t>(1, kChunkBytes / row_bytes);
  std::vector<std::size_t> ends(rows_.count / chunk + 2, 0);
  for (const Pair& pair : pairs) ++ends[pair.row / chunk + 1];
  for (std::size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  std::vector<std::uint32_t> queries(pairs.size()), list(pairs.size());
  for (const Pair& pair : pairs) {
    const std::size_t at = ends[pair.row / chunk]++;
    queries[at] = pair.query;
    list[at] = pair.row;
  }
  std::size_t asked = 0;
  for (std::size_t begin = 0; begin < pairs.size();) {
    std::size_t end = begin + 1;
    while (end < pairs.size() && queries[end] == queries[begin] && list[end] / chunk == list[begin] / chunk) ++end;
    // Candidates lie scattered over the database: the next rows are on their way while these are summed.
    for (std::size_t i = std::max(end, asked); i < std::min(end + kAhead, pairs.size()); ++i) {
      const float* row = rows_.values + list[i] * rows_.dim;
      for (std::size_t j = 0; j < rows_.dim; j += kLine) __builtin_prefetch(row + j, 0, 2);
    }
    asked = std::max(asked, std::min(end + kAhead, pairs.size()));
    score(queries[begin], list.data() + begin, end - begin, best[queries[begin]]);
    begin = end;
  }
}

}  // namespace latentknn
