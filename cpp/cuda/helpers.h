// Threads that are kept, so that parts of a search can run side by side.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "stop.h"

namespace latentknn::cuda {

class Helpers {
 public:
  // The threads are started when they are first needed.
  Helpers();
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // Runs the tasks side by side, the first on the calling thread, and waits for all. What the first to fail threw is
  // thrown, and the others are asked to stop; Stopped is thrown too if the caller asked when all was done. One thread
  // at a time may call, and none in a process that was forked from one that did.
  void run_together(const std::vector<std::function<void()>>& tasks, Stop& stop);

 private:
  class Helper;

  std::vector<std::unique_ptr<Helper>> helpers_;
};

}  // namespace latentknn::cuda
