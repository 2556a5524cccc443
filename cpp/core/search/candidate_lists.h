// Lists, for each query of a block, the rows that screening has left and that wait to be scored.
//
// A list has upper bounds alone: the lower bound of a row is the width of its query's bounds below the upper one. So a
// row takes eight bytes, and adding it touches one line of the cache. Once the query's bounds have another width, all
// rows that were listed before share the largest width of any of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "platform/aligned_buffer.h"

namespace latentknn {

class CandidateLists {
 public:
  explicit CandidateLists(const KernelTable& kernels) : kernels_(kernels) {}

  // Makes empty lists for so many queries, each with room for `capacity` rows.
  void start(std::size_t queries, std::size_t capacity);

  std::size_t size(std::size_t q) const { return lists_[q].size; }
  std::size_t capacity() const { return capacity_; }

  // Tells that no row which is added from now on has a similarity further below its upper bound. The width is infinite
  // where nobody knows.
  void set_width(std::size_t q, double width);

  // Returns true once the list has reached its limit, which is the capacity at first. Then the caller shortens the
  // list and sets another limit.
  bool add(std::size_t q, float upper, std::uint32_t place) {
    List& list = lists_[q];
    rows(q)[list.size] = {upper, place};
    return ++list.size >= list.limit;
  }
  void set_limit(std::size_t q, std::size_t limit) {
    lists_[q].limit = static_cast<std::uint32_t>(limit < capacity_ ? limit : capacity_);
  }

  // Keeps the rows whose similarity may be `threshold` or more.
  void keep_above(std::size_t q, double threshold) {
    keep(q, [=](const Listed& row) { return static_cast<double>(row.upper) >= threshold; });
  }

  // Keeps the rows at places for which `wanted` is true.
  template <class Wanted>
  void keep_places(std::size_t q, const Wanted& wanted) {
    keep(q, [&](const Listed& row) { return wanted(row.place); });
  }

  // Returns `known`, or a higher similarity that at least `rank` rows have, by their lower bounds.
  // Hardly more rows have it, unless some are nearly equal.
  double reached_by(std::size_t q, std::size_t rank, double known) const;

  // Moves the places of the rows with the highest upper bounds to `taken`: `few`, some more, or all. No upper bound in
  // the list may be below `known`.
  void take_likeliest(std::size_t q, std::size_t few, double known, std::vector<std::uint32_t>& taken);

  // Moves all rows to `taken`, and returns the largest width of any of them.
  double take_all(std::size_t q, std::vector<Listed>& taken);

 private:
  struct List {
    std::uint32_t size;
    std::uint32_t limit;
  };
  // No row's similarity is further below its upper bound.
  struct Widths {
    std::size_t older_rows;  // rows at the list's begin that were added when the width was another
    double older;
    double now;
  };

  Listed* rows(std::size_t q) { return rows_.data() + q * capacity_; }
  const Listed* rows(std::size_t q) const { return rows_.data() + q * capacity_; }

  // Keeps what is wanted of rows [begin, end), behind `kept` rows, and returns how many rows are kept then.
  template <class Wanted>
  static std::size_t keep_some(Listed* rows, std::size_t begin, std::size_t end, std::size_t kept,
                               const Wanted& wanted) {
    for (std::size_t i = begin; i < end; ++i) {
      const Listed row = rows[i];
      rows[kept] = row;
      kept += wanted(row) ? 1 : 0;
    }
    return kept;
  }

  template <class Wanted>
  void keep(std::size_t q, const Wanted& wanted) {
    std::size_t& older_rows = widths_[q].older_rows;
    const std::size_t kept = keep_some(rows(q), 0, older_rows, 0, wanted);
    lists_[q].size = static_cast<std::uint32_t>(keep_some(rows(q), older_rows, lists_[q].size, kept, wanted));
    older_rows = kept;
  }

  double widest(std::size_t q) const;
  void clear(std::size_t q);

  const KernelTable& kernels_;
  std::size_t capacity_ = 0;
  AlignedBuffer<Listed> rows_;  // (queries, capacity)
  std::vector<List> lists_;
  std::vector<Widths> widths_;
};

}  // namespace latentknn
