// What a process knows of the forks that made it.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace latentknn {

// Lets every child that a fork makes call a function before it does anything else. Returns 0 where that succeeded.
int at_fork_in_child(void (*function)());

// Counts the forks that lead from the process in which this library was loaded to this process.
std::uint64_t forks();

// Thrown in a child that a signal handler forked in the middle of a call: the threads that did the work of the call
// are not in the child.
class ForkedInside : public std::runtime_error {
 public:
  ForkedInside()
      : std::runtime_error(
            "the process was forked in the middle of this call, by a signal handler; call again in the child, where "
            "none of the work was done") {}
};

}  // namespace latentknn
