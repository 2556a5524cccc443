#include "helpers.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "platform/forks.h"

namespace latentknn::cuda {

// A thread that does one task after the other.
class Helpers::Helper {
 public:
  Helper() : thread_([this] { work(); }) {}

  ~Helper() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // Returns whether the thread is of this process: a forked child has a copy of this object, but not the thread.
  bool exists() const { return process_ == getpid(); }

  void begin(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      task_ = std::move(task);
    }
    changed_.notify_all();
  }

  // Waits at most `time` for the task. Returns whether it is done.
  bool done_within(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return !task_; });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return task_ || ends_; });
      if (!task_) return;
      lock.unlock();
      task_();
      lock.lock();
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  const pid_t process_ = getpid();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> task_;  // empty when no task is left to do
  bool ends_ = false;
  std::thread thread_;  // last, because it uses the other members
};

namespace {

// The helpers that have tasks are not in a child that the caller's poll forked: nobody would ever do these there.
[[noreturn]] void leave_in_child(Stop& stop) {
  stop.check();
  throw ForkedInside();
}

}  // namespace

Helpers::Helpers() = default;

Helpers::~Helpers() {
  // Helpers of another process are left alone: their destructors would wait for threads that are not here.
  for (std::unique_ptr<Helper>& helper : helpers_) {
    if (!helper->exists()) static_cast<void>(helper.release());
  }
}

void Helpers::run_together(const std::vector<std::function<void()>>& tasks, Stop& stop) {
  std::mutex mutex;
  std::exception_ptr failure;
  bool stopped = false;
  const auto run = [&](const std::function<void()>& task) {
    try {
      task();
    } catch (const Stopped&) {
      // The reason may be a failure in a task within another task, which has not come here yet.
      const std::lock_guard lock(mutex);
      stopped = true;
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      stop.ask();
    }
  };
  std::size_t others = 0;
  run([&] {
    while (helpers_.size() + 1 < tasks.size()) helpers_.push_back(std::make_unique<Helper>());
    for (; others + 1 < tasks.size(); ++others) {
      helpers_[others]->begin([&run, &task = tasks[others + 1]] { run(task); });
    }
    if (!tasks.empty()) tasks.front()();
  });
  for (std::size_t i = 0; i < others; ++i) {
    while (true) {
      if (!helpers_[i]->exists()) leave_in_child(stop);
      if (helpers_[i]->done_within(std::chrono::milliseconds(20))) break;
      // If the caller asks to stop meanwhile, the other tasks see it.
      stop.asked();
    }
  }
  if (failure) std::rethrow_exception(failure);
  if (stopped || (others > 0 && stop.asked())) throw Stopped();
}

}  // namespace latentknn::cuda
