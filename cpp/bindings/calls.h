// What the bindings of Database share: arrays become what the core reads, and its exceptions become Python's.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "gil.h"
#include "platform/thread_pool.h"
#include "rows/convert.h"
#include "search/search_request.h"

namespace latentknn::bindings {

using Flags = pybind11::array_t<std::uint8_t, pybind11::array::c_style>;
using Similarities = pybind11::array_t<double, pybind11::array::c_style>;

// The Python package gives C-ordered, aligned arrays in native byte order.
inline Matrix matrix_of(const pybind11::array& array, std::size_t dim, const char* what) {
  namespace py = pybind11;
  if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(1)) != dim || !(array.flags() & py::array::c_style)) {
    throw py::value_error(std::string(what) + " must be a C-ordered array of shape (n, " + std::to_string(dim) + ")");
  }
  ElementType type{};
  if (py::isinstance<py::array_t<float>>(array)) {
    type = ElementType::float32;
  } else if (py::isinstance<py::array_t<double>>(array)) {
    type = ElementType::float64;
  } else if (py::isinstance<py::array_t<std::int64_t>>(array)) {
    type = ElementType::int64;
  } else if (py::isinstance<py::array_t<std::uint64_t>>(array)) {
    type = ElementType::uint64;
  } else {
    throw py::type_error(std::string(what) + " must be float32, float64, int64 or uint64");
  }
  return {array.data(), type, static_cast<std::size_t>(array.shape(0)), dim};
}

// Calls the core without the GIL, and turns its exceptions into Python's.
template <class Function>
void call_core(const char* what, const Function& function) {
  try {
    const ReleasedGil released;
    function();
  } catch (const Interrupted&) {
    throw pybind11::error_already_set();  // PyErr_CheckSignals has set the error
  } catch (const InvalidRow& invalid) {
    throw pybind11::value_error("row " + std::to_string(invalid.row) + " of the " + what + " " + invalid.what() +
                                "; remove or replace such rows first");
  }
}

inline SearchRequest request_for(std::size_t k, std::size_t threads) {
  SearchRequest request{};
  request.k = k;
  request.threads = threads;
  request.poll = signal_arrived;
  return request;
}

}  // namespace latentknn::bindings
