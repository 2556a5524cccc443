// Rule 1 of the contract for a block of queries: scores rows exactly and offers them to the queries' best.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "search_request.h"
#include "top_k.h"

namespace latentknn {

class BlockScorer {
 public:
  struct Pair {
    std::uint32_t query;
    std::uint32_t row;
  };

  BlockScorer(const KernelTable& kernels, const Rows& rows);

  // Takes on the named queries of the request.
  void start(const SearchRequest& request, const std::vector<std::size_t>& queries);

  // (queries, dim), as the contract rounds them.
  const float* queries() const { return queries_.data(); }
  const double* squared_norms() const { return squared_norms_.data(); }

  // Scores the listed rows for one query.
  void score(std::size_t query, const std::uint32_t* list, std::size_t count, TopK& best);

  // Scores pairs, sorted by query, in the order of their rows: a row that several queries want is then read
  // from memory once.
  void score(const std::vector<Pair>& pairs, std::vector<TopK>& best);

  std::uint64_t scored_rows() const { return scored_rows_; }

 private:
  const KernelTable& kernels_;
  const Rows& rows_;
  std::size_t padded_dim_;
  std::vector<float> queries_;
  std::vector<double> squared_norms_;
  std::vector<double> wide_;  // the queries once more, as the kernel takes them
  std::vector<double> products_;
  std::uint64_t scored_rows_ = 0;
};

}  // namespace latentknn
