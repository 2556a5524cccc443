// The positions of the rows of a part: ascending, and stored as runs, which are rows that follow each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace latentknn::cuda {

class Numbering {
 public:
  std::size_t size() const { return size_; }

  // Appends rows that follow each other in the database.
  void append(std::size_t position, std::size_t count) {
    if (count == 0) return;
    if (runs_.empty() || runs_.back().position + (size_ - runs_.back().first) != position) {
      runs_.push_back({size_, position});
    }
    size_ += count;
    // These blocks begin among the new rows.
    while (run_of_block_.size() * kBlock < size_) run_of_block_.push_back(static_cast<std::uint32_t>(runs_.size() - 1));
  }

  // Finds the positions in the database of some rows of the part.
  void find_positions(const std::uint32_t* rows, std::size_t count, std::int64_t* positions) const {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = rows[i];
      std::size_t run = run_of_block_[row / kBlock];
      while (run + 1 < runs_.size() && runs_[run + 1].first <= row) ++run;
      positions[i] = static_cast<std::int64_t>(runs_[run].position + (row - runs_[run].first));
    }
  }

  // Returns the rows of the part whose flag is not zero. The database's rows have one each.
  std::vector<std::uint32_t> flagged(const std::uint8_t* flags) const {
    std::vector<std::uint32_t> found;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const std::size_t end = i + 1 < runs_.size() ? runs_[i + 1].first : size_;
      for (std::size_t row = runs_[i].first; row < end; ++row) {
        if (flags[runs_[i].position + (row - runs_[i].first)] != 0) found.push_back(static_cast<std::uint32_t>(row));
      }
    }
    return found;
  }

 private:
  static constexpr std::size_t kBlock = 1024;  // rows that share the run at which their search begins

  struct Run {
    std::size_t first;     // number of the run's first row in the part
    std::size_t position;  // position of the run's first row in the database
  };
  std::vector<Run> runs_;
  std::vector<std::uint32_t> run_of_block_;  // run of each block's first row
  std::size_t size_ = 0;
};

}  // namespace latentknn::cuda
