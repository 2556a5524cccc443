#include "stop.h"

#include <chrono>
#include <future>
#include <mutex>

namespace latentknn::cuda {

void run_together(const std::vector<std::function<void()>>& tasks, Stop& stop) {
  std::mutex mutex;
  std::exception_ptr failure;
  bool stopped = false;
  const auto run = [&](const std::function<void()>& task) {
    try {
      task();
    } catch (const Stopped&) {
      // Perhaps because of a failure that is still on its way here, out of tasks within another task.
      const std::lock_guard lock(mutex);
      stopped = true;
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      stop.ask();
    }
  };
  std::vector<std::future<void>> others;
  run([&] {
    for (std::size_t i = 1; i < tasks.size(); ++i) {
      others.push_back(std::async(std::launch::async, run, std::cref(tasks[i])));
    }
    if (!tasks.empty()) tasks.front()();
  });
  for (const std::future<void>& other : others) {
    // The others see what the caller asks.
    while (other.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) stop.asked();
  }
  if (failure) std::rethrow_exception(failure);
  if (stopped || (!others.empty() && stop.asked())) throw Stopped();
}

}  // namespace latentknn::cuda
