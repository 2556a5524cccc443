// Which rows of a part were not removed, and how many of them come before each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace latentknn {

class LiveRows {
 public:
  // All of `count` rows are live.
  explicit LiveRows(std::size_t count);

  // Makes room for rows up to `count`; the new ones are live.
  void extend(std::size_t count);

  // Removes the live rows of these ranks, which ascend: rank 0 is the first live row. Ranks count the rows that were
  // live before the call.
  void remove(const std::int64_t* ranks, std::size_t count);

  // One flag a row, 0 where it was removed.
  const std::uint8_t* flags() const { return flags_.data(); }
  // The number of rows that are live.
  std::size_t size() const { return size_; }

  // Counts the live rows before `row`.
  std::size_t rank(std::size_t row) const;
  // Returns the live row that so many live ones precede; `rank` is below size().
  std::size_t row(std::size_t rank) const;

 private:
  static constexpr std::size_t kBlock = 64;  // rows between two counts that are stored

  void count_from(std::size_t block);

  std::vector<std::uint8_t> flags_;
  std::vector<std::uint32_t> before_;  // by block: live rows in earlier blocks
  std::size_t size_ = 0;
};

}  // namespace latentknn
