// Selection without moving values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

namespace latentknn {

// Returns a value that `rank` of some values reach, and not many more unless they are nearly equal; minus infinity
// where fewer reach `lowest`. The value is below `highest`. reaching(x) tells how many values are at least x. It halves
// the range of the values again and again. Counting values is so much cheaper than moving them that many passes take
// less time than one selection.
template <class Reaching>
float value_of_rank(std::size_t rank, float lowest, float highest, const Reaching& reaching) {
  constexpr std::size_t kTolerance = 8;  // an eighth more values than wanted may reach the result
  const float nearly_equal = (highest - lowest) * 0x1p-26f;
  float reached = lowest, missed = highest;
  if (reaching(reached) < rank) return -std::numeric_limits<float>::infinity();
  while (missed - reached > nearly_equal) {
    const float middle = 0.5f * (reached + missed);
    if (!(middle > reached && middle < missed)) break;
    const std::size_t count = reaching(middle);
    if (count >= rank) {
      reached = middle;
      if (count <= rank + rank / kTolerance) break;
    } else {
      missed = middle;
    }
  }
  return reached;
}

// Does so for bounds of similarities, where fewer may reach `known`.
template <class Reaching>
float bound_of_rank(std::size_t rank, double known, const Reaching& reaching) {
  constexpr float kBeyond = 4.0f;  // beyond every finite bound of a similarity
  return value_of_rank(rank, std::max(-kBeyond, static_cast<float>(known)), kBeyond, reaching);
}

}  // namespace latentknn
