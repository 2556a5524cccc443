#include "platform/forks.h"

#include <atomic>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace latentknn {
namespace {

std::atomic<std::uint64_t> count{0};

// The handler is registered while the library is loaded: the first use of a local static would lock, and a child that
// another thread forks at that moment would wait for the lock for ever.
[[maybe_unused]] const int registered = at_fork_in_child([] { ++count; });

}  // namespace

#if defined(_WIN32)
int at_fork_in_child(void (*)()) { return 0; }  // Windows has no fork
#else
int at_fork_in_child(void (*function)()) { return pthread_atfork(nullptr, nullptr, function); }
#endif

std::uint64_t forks() { return count.load(); }

}  // namespace latentknn
