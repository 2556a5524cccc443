// Ending a search early.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace latentknn::cuda {

// The caller asked to stop.
class Stopped : public std::exception {};

// Whether to stop: asked by the caller, whose question may be put on the thread that made this object only, or by a
// part of the search that failed.
class Stop {
 public:
  explicit Stop(std::function<bool()> poll) : poll_(std::move(poll)), thread_(std::this_thread::get_id()) {}

  void ask() { asked_ = true; }
  bool asked() {
    // Once is enough: a caller who has said yes may not be able to say it again.
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
