// Which rows of a database a part of it holds: ascending, in runs.
#pragma once

#include <algorithm>
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
  }

  // Of a row of the part, its position in the database.
  std::int64_t position(std::size_t row) const {
    const auto next = std::upper_bound(runs_.begin(), runs_.end(), row,
                                       [](std::size_t value, const Run& run) { return value < run.first; });
    const Run& run = *(next - 1);
    return static_cast<std::int64_t>(run.position + (row - run.first));
  }

  // The rows of the part whose flag, one a row of the database, is not zero.
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
  struct Run {
    std::size_t first;     // row of the part
    std::size_t position;  // of the database
  };
  std::vector<Run> runs_;
  std::size_t size_ = 0;
};

}  // namespace latentknn::cuda
