#include "platform/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "platform/float_environment.h"
#include "platform/forks.h"

namespace latentknn {
namespace {

constexpr std::chrono::milliseconds kPollInterval(50);
constexpr double kLittleWork = 0x1p22;  // about a tenth of a millisecond

// How long a worker stays with a job of the background while others wait: a search is delayed by little more, and
// changes get a share of the processors however many searches there are.
constexpr std::chrono::milliseconds kBackgroundSlice(5);

std::atomic<ThreadPool*> shared_pool{nullptr};

// Threads do not survive fork(), so a child makes a new pool. It leaves the parent's pool alone, as threads that the
// child does not have may hold its locks. The handler is registered while the library is loaded; see forks.cpp.
[[maybe_unused]] const int registered = at_fork_in_child([] { shared_pool.store(nullptr); });

}  // namespace

struct ThreadPool::Job {
  const Task* task;
  std::size_t count;
  std::size_t free_seats;  // workers that may still join; guarded by the pool's mutex
  bool in_background;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};

  std::mutex mutex;
  std::condition_variable idle;
  std::size_t active = 0;  // workers at the job; guarded by `mutex`
  std::exception_ptr error;

  bool joinable() const { return free_seats > 0 && !exhausted(); }
  bool exhausted() const { return stop.load() || next.load() >= count; }
};

namespace {
thread_local const std::atomic<bool>* current_stop = nullptr;
thread_local bool in_background = false;

// What the innermost Polling of the thread asks, and when it does so next.
thread_local const ThreadPool::Poll* current_poll = nullptr;
thread_local std::chrono::steady_clock::time_point poll_due;

// How long the thread has waited since it last polled. It counts over all jobs: otherwise short jobs would never poll.
thread_local std::chrono::steady_clock::duration unpolled{0};
}  // namespace

ThreadPool::Background::Background() : before_(in_background) { in_background = true; }
ThreadPool::Background::~Background() { in_background = before_; }

ThreadPool::Polling::Polling(const Poll& poll) : before_(current_poll) {
  current_poll = poll ? &poll : nullptr;
  poll_due = std::chrono::steady_clock::now() + kPollInterval;
}

ThreadPool::Polling::~Polling() { current_poll = before_; }

ThreadPool& ThreadPool::shared() {
  ThreadPool* pool = shared_pool.load();
  if (pool == nullptr) {
    // The pool is never destroyed: workers may still wait in it while the process exits.
    auto* fresh = new ThreadPool;
    if (shared_pool.compare_exchange_strong(pool, fresh)) {
      pool = fresh;
    } else {
      delete fresh;
    }
  }
  return *pool;
}

void ThreadPool::check_interrupt() {
  if (current_stop != nullptr) {
    if (current_stop->load(std::memory_order_relaxed)) throw Interrupted();
  } else if (current_poll != nullptr && std::chrono::steady_clock::now() >= poll_due) {
    const std::uint64_t process = forks();
    const bool stops = (*current_poll)();
    if (forks() != process) leave_in_child(stops);
    if (stops) throw Interrupted();
    poll_due = std::chrono::steady_clock::now() + kPollInterval;
  }
}

void ThreadPool::run_tasks(Job& job) {
  const DefaultFloatEnvironment environment;
  current_stop = &job.stop;
  const auto end = std::chrono::steady_clock::now() + kBackgroundSlice;
  const auto gives_way = [&] {
    return job.in_background && searches_waiting_.load(std::memory_order_relaxed) > 0 &&
           std::chrono::steady_clock::now() >= end;
  };
  try {
    while (!job.stop.load(std::memory_order_relaxed) && !gives_way()) {
      const std::size_t index = job.next.fetch_add(1);
      if (index >= job.count) break;
      (*job.task)(index);
    }
  } catch (...) {
    job.stop = true;
    const std::lock_guard lock(job.mutex);
    if (!job.error) job.error = std::current_exception();
  }
  current_stop = nullptr;
}

