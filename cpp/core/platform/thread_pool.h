// A small pool of worker threads that the whole process shares, and that survives fork().
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

namespace latentknn {

// Thrown where the caller's poll asks to stop; the work is left undone.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

class ThreadPool {
 public:
  // The waiting thread calls it after every twentieth of a second of waiting; true asks the work to stop.
  using Poll = std::function<bool()>;
  using Task = std::function<void(std::size_t)>;

  static ThreadPool& shared();

  // While it lives, what its thread runs is work of the background: workers leave it after some milliseconds where
  // other work waits, and share their time between both.
  class Background {
   public:
    Background();
    ~Background();
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

   private:
    const bool before_;
  };

  // While it lives, its thread's own work outside of tasks can be asked to stop: check_interrupt() asks `poll` there
  // after every twentieth of a second, and so does run() where it is given no poll. A null poll is not asked.
  class Polling {
   public:
    explicit Polling(const Poll& poll);
    ~Polling();
    Polling(const Polling&) = delete;
    Polling& operator=(const Polling&) = delete;

   private:
    const Poll* const before_;
  };

  // Runs task(0) ... task(count - 1) on up to `threads` workers and waits. The first exception of a task stops the
  // others and is thrown here; so is Interrupted where `poll` asks to stop. Tasks that take long call
  // check_interrupt() now and then. Every task has the default floating-point modes, whichever thread does it. Throws
  // ForkedInside in a child that `poll` forked.
  void run(std::size_t count, std::size_t threads, const Task& task, const Poll& poll);

  // Runs tasks whose work, in float32 multiply-adds, is known. The calling thread does little work itself, before
  // others would wake up, and does not ask `poll` then.
  void run_sized(double work, std::size_t count, std::size_t threads, const Task& task, const Poll& poll);

  // Whether run_sized() leaves so much work to the calling thread.
  static bool is_little(double work);

  // Throws Interrupted once the task that it is called in, or the work of the innermost Polling, has been asked to
  // stop. Throws ForkedInside in a child that the poll of such work forked.
  static void check_interrupt();

 private:
  struct Job;
  ThreadPool() = default;
  void work();
  void ensure_workers(std::size_t count);
  std::shared_ptr<Job> next_job();
  void count_waiting();
  void run_tasks(Job& job);
  [[noreturn]] static void leave_in_child(bool stops);

  std::mutex mutex_;
  std::condition_variable work_available_;
  std::deque<std::shared_ptr<Job>> jobs_;  // in the order in which they came
  bool background_turn_ = false;
  std::atomic<std::size_t> searches_waiting_{0};  // jobs of the foreground that another worker may join
  std::size_t workers_ = 0;
};

}  // namespace latentknn
