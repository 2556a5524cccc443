// Collects the k best scored rows of a query, in the contract's order: similarity descending, then id ascending.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "search/sorted_rows.h"

namespace latentknn {

// Computes rule 1 of the contract from the products S(q, x), S(q, q) and S(x, x).
inline double similarity(double product, double query_norm, double row_norm) {
  if (query_norm == 0.0 || row_norm == 0.0) return 0.0;
  return std::clamp(product / std::sqrt(query_norm * row_norm), -1.0, 1.0);
}

struct ScoredRow {
  double score;
  std::uint32_t row;
};

// Where `ids` is null, a row's position is its id.
class ContractOrder {
 public:
  explicit ContractOrder(const std::int64_t* ids) : ids_(ids) {}
  bool operator()(const ScoredRow& a, const ScoredRow& b) const {
    if (a.score != b.score) return a.score > b.score;
    return ids_ == nullptr ? a.row < b.row : ids_[a.row] < ids_[b.row];
  }

  // Sorts `rows`, which has data() and size().
  template <class List>
  void sort(List& rows) const {
    const auto falling = [](const ScoredRow& row) { return -row.score; };
    const auto id = [this](const ScoredRow& row) {
      return static_cast<double>(ids_ == nullptr ? row.row : ids_[row.row]);
    };
    sort_rows(rows, *this, falling, id);
  }

 private:
  const std::int64_t* ids_;
};

class TopK {
 public:
  TopK(std::size_t k, const std::int64_t* ids) : k_(k), order_(ids) {}

  // No row below this can be among the k best any more; an equal one may be, by its id.
  double threshold() const { return threshold_; }

  void push(double score, std::uint32_t row) {
    if (score < threshold_ || (score == threshold_ && !order_({score, row}, last_))) return;
    rows_.push_back({score, row});
    if (rows_.size() == 2 * k_) keep_best();
  }

  // Updates the threshold.
  void tighten() {
    if (rows_.size() == k_) {
      set_last(*std::max_element(rows_.begin(), rows_.end(), order_));
    } else if (rows_.size() > k_) {
      keep_best();
    }
  }

  // Sorts and returns the best rows, at most k. By ranges, sorting fewer than 2 k rows takes about as long as
  // selecting k of them.
  const std::vector<ScoredRow>& sorted() {
    order_.sort(rows_);
    if (rows_.size() > k_) rows_.resize(k_);
    return rows_;
  }

  void clear() {
    rows_.clear();
    threshold_ = -std::numeric_limits<double>::infinity();
  }

 private:
  // Selecting k of 2k only now and then makes a push constant work on average.
  void keep_best() {
    const auto kth = rows_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(rows_.begin(), kth, rows_.end(), order_);
    set_last(*kth);
    rows_.resize(k_);
  }

  void set_last(const ScoredRow& last) {
    threshold_ = last.score;
    last_ = last;
  }

  std::size_t k_;
  ContractOrder order_;
  double threshold_ = -std::numeric_limits<double>::infinity();
  ScoredRow last_{0.0, 0};  // last of the k best, where there is a threshold
  std::vector<ScoredRow> rows_;
};

}  // namespace latentknn
