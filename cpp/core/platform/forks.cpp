#include "platform/forks.h"

#include <pthread.h>

#include <atomic>

namespace latentknn {
namespace {

std::atomic<std::uint64_t> count{0};

// The handler is registered while the library is loaded: the first use of a local static would lock, and a child that
// another thread forks at that moment would wait for the lock for ever.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] { ++count; });

}  // namespace

std::uint64_t forks() { return count.load(); }

}  // namespace latentknn
