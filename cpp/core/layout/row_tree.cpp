#include "layout/row_tree.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace latentknn {
namespace {

constexpr std::size_t kSpreadRows = 256;  // rows of a node that its direction is found from
constexpr int kPowerSteps = 12;

float product(const float* a, const float* b, std::size_t count) {
  float sum = 0.0f;
  for (std::size_t j = 0; j < count; ++j) sum += a[j] * b[j];
  return sum;
}

}  // namespace

RowTree::RowTree(const float* points, std::size_t count, std::size_t width, std::size_t cell, std::size_t threads,
                 const ThreadPool::Poll& poll)
    : width_(width), cell_(cell), order_(count) {
  std::iota(order_.begin(), order_.end(), std::uint32_t{0});
  std::vector<Node> level = {{0, 0, count}};
  while (!level.empty()) {
    std::erase_if(level, [this](const Node& node) { return first_half(node.last - node.first) == 0; });
    if (level.empty()) break;
    // All nodes of the level have lower numbers than this.
    const std::size_t nodes = 2 * level.back().index + 1;
    directions_.resize(nodes * width_);
    thresholds_.resize(nodes);
    ThreadPool::shared().run(level.size(), threads, [&](std::size_t i) { divide(points, level[i]); }, poll);
    std::vector<Node> next;
    for (const Node& node : level) {
      const std::size_t middle = node.first + first_half(node.last - node.first);
      next.push_back({2 * node.index + 1, node.first, middle});
      next.push_back({2 * node.index + 2, middle, node.last});
    }
    level = std::move(next);
  }
}

// Returns the number of rows in the first half of `count`; 0 where they stay together.
std::size_t RowTree::first_half(std::size_t count) const { return count / cell_ / 2 * cell_; }

void RowTree::divide(const float* points, const Node& node) {
  set_direction(points, node);
  const float* direction = directions_.data() + node.index * width_;
  struct Along {
    float at;
    std::uint32_t row;
  };
  std::vector<Along> along(node.last - node.first);
  for (std::size_t i = 0; i < along.size(); ++i) {
    const std::uint32_t row = order_[node.first + i];
    along[i] = {product(direction, points + row * width_, width_), row};
  }
  const auto middle = along.begin() + static_cast<std::ptrdiff_t>(first_half(along.size()));
  // Rows that are equally far along keep the order in which they came.
  std::nth_element(along.begin(), middle, along.end(),
                   [](const Along& a, const Along& b) { return a.at != b.at ? a.at < b.at : a.row < b.row; });
  thresholds_[node.index] = middle->at;
  for (std::size_t i = 0; i < along.size(); ++i) order_[node.first + i] = along[i].row;
}

// Finds the direction of the largest spread by power iteration on the covariance of some rows.
void RowTree::set_direction(const float* points, const Node& node) {
  const std::size_t count = node.last - node.first;
  const std::size_t some = std::min(count, kSpreadRows);
  std::vector<float> mean(width_, 0.0f), centred(width_), covariance(width_ * width_, 0.0f);
  const auto point = [&](std::size_t i) { return points + order_[node.first + i * count / some] * width_; };
  for (std::size_t i = 0; i < some; ++i) {
    for (std::size_t j = 0; j < width_; ++j) mean[j] += point(i)[j] / static_cast<float>(some);
  }
  for (std::size_t i = 0; i < some; ++i) {
    for (std::size_t j = 0; j < width_; ++j) centred[j] = point(i)[j] - mean[j];
    for (std::size_t a = 0; a < width_; ++a) {
      for (std::size_t b = 0; b < width_; ++b) covariance[a * width_ + b] += centred[a] * centred[b];
    }
  }
  std::size_t widest = 0;
  for (std::size_t j = 1; j < width_; ++j) {
    if (covariance[j * width_ + j] > covariance[widest * width_ + widest]) widest = j;
  }
  std::vector<float> direction(covariance.begin() + static_cast<std::ptrdiff_t>(widest * width_),
                               covariance.begin() + static_cast<std::ptrdiff_t>((widest + 1) * width_));
  for (int step = 0; step < kPowerSteps; ++step) {
    for (std::size_t j = 0; j < width_; ++j) {
      centred[j] = product(covariance.data() + j * width_, direction.data(), width_);
    }
    const float length = std::sqrt(product(centred.data(), centred.data(), width_));
    if (!(length > 0.0f)) break;  // equal rows: any direction will do
    for (std::size_t j = 0; j < width_; ++j) direction[j] = centred[j] / length;
  }
  std::copy(direction.begin(), direction.end(), directions_.begin() + static_cast<std::ptrdiff_t>(node.index * width_));
}

std::size_t RowTree::place(const float* point) const {
  std::size_t first = 0, count = order_.size(), index = 0;
  for (std::size_t half = first_half(count); half > 0; half = first_half(count)) {
    if (product(directions_.data() + index * width_, point, width_) < thresholds_[index]) {
      count = half;
      index = 2 * index + 1;
    } else {
      first += half;
      count -= half;
      index = 2 * index + 2;
    }
  }
  return first;
}

}  // namespace latentknn
