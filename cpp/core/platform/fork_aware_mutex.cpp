#include "platform/fork_aware_mutex.h"

#include <pthread.h>

namespace latentknn {
namespace {

std::atomic<std::uint64_t> count{0};

}  // namespace

std::uint64_t forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { ++count; });
  if (registered != 0) throw std::bad_alloc();
  return count.load();
}

}  // namespace latentknn
