// The extension of the CUDA engine: rows on a device, and what devices there are.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "device_rows.h"
#include "float_environment.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

using cuda::DeviceRows;
using Floats = py::array_t<float, py::array::c_style>;
using Ids = py::array_t<std::int64_t, py::array::c_style>;
using Numbers = py::array_t<std::uint32_t, py::array::c_style>;

template <class Function>
void call_device(const Function& function) {
  try {
    const py::gil_scoped_release release;
    function();
  } catch (const cuda::Stopped&) {
    throw py::error_already_set();  // set by PyErr_CheckSignals
  } catch (const cuda::OutOfDeviceMemory& error) {
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

void add(DeviceRows& rows, const Floats& added, const std::optional<Ids>& ids) {
  const std::size_t count = check_rows(added, rows.dim());
  if (ids && static_cast<std::size_t>(ids->size()) != count) throw py::value_error("ids must be one a row");
  const std::int64_t* data = ids ? ids->data() : nullptr;
  call_device([&, values = added.data()] { rows.add(values, data, count); });
}

// Similarities, float32 and float64, and row numbers, (M, k), and the queries that were not answered. Without queries
// the rows are searched for, each among the others.
py::tuple search(DeviceRows& rows, const std::optional<Floats>& queries, std::size_t k,
                 const std::optional<Numbers>& among) {
  cuda::DeviceRequest request{};
  request.count = queries ? check_rows(*queries, rows.dim()) : rows.size();
  request.queries = queries ? queries->data() : nullptr;
  request.k = k;
  request.among = among ? among->data() : nullptr;
  request.among_count = among ? static_cast<std::size_t>(among->size()) : 0;
  request.poll = [] {
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
  };
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(request.count), static_cast<py::ssize_t>(k)};
  py::array_t<float> similarities(shape);
  py::array_t<double> scores(shape);
  py::array_t<std::uint32_t> numbers(shape);
  request.scores = scores.mutable_data();
  request.numbers = numbers.mutable_data();
  std::vector<std::size_t> failed;
  call_device([&, rounded = similarities.mutable_data()] {
    failed = rows.search(request);
    const DefaultFloatEnvironment environment;
    for (std::size_t i = 0; i < request.count * k; ++i) rounded[i] = static_cast<float>(request.scores[i]) + 0.0f;
  });
  return py::make_tuple(similarities, scores, numbers, failed);
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
  py::class_<DeviceRows>(module, "DeviceRows")
      .def(py::init([](std::size_t dim, int device) {
             std::unique_ptr<DeviceRows> rows;
             call_device([&] { rows = std::make_unique<DeviceRows>(dim, device); });
             return rows;
           }),
           py::arg("dim"), py::arg("device"))
      .def("__len__", &DeviceRows::size)
      .def_property_readonly(
          "capability", [](const DeviceRows& rows) { return std::make_pair(rows.device().major, rows.device().minor); })
      .def("add", &add, py::arg("rows"), py::arg("ids").none(true))
      .def("search", &search, py::arg("queries").none(true), py::arg("k"), py::arg("among").none(true));
}
