// Collects the rows of a query that are in range: at least as similar as it asks, however many they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/kernel_table.h"
#include "platform/aligned_buffer.h"
#include "search/range_answers.h"
#include "search/top_k.h"

namespace latentknn {

// ExactScorer offers it rows as it offers them to a TopK.
class RowsInRange {
 public:
  explicit RowsInRange(RangeAnswers& answers) : answers_(&answers), counts_only_(answers.counts_only()) {}

  // Begins with a query that asks for similarities of at least this.
  void start(double at_least) {
    threshold_ = at_least;
    rows_.resize(0);
    count_ = noted_ = 0;
  }

  double threshold() const { return threshold_; }

  void push(double score, std::uint32_t row) {
    if (score < threshold_) return;
    if (!counts_only_) {
      rows_.resize(rows_.size() + 1);
      rows_[rows_.size() - 1] = {score, row};
    }
    add_one();
  }

  // Offers it the rows of several pairs of the query.
  void push(const double* scores, const Pair* pairs, std::size_t count) {
    std::size_t in_range = 0;
    if (counts_only_) {
      for (std::size_t i = 0; i < count; ++i) in_range += scores[i] >= threshold_ ? 1 : 0;
    } else {
      const std::size_t before = rows_.size();
      rows_.resize(before + count);
      ScoredRow* const rows = rows_.data() + before;
      for (std::size_t i = 0; i < count; ++i) {
        rows[in_range] = {scores[i], pairs[i].row};
        in_range += scores[i] >= threshold_ ? 1 : 0;
      }
      rows_.resize(before + in_range);
    }
    count_ += in_range;
    if (count_ - noted_ >= kNoted) note();
  }

  // Counts a row that is in range, whatever its similarity is. Only where rows are counted alone.
  void add_one() {
    if (++count_ - noted_ == kNoted) note();
  }

  // Puts what was found into the answers, as the query of this number.
  void hand_over(std::size_t query, std::size_t part) {
    note();
    answers_->put(query, part, count_, rows_);
  }

 private:
  static constexpr std::size_t kNoted = 4096;  // rows that are found before the answers are told

  void note() {
    answers_->note(count_ - noted_);
    noted_ = count_;
  }

  RangeAnswers* answers_;
  bool counts_only_;
  double threshold_ = -std::numeric_limits<double>::infinity();
  AlignedBuffer<ScoredRow> rows_;
  std::size_t count_ = 0, noted_ = 0;
};

}  // namespace latentknn
