// Selection without moving values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

namespace latentknn {

// Returns a value that `rank` of some values reach, and not many more unless they are equal; minus infinity where fewer
// reach `lowest`. None is above `highest`, but for those that are infinite. reaching(x) tells how many values are at
// least x.
// It halves the range of the values again and again. Counting values is so much cheaper than moving them that many
// passes take less time than one selection.
template <class Reaching>
float value_of_rank(std::size_t rank, float lowest, float highest, const Reaching& reaching) {
  constexpr std::size_t kTolerance = 8;  // an eighth more values than wanted may reach the result
  float reached = lowest, missed = highest;
  if (reaching(reached) < rank) return -std::numeric_limits<float>::infinity();
  while (true) {
    const float middle = 0.5f * (reached + missed);
    if (!(middle > reached && middle < missed)) return reached;
    const std::size_t count = reaching(middle);
    if (count >= rank) {
      reached = middle;
      if (count <= rank + rank / kTolerance) return reached;
    } else {
      missed = middle;
    }
  }
}

// The same of bounds of similarities, where fewer may reach `known`.
template <class Reaching>
float bound_of_rank(std::size_t rank, double known, const Reaching& reaching) {
  constexpr float kBeyond = 4.0f;  // beyond every finite bound of a similarity
  return value_of_rank(rank, std::max(-kBeyond, static_cast<float>(known)), kBeyond, reaching);
}

}  // namespace latentknn
