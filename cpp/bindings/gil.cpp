#include "gil.h"

#include <pybind11/pybind11.h>

#include <atomic>

#include "platform/forks.h"

namespace latentknn::bindings {
namespace {

std::atomic<unsigned long> main_thread{0};

// The thread that forks is the main thread of the child.
[[maybe_unused]] const int registered = at_fork_in_child([] { main_thread = PyThread_get_thread_ident(); });

}  // namespace

void remember_main_thread() {
  namespace py = pybind11;
  main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
}

bool signal_arrived() {
  if (PyThread_get_thread_ident() != main_thread) return false;
  const PyGILState_STATE state = PyGILState_Ensure();
  const bool arrived = PyErr_CheckSignals() != 0;
  PyGILState_Release(state);
  return arrived;
}

}  // namespace latentknn::bindings
