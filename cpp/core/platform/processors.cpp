#include "platform/processors.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#if defined(__linux__)
#include <sched.h>

#include <fstream>
#elif defined(_WIN32)
#include <windows.h>

#include <bit>
#include <cstdint>
#endif

namespace latentknn {
namespace {

#if defined(__linux__)

// Returns the CPU quota of this process's cgroup (version 2, then version 1), in processors; infinity without a quota.
double quota_now() {
  double quota = 0, period = 0;
  std::ifstream unified("/sys/fs/cgroup/cpu.max");
  if (!(unified >> quota >> period)) {  // "max" does not parse as a number
    std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    std::ifstream period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(quota_file >> quota) || !(period_file >> period)) return INFINITY;
  }
  return quota > 0 && period > 0 ? quota / period : INFINITY;
}

// The quota, once it is read; until then not a number. A local static would lock, and a child that is forked meanwhile
// would wait for the lock for ever.
std::atomic<double> known_quota{NAN};

double processor_quota() {
  double quota = known_quota.load();
  if (std::isnan(quota)) known_quota = quota = quota_now();
  return quota;
}

// Returns the number of processors of this thread's affinity mask, or 0 where the system does not say.
std::size_t affine_processors() {
  cpu_set_t affinity;
  if (sched_getaffinity(0, sizeof affinity, &affinity) != 0) return 0;
  return static_cast<std::size_t>(CPU_COUNT(&affinity));
}

#else

double processor_quota() { return INFINITY; }

std::size_t affine_processors() {
#if defined(_WIN32)
  DWORD_PTR of_process = 0, of_system = 0;
  if (GetProcessAffinityMask(GetCurrentProcess(), &of_process, &of_system) != 0) {
    return static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(of_process)));
  }
#endif
  return 0;  // macOS has no affinity masks
}

#endif

}  // namespace

std::size_t usable_processors() {
  std::size_t processors = affine_processors();
  if (processors == 0) processors = std::max(1u, std::thread::hardware_concurrency());
  const double quota = processor_quota();
  if (quota < static_cast<double>(processors)) processors = static_cast<std::size_t>(std::ceil(quota));
  return std::max<std::size_t>(1, processors);
}

}  // namespace latentknn
