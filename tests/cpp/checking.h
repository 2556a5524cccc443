// Counts and prints the checks of tests without Python.
#pragma once

#include <cstdio>
#include <string>

namespace checking {

inline int passed = 0;
inline int failed = 0;

inline void check(bool holds, const std::string& what) {
  ++(holds ? passed : failed);
  if (!holds) std::printf("FAILED: %s\n", what.c_str());
}

// Prints the counts, and returns the exit status.
inline int summary() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace checking
