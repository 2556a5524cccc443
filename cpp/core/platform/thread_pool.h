// A small pool of worker threads, shared by the whole process, that survives fork().
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

namespace latentknn {

// Thrown where the caller's poll asked to stop; the work is left undone.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

// Processors this process may use: its affinity mask, capped by its cgroup's CPU quota.
std::size_t usable_processors();

class ThreadPool {
 public:
  // Called by the waiting thread after every twentieth of a second that it has waited; true asks the work to stop.
  using Poll = std::function<bool()>;
  using Task = std::function<void(std::size_t)>;

  static ThreadPool& shared();

  // Runs task(0) ... task(count - 1) on up to `threads` workers and waits. The first exception of a task
  // stops the others and is thrown here; so is Interrupted where `poll` asked for it. Tasks that take long
  // call check_interrupt() now and then. Whichever thread does a task, it has the default floating-point modes.
  void run(std::size_t count, std::size_t threads, const Task& task, const Poll& poll);

  // The same for so much work, in float32 multiply-adds. Little work the calling thread does itself, sooner than others
  // wake up, and without asking `poll`.
  void run_sized(double work, std::size_t count, std::size_t threads, const Task& task, const Poll& poll);

  // Whether the calling thread does so much work itself.
  static bool is_little(double work);

  // Inside a task: throws Interrupted once the work has been asked to stop.
  static void check_interrupt();

 private:
  struct Job;
  ThreadPool() = default;
  void work();
  void ensure_workers(std::size_t count);
  static void run_tasks(Job& job);

  std::mutex mutex_;
  std::condition_variable work_available_;
  std::deque<std::shared_ptr<Job>> jobs_;
  std::size_t workers_ = 0;
};

}  // namespace latentknn
