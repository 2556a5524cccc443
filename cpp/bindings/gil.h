// The lock of the Python interpreter, released while the core computes, and the question whether Ctrl-C was pressed.
#pragma once

#include <Python.h>

#include <chrono>
#include <thread>

namespace latentknn::bindings {

// Releases the lock until the end of its scope.
//
// A thread that comes back while the interpreter is being finalised cannot have the lock any more. Until version 3.13
// Python ends such a thread by pthread_exit, which unwinds its stack; the unwinding would reach functions that must
// not throw, and abort the process. So the thread stays here, as Python 3.14 makes it stay, until the process is gone.
class ReleasedGil {
 public:
  ReleasedGil() : state_(PyEval_SaveThread()) {}
  ~ReleasedGil() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // nothing but the unwinding by pthread_exit, which must not be caught and left
      while (true) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }
  ReleasedGil(const ReleasedGil&) = delete;
  ReleasedGil& operator=(const ReleasedGil&) = delete;

 private:
  PyThreadState* state_;
};

// Remembers which thread handles signals. Called while the module is imported.
void remember_main_thread();

// Asks whether Ctrl-C has been pressed, or another signal's handler has raised an exception; the lock is not held.
// Only the main thread handles signals, so others have nothing to wait for the lock for.
bool signal_arrived();

}  // namespace latentknn::bindings
