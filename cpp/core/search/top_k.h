// Collects the k best scored rows of a query, in the contract's order: similarity descending, then id ascending.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

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
    if (rows_.size() >= k_) keep_best();
  }

  // Sorts and returns the best rows, at most k.
  const std::vector<ScoredRow>& sorted() {
    if (rows_.size() > k_) keep_best();
    sort();
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
    threshold_ = kth->score;
    last_ = *kth;
    rows_.resize(k_);
  }

  // Cuts long answers into as many ranges of similarities as there are rows, of which most have few, and sorts those.
  void sort() {
    constexpr std::size_t kLong = 128;
    constexpr double kNarrow = 0x1p-900;  // the reciprocal of less may be infinite
    if (rows_.size() < kLong) {
      std::sort(rows_.begin(), rows_.end(), order_);
      return;
    }
    const auto higher = [](const ScoredRow& a, const ScoredRow& b) { return a.score > b.score; };
    const auto [most, least] = std::minmax_element(rows_.begin(), rows_.end(), higher);
    if (most->score - least->score < kNarrow) {
      std::sort(rows_.begin(), rows_.end(), order_);
      return;
    }
    const std::size_t last = rows_.size() - 1;
    const double highest = most->score, per_similarity = static_cast<double>(last) / (highest - least->score);
    // However it is rounded, it does not fall where the similarity falls.
    const auto range = [=](const ScoredRow& row) {
      return std::min(last, static_cast<std::size_t>((highest - row.score) * per_similarity));
    };
    std::vector<std::ptrdiff_t> ends(rows_.size() + 1);
    for (const ScoredRow& row : rows_) ++ends[range(row) + 1];
    std::partial_sum(ends.begin(), ends.end(), ends.begin());
    std::vector<ScoredRow> sorted(rows_.size());
    for (const ScoredRow& row : rows_) sorted[static_cast<std::size_t>(ends[range(row)]++)] = row;
    std::ptrdiff_t begin = 0;
    for (std::size_t i = 0; i <= last; begin = ends[i++]) {
      if (ends[i] - begin > 1) std::sort(sorted.begin() + begin, sorted.begin() + ends[i], order_);
    }
    std::copy(sorted.begin(), sorted.end(), rows_.begin());
  }

  std::size_t k_;
  ContractOrder order_;
  double threshold_ = -std::numeric_limits<double>::infinity();
  ScoredRow last_{0.0, 0};  // last of the k best, where there is a threshold
  std::vector<ScoredRow> rows_;
};

}  // namespace latentknn
