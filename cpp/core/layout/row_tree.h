// Orders rows so that neighbours stand together: it halves them again and again across the direction in which they
// spread the most, down to single cells. Queries find the place of their neighbours the same way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/thread_pool.h"

namespace latentknn {

class RowTree {
 public:
  // Orders `points` (count, width). Every first half is a whole number of cells of `cell` rows.
  RowTree(const float* points, std::size_t count, std::size_t width, std::size_t cell, std::size_t threads,
          const ThreadPool::Poll& poll);

  // The numbers of the points, in the tree's order.
  const std::vector<std::uint32_t>& order() const { return order_; }

  // Finds roughly the place in the order at which a point would stand.
  std::size_t place(const float* point) const;

 private:
  struct Node {
    std::size_t index;  // children: 2 index + 1 and 2 index + 2
    std::size_t first;
    std::size_t last;
  };

  std::size_t first_half(std::size_t count) const;
  void divide(const float* points, const Node& node);
  void set_direction(const float* points, const Node& node);

  std::size_t width_;
  std::size_t cell_;
  std::vector<std::uint32_t> order_;
  std::vector<float> directions_;  // (nodes, width)
  std::vector<float> thresholds_;  // by node: points less far along its direction are the first half
};

}  // namespace latentknn
