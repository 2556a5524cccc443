// Counts and prints the checks of tests without Python.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

namespace checking {

inline int passed = 0;
inline int failed = 0;

inline void check(bool holds, const std::string& what) {
  ++(holds ? passed : failed);
  if (!holds) std::printf("FAILED: %s\n", what.c_str());
}

// Returns whether the action throws such an exception.
template <class Exception>
bool throws(const std::function<void()>& action) {
  try {
    action();
  } catch (const Exception&) {
    return true;
  }
  return false;
}

// LATENTKNN_TEST_SCALE: above 1, for releases, what may fail once in many times is repeated so many times more often;
// below 1, for sanitizers, which are slow, only so large a share of the cases is tested.
inline double scale() {
  const char* const given = std::getenv("LATENTKNN_TEST_SCALE");
  return given == nullptr ? 1.0 : std::strtod(given, nullptr);
}

// Returns how often to repeat what the default setting repeats so often; at least once.
inline std::size_t scaled(std::size_t count) {
  return static_cast<std::size_t>(std::max(1.0, std::round(static_cast<double>(count) * scale())));
}

// Returns whether a smaller setting tests the case of this number.
inline bool chosen(std::size_t number) {
  return scale() >= 1 || number % static_cast<std::size_t>(std::lround(1 / scale())) == 0;
}

// Prints the counts, and returns the exit status.
inline int summary() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace checking
