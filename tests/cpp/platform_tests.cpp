// Tests the thread pool, also in forked children.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "checking.h"
#include "platform/forks.h"
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

// A thread that works itself asks as one that waits for workers does.
void work_outside_of_tasks_stops_when_asked() {
  using latentknn::ThreadPool;
  int polls = 0;
  const ThreadPool::Poll stop = [&] { return ++polls > 0; }, go_on = [] { return false; }, none;
  const auto endless = [](const ThreadPool::Poll& poll) {
    const ThreadPool::Polling polling(poll);
    while (true) ThreadPool::check_interrupt();
  };
  check(throws<latentknn::Interrupted>([&] { endless(stop); }), "a poll that asks to stop interrupts endless work");
  check(polls == 1, "work that was asked to stop asks no more");
  check(throws<latentknn::Interrupted>([&] {
          const ThreadPool::Polling polling(go_on);
          endless(stop);
        }),
        "the innermost poll is asked");

  const ThreadPool::Polling polling(stop);
  const auto endless_task = [](std::size_t) {
    while (true) ThreadPool::check_interrupt();
  };
  check(throws<latentknn::Interrupted>([&] { ThreadPool::shared().run(4, 2, endless_task, none); }),
        "tasks that are given no poll are stopped by that of their caller");
  polls = 0;
  {
    const ThreadPool::Polling inner(none);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(120);
    while (std::chrono::steady_clock::now() < end) ThreadPool::check_interrupt();
  }
  check(polls == 0, "where the innermost poll is null nothing is asked");
  check(throws<latentknn::Interrupted>([] {
          while (true) ThreadPool::check_interrupt();
        }),
        "the poll of before is asked again afterwards");
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

// Returns whether a child ended by itself with status 0.
bool went_well(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Returns whether a pool does all of a few tasks.
bool pool_works() {
  std::atomic<int> done{0};
  latentknn::ThreadPool::shared().run(4, 2, [&](std::size_t) { ++done; }, nullptr);
  return done == 4;
}

// Other threads of the parent are anywhere in the pool, and may hold its locks.
void forked_children_have_a_pool_of_their_own() {
  std::atomic<bool> ends{false}, ended{false};
  // ThreadSanitizer mistakes a child's thread for one of the parent's that is to be joined.
  std::thread([&] {
    while (!ends) {
      const latentknn::ThreadPool::Background background;
      latentknn::ThreadPool::shared().run(3, 2, [](std::size_t) {}, nullptr);
    }
    ended = true;
  }).detach();
  bool worked = true;
  for (std::size_t i = 0; i < checking::scaled(40); ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      _exit(pool_works() ? 0 : 1);
    }
    worked = worked && went_well(child);
  }
  ends = true;
  while (!ended) std::this_thread::yield();
  check(worked, "children that are forked while workers are busy have workers of their own");
}

// The interrupter's own error, such as Python's KeyboardInterrupt, must not be replaced by that of a task.
void an_interrupt_goes_before_the_error_of_a_task() {
  std::atomic<bool> asked = false;
  const auto task = [&](std::size_t index) {
    while (!asked) std::this_thread::yield();
    if (index == 0) throw std::runtime_error("a task's own error");
  };
  const auto poll = [&] {
    asked = true;
    return true;
  };
  check(throws<latentknn::Interrupted>([&] { latentknn::ThreadPool::shared().run(2, 2, task, poll); }),
        "an interrupt goes before the error of a task");
}

// A poll may fork, as a signal handler does: the child has none of the workers, and is told so.
void a_poll_may_fork() {
  std::atomic<pid_t> child{-1};
  const auto poll = [&] {
    if (child < 0) child = fork();
    return false;
  };
  const auto task = [&](std::size_t) {
    while (child < 0) latentknn::ThreadPool::check_interrupt();
  };
  const bool told = throws<latentknn::ForkedInside>([&] { latentknn::ThreadPool::shared().run(4, 2, task, poll); });
  if (child == 0) {
    alarm(20);
    _exit(told && pool_works() ? 0 : 1);
  }
  check(!told, "the parent's work goes on after a fork by its poll");
  check(went_well(child), "a child that a poll forked is told so, and goes on");
}

void a_poll_may_fork_outside_of_tasks() {
  pid_t child = -1;
  const latentknn::ThreadPool::Poll poll = [&] {
    if (child < 0) child = fork();
    return false;
  };
  const bool told = throws<latentknn::ForkedInside>([&] {
    const latentknn::ThreadPool::Polling polling(poll);
    while (child < 0) latentknn::ThreadPool::check_interrupt();
  });
  if (child == 0) {
    alarm(20);
    _exit(told && pool_works() ? 0 : 1);
  }
  check(!told, "the parent's own work goes on after a fork by its poll");
  check(went_well(child), "a child that a poll forked in the middle of work is told so, and goes on");
}

}  // namespace

int main() {
  pool_stops_when_asked();
  work_outside_of_tasks_stops_when_asked();
  pool_passes_exceptions_on();
  forked_children_have_a_pool_of_their_own();
  an_interrupt_goes_before_the_error_of_a_task();
  a_poll_may_fork();
  a_poll_may_fork_outside_of_tasks();
  return checking::summary();
}
