// The ids of rows, by position. While every id is its row's position, none is stored.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace latentknn::cuda {

class RowIds {
 public:
  std::size_t size() const { return size_; }
  bool are_positions() const { return ids_.empty(); }

  std::int64_t operator[](std::int64_t position) const {
    return are_positions() ? position : ids_[static_cast<std::size_t>(position)];
  }

  // If this throws, nothing was appended.
  void append(const std::int64_t* ids, std::size_t count) {
    if (are_positions() && !continue_positions(ids, count)) {
      std::vector<std::int64_t> all(size_ + count);
      std::iota(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size_), std::int64_t{0});
      std::copy_n(ids, count, all.begin() + static_cast<std::ptrdiff_t>(size_));
      ids_ = std::move(all);
    } else if (!are_positions()) {
      ids_.insert(ids_.end(), ids, ids + count);
    }
    size_ += count;
  }

  void clear() {
    ids_.clear();
    size_ = 0;
  }

  // Copies the ids of some rows.
  void look_up(const std::int64_t* positions, std::size_t count, std::int64_t* ids) const {
    if (are_positions()) {
      std::copy_n(positions, count, ids);
    } else {
      for (std::size_t i = 0; i < count; ++i) ids[i] = ids_[static_cast<std::size_t>(positions[i])];
    }
  }

 private:
  bool continue_positions(const std::int64_t* ids, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i) {
      if (ids[i] != static_cast<std::int64_t>(size_ + i)) return false;
    }
    return true;
  }

  std::vector<std::int64_t> ids_;  // empty while they are positions
  std::size_t size_ = 0;
};

}  // namespace latentknn::cuda