// Returns the job that a worker joins next, or null where there is none. Every other time, one of the background comes
// first.
std::shared_ptr<ThreadPool::Job> ThreadPool::next_job() {
  std::shared_ptr<Job> next;
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (!job->joinable()) continue;
    if (!next || (job->in_background == background_turn_ && next->in_background != background_turn_)) next = job;
  }
  if (next) background_turn_ = !background_turn_;
  return next;
}

void ThreadPool::count_waiting() {
  searches_waiting_ = static_cast<std::size_t>(std::count_if(
      jobs_.begin(), jobs_.end(), [](const auto& job) { return !job->in_background && job->joinable(); }));
}

void ThreadPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::shared_ptr<Job> job;
    work_available_.wait(lock, [&] { return (job = next_job()) != nullptr; });
    --job->free_seats;
    count_waiting();
    {
      const std::lock_guard job_lock(job->mutex);
      ++job->active;
    }
    lock.unlock();
    run_tasks(*job);
    {
      const std::lock_guard job_lock(job->mutex);
      --job->active;
      // Notifies under the lock: once it is released, the waiting caller may free the job's task.
      job->idle.notify_one();
    }
    lock.lock();
    ++job->free_seats;
    count_waiting();
    // The worker may join another job now, and leave the seat to somebody else.
    if (job->joinable()) work_available_.notify_one();
  }
}

void ThreadPool::ensure_workers(std::size_t count) {
  for (; workers_ < count; ++workers_) {
    std::thread worker([this] { work(); });
    worker.detach();
  }
}

// The workers that have tasks of a job are not in a child that `poll` forked: nobody would ever end the job there.
void ThreadPool::leave_in_child(bool stops) {
  if (stops) throw Interrupted();
  throw ForkedInside();
}

bool ThreadPool::is_little(double work) { return work <= kLittleWork; }

void ThreadPool::run_sized(double work, std::size_t count, std::size_t threads, const Task& task, const Poll& poll) {
  if (!is_little(work)) return run(count, threads, task, poll);
  const DefaultFloatEnvironment environment;
  for (std::size_t index = 0; index < count; ++index) task(index);
}

void ThreadPool::run(std::size_t count, std::size_t threads, const Task& task, const Poll& given_poll) {
  if (count == 0) return;
  const Poll& poll = given_poll || current_poll == nullptr ? given_poll : *current_poll;
  const auto job = std::make_shared<Job>();
  job->task = &task;
  job->count = count;
  job->free_seats = std::min(count, std::max<std::size_t>(1, threads));
  job->in_background = in_background;
  {
    const std::lock_guard lock(mutex_);
    ensure_workers(job->free_seats);
    jobs_.push_back(job);
    count_waiting();
  }
  work_available_.notify_all();

  const std::uint64_t process = forks();
  std::unique_lock lock(job->mutex);
  const auto finished = [&job] { return job->active == 0 && job->exhausted(); };
  bool interrupted = false;
  if (poll) {
    auto due = std::chrono::steady_clock::now() + kPollInterval - unpolled;
    while (!job->idle.wait_until(lock, due, finished)) {
      lock.unlock();
      const bool stops = !job->stop && poll();
      if (forks() != process) leave_in_child(stops);
      if (stops) interrupted = job->stop = true;
      due = std::chrono::steady_clock::now() + kPollInterval;
      lock.lock();
    }
    unpolled = std::chrono::steady_clock::now() + kPollInterval - due;
  } else {
    job->idle.wait(lock, finished);
  }
  lock.unlock();
  {
    // Late workers must not find the job after its task is gone.
    const std::lock_guard pool_lock(mutex_);
    std::erase(jobs_, job);
    count_waiting();
  }
  // Whoever polls may hold what interrupted it, as Python does its KeyboardInterrupt; no task's error may replace that.
  if (interrupted) throw Interrupted();
  if (job->error) std::rethrow_exception(job->error);
  if (job->stop) throw Interrupted();
}

}  // namespace latentknn
