// Tests the thread pool, and the lock that survives a fork.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "checking.h"
#include "platform/fork_aware_mutex.h"
#include "platform/thread_pool.h"

namespace {

using checking::check;
using checking::throws;

void pool_stops_when_asked() {
  std::atomic<int> done{0};
  const auto task = [&](std::size_t) {
    while (done < 1000000000) latentknn::ThreadPool::check_interrupt();
  };
  check(throws<latentknn::Interrupted>([&] { latentknn::ThreadPool::shared().run(4, 2, task, [] { return true; }); }),
        "a poll that asks to stop interrupts endless tasks");

  // Each job is over long before a poll is due; all jobs together are not.
  const auto many_short_jobs = [] {
    for (int i = 0; i < 1000000; ++i)
      latentknn::ThreadPool::shared().run(2, 2, [](std::size_t) {}, [] { return true; });
  };
  check(throws<latentknn::Interrupted>(many_short_jobs), "a poll that asks to stop interrupts work of many short jobs");
}

void pool_passes_exceptions_on() {
  const auto task = [](std::size_t index) {
    if (index == 5) throw std::bad_alloc();
  };
  check(throws<std::bad_alloc>([&] { latentknn::ThreadPool::shared().run(100, 3, task, nullptr); }),
        "an exception of a task reaches the caller");
  std::atomic<std::size_t> sum{0};
  latentknn::ThreadPool::shared().run(1000, 4, [&](std::size_t index) { sum += index; }, nullptr);
  check(sum == 499500, "every task runs once");
}

// A forked child may lock what other threads only read, and is refused what they were changing.
void forked_children_do_not_wait() {
  const auto in_child = [](latentknn::ForkAwareMutex& mutex) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      int status = 0;
      try {
        const std::shared_lock reading(mutex);
      } catch (const latentknn::ForkedWhileChanging&) {
        status = 1;
      }
      if (status == 0) {
        const std::unique_lock changing(mutex);
      }
      _exit(status);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const auto while_held = [&](auto lock_kind) {
    latentknn::ForkAwareMutex mutex;
    std::atomic<bool> held{false}, done{false};
    std::thread other([&] {
      const decltype(lock_kind) lock(mutex);
      held = true;
      while (!done) std::this_thread::yield();
    });
    while (!held) std::this_thread::yield();
    const int status = in_child(mutex);
    done = true;
    other.join();
    const std::unique_lock changing(mutex);  // the parent's mutex is as it was
    return status;
  };
  check(while_held(std::shared_lock<latentknn::ForkAwareMutex>()) == 0, "a child reads what others were reading");
  check(while_held(std::unique_lock<latentknn::ForkAwareMutex>()) == 1, "a child refuses what others were changing");
}

// A poll may fork, as a signal handler does: the child has none of the workers, and is told so; its locks are free.
void a_poll_may_fork() {
  latentknn::ForkAwareMutex mutex;
  std::atomic<pid_t> child{-1};
  const auto poll = [&] {
    if (child < 0) child = fork();
    return false;
  };
  std::atomic<bool> ends{false};
  const auto task = [&](std::size_t) {
    while (!ends && child < 0) latentknn::ThreadPool::check_interrupt();
  };
  bool told = false;
  {
    const std::shared_lock reading(mutex);
    told = throws<latentknn::ForkedInside>([&] { latentknn::ThreadPool::shared().run(4, 2, task, poll); });
    if (child == 0) {
      alarm(20);
      const std::shared_lock within(mutex);
    }
  }
  if (child == 0) {
    for (int i = 0; i < 3; ++i) {
      const std::unique_lock changing(mutex);
    }
    std::atomic<int> done{0};
    latentknn::ThreadPool::shared().run(4, 2, [&](std::size_t) { ++done; }, nullptr);
    _exit(told && done == 4 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  check(!told, "the parent's work goes on after a fork by its poll");
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child that a poll forked is told so, and goes on");
}

}  // namespace

int main() {
  pool_stops_when_asked();
  pool_passes_exceptions_on();
  forked_children_do_not_wait();
  a_poll_may_fork();
  return checking::summary();
}
