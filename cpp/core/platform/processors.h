// How many processors a process may use.
#pragma once

#include <cstddef>

namespace latentknn {

// Counts the processors that this process may use: those of its affinity mask, capped by its cgroup's CPU quota, where
// the system has them.
std::size_t usable_processors();

}  // namespace latentknn
