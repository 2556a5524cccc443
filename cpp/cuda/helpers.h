// Threads that work on parts of a search at the same time. They are kept for later searches.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "stop.h"

namespace latentknn::cuda {

class Helpers {
 public:
  // The threads are created when they are first needed.
  Helpers();
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // Does all tasks at the same time, the first on the calling thread, and waits for them.
  // If one throws, the others are asked to stop, and the first exception is thrown again.
  // Throws Stopped if the caller asked to stop, even after all tasks were done.
  // Only one thread at a time may call, and none in a process that was forked from one that has called.
  void run_together(const std::vector<std::function<void()>>& tasks, Stop& stop);

 private:
  class Helper;

  std::vector<std::unique_ptr<Helper>> helpers_;
};

}  // namespace latentknn::cuda
