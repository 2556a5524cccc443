// The extension of the CUDA engine: rows on a device, and what devices there are.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "float_environment.h"
#include "sharded_rows.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

using cuda::ShardedRows;
using Floats = py::array_t<float, py::array::c_style>;
using Ids = py::array_t<std::int64_t, py::array::c_style>;
using Flags = py::array_t<std::uint8_t, py::array::c_style>;

template <class Function>
void call_device(const Function& function) {
  try {
    const py::gil_scoped_release release;
    function();
  } catch (const cuda::Stopped&) {
    throw py::error_already_set();  // set by PyErr_CheckSignals
  } catch (const cuda::OutOfMemory& error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
    throw py::error_already_set();
  }
}

std::size_t check_rows(const Floats& rows, std::size_t dim) {
  if (rows.ndim() != 2 || static_cast<std::size_t>(rows.shape(1)) != dim) {
    throw py::value_error("rows must be float32 of shape (n, " + std::to_string(dim) + ")");
  }
  return static_cast<std::size_t>(rows.shape(0));
}

void add(ShardedRows& rows, const Floats& added, const Ids& ids) {
  const std::size_t count = check_rows(added, rows.dim());
  if (static_cast<std::size_t>(ids.size()) != count) throw py::value_error("ids must be one a row");
  call_device([&, values = added.data(), names = ids.data()] { rows.add(values, names, count); });
}

// Similarities, float32 and float64, and positions, (M, k), and the queries that were not answered.
py::tuple search(ShardedRows& rows, const Floats& queries, std::size_t k, const std::optional<Flags>& allowed) {
  cuda::ShardedRequest request{};
  request.count = check_rows(queries, rows.dim());
  request.queries = queries.data();
  request.k = k;
  request.allowed = allowed ? allowed->data() : nullptr;
  request.allowed_count = allowed ? static_cast<std::size_t>(allowed->size()) : 0;
  request.poll = [] {
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
  };
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(request.count), static_cast<py::ssize_t>(k)};
  py::array_t<float> similarities(shape);
  py::array_t<double> scores(shape);
  py::array_t<std::int64_t> positions(shape);
  request.scores = scores.mutable_data();
  request.positions = positions.mutable_data();
  std::vector<std::size_t> failed;
  call_device([&, rounded = similarities.mutable_data()] {
    failed = rows.search(request);
    const DefaultFloatEnvironment environment;
    for (std::size_t i = 0; i < request.count * k; ++i) rounded[i] = static_cast<float>(request.scores[i]) + 0.0f;
  });
  return py::make_tuple(similarities, scores, positions, failed);
}

// A list of (name, compute capability, bytes of memory), and what is missing if it is empty.
py::tuple devices() {
  std::string missing;
  py::list found;
  for (const cuda::Device& device : cuda::devices(&missing)) {
    found.append(py::make_tuple(device.name, py::make_tuple(device.major, device.minor), device.memory));
  }
  return py::make_tuple(found, missing);
}

}  // namespace
}  // namespace latentknn::bindings

PYBIND11_MODULE(_cuda, module) {
  using namespace latentknn::bindings;
  module.doc() = "The CUDA engine of latentknn.";
  module.def("devices", &devices);
  py::class_<ShardedRows>(module, "ShardedRows", py::module_local())
      .def(py::init([](std::size_t dim, const std::vector<int>& devices, std::size_t memory) {
             std::unique_ptr<ShardedRows> rows;
             call_device([&] { rows = std::make_unique<ShardedRows>(dim, devices, memory); });
             return rows;
           }),
           py::arg("dim"), py::arg("devices"), py::arg("memory"))
      .def("__len__", &ShardedRows::size, py::call_guard<py::gil_scoped_release>())
      .def("shares", &ShardedRows::shares, py::call_guard<py::gil_scoped_release>())
      .def("clear", &ShardedRows::clear, py::call_guard<py::gil_scoped_release>())
      .def("add", &add, py::arg("rows"), py::arg("ids"))
      .def("search", &search, py::arg("queries"), py::arg("k"), py::arg("allowed").none(true));
}
