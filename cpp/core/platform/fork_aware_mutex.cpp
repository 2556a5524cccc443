#include "platform/fork_aware_mutex.h"

#include <pthread.h>

namespace latentknn {
namespace {

// Locks that the thread holds, and how many of them it held when it was forked: those are the outermost ones.
thread_local int held = 0;
thread_local int held_before_fork = 0;

[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] { held_before_fork = held; });

}  // namespace

void ForkAwareMutex::lock() {
  renew();
  mutex_.lock();
  ++held;
  changing_ = true;
}

void ForkAwareMutex::unlock() {
  changing_ = false;
  if (give_back()) mutex_.unlock();
}

void ForkAwareMutex::lock_shared() {
  renew();
  mutex_.lock_shared();
  ++held;
}

void ForkAwareMutex::unlock_shared() {
  if (give_back()) mutex_.unlock_shared();
}

bool ForkAwareMutex::give_back() {
  const bool of_this_process = held > held_before_fork;
  --held;
  if (!of_this_process) held_before_fork = held;
  return of_this_process;
}

void ForkAwareMutex::renew() {
  std::uint64_t known = forks_.load();
  while (known != forks()) {
    if (changing_) throw ForkedWhileChanging();
    if (known == kRenewing) {
      known = forks_.load();
    } else if (forks_.compare_exchange_weak(known, kRenewing)) {
      new (&mutex_) std::shared_mutex;
      forks_.store(forks());
      return;
    }
  }
}

}  // namespace latentknn
