// Rounds float64 to float32 in a direction.
#pragma once

#include <cmath>
#include <limits>

namespace latentknn {

// Returns the largest float32 that is not above `value`.
inline float round_down(double value) {
  const float rounded = static_cast<float>(value);
  return static_cast<double>(rounded) <= value ? rounded
                                               : std::nextafter(rounded, -std::numeric_limits<float>::infinity());
}

// Returns the smallest float32 that is not below `value`.
inline float round_up(double value) { return -round_down(-value); }

}  // namespace latentknn
