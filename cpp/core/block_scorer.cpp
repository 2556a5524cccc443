#include "block_scorer.h"

#include <algorithm>

namespace latentknn {
namespace {

constexpr std::size_t kCacheBytes = std::size_t{16} << 20;   // of rows that stay in the last cache by themselves
constexpr std::size_t kChunkBytes = std::size_t{512} << 10;  // of rows visited together where they do not

}  // namespace

BlockScorer::BlockScorer(const KernelTable& kernels, const Rows& rows)
    : kernels_(kernels), rows_(rows), padded_dim_((rows.dim + 7) / 8 * 8) {}

void BlockScorer::start(const SearchRequest& request, std::size_t first, std::size_t count) {
  queries_.resize(count * rows_.dim);
  squared_norms_.resize(count);
  wide_.assign(count * padded_dim_, 0.0);
  scored_rows_ = 0;
  convert_rows(request.queries, first, first + count, queries_.data());
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
  for (std::size_t begin = 0; begin < pairs.size();) {
    std::size_t end = begin + 1;
    while (end < pairs.size() && queries[end] == queries[begin] && list[end] / chunk == list[begin] / chunk) ++end;
    score(queries[begin], list.data() + begin, end - begin, best[queries[begin]]);
    begin = end;
  }
}

}  // namespace latentknn
