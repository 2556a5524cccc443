// A shared mutex that a forked child can still use.
//
// A child has none of the parent's other threads, so a lock that they held would be held for ever. Data that they only
// read are whole, and the child begins with a fresh mutex. Data that one of them was changing are not whole: then the
// child gets ForkedWhileChanging.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <shared_mutex>
#include <stdexcept>

#include "platform/forks.h"

namespace latentknn {

class ForkedWhileChanging : public std::runtime_error {
 public:
  ForkedWhileChanging()
      : std::runtime_error(
            "this index was being changed by another thread when the process was forked; make it, or load it, in the "
            "child") {}
};

class ForkAwareMutex {
 public:
  ForkAwareMutex() : forks_(forks()) {}

  void lock();
  void unlock();
  void lock_shared();
  void unlock_shared();

 private:
  static constexpr std::uint64_t kRenewing = ~std::uint64_t{0};

  // In a child, the first thread that comes renews the mutex; others wait for it.
  void renew();

  // Counts a lock that the thread gives back. Returns whether this process locked it: a child whose thread held a lock
  // while it was forked has a fresh mutex, or will have one.
  static bool give_back();

  std::shared_mutex mutex_;
  std::atomic<std::uint64_t> forks_;  // forks() when the mutex was made
  std::atomic<bool> changing_{false};
};

}  // namespace latentknn
