// The request to end a search early.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace latentknn::cuda {

// The caller asked to stop.
class Stopped : public std::exception {};

// The caller, or a part of the search that failed, asks to stop.
// The caller's `poll` is called only on the thread that made this object.
class Stop {
 public:
  explicit Stop(std::function<bool()> poll) : poll_(std::move(poll)), thread_(std::this_thread::get_id()) {}

  void ask() { asked_ = true; }
  bool asked() {
    // After the first yes, poll_ is not called again: it may not say yes a second time.
    if (!asked_ && poll_ && std::this_thread::get_id() == thread_ && poll_()) asked_ = true;
    return asked_;
  }
  void check() {
    if (asked()) throw Stopped();
  }

 private:
  std::function<bool()> poll_;
  std::thread::id thread_;
  std::atomic<bool> asked_{false};
};

}  // namespace latentknn::cuda
