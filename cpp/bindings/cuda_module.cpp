// The extension module of the CUDA engine: its rows, arrays on devices, and the list of devices.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "agree.h"
#include "exchanged_array.h"
#include "gil.h"
#include "numpy_answers.h"
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
    const ReleasedGil released;
    function();
  } catch (const cuda::Stopped&) {
    throw py::error_already_set();  // PyErr_CheckSignals has set the error
  }
}

void translate_out_of_memory(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const cuda::OutOfMemory& error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
  }
}

[[noreturn]] void refuse_rows(std::size_t dim) {
  throw py::value_error("rows must be float32 of shape (n, " + std::to_string(dim) + ")");
}

std::size_t check_rows(const Floats& rows, std::size_t dim) {
  if (rows.ndim() != 2 || static_cast<std::size_t>(rows.shape(1)) != dim) refuse_rows(dim);
  return static_cast<std::size_t>(rows.shape(0));
}

void add(ShardedRows& rows, const Floats& added, const Ids& ids) {
  const std::size_t count = check_rows(added, rows.dim());
  if (static_cast<std::size_t>(ids.size()) != count) throw py::value_error("ids must be one a row");
  call_device([&, values = added.data(), names = ids.data()] { rows.add(values, names, count); });
}

// Returns the answers, and after them a list of the queries that were not answered.
py::tuple search_rows(ShardedRows& rows, const float* queries, bool on_device, std::size_t count, std::size_t k,
                      const std::optional<Flags>& allowed, std::size_t threads, bool scores64) {
  cuda::ShardedRequest request{};
  request.count = count;
  request.queries = queries;
  request.on_device = on_device;
  request.k = k;
  request.allowed = allowed ? allowed->data() : nullptr;
  request.allowed_count = allowed ? static_cast<std::size_t>(allowed->size()) : 0;
  request.threads = threads;
  request.poll = signal_arrived;
  NumpyAnswers answers(count, k, scores64);
  request.answers = answers.arrays();
  std::vector<std::size_t> failed;
  call_device([&] { failed = rows.search(request); });
  return answers.tuple() + py::make_tuple(failed);
}

py::tuple search(ShardedRows& rows, const Floats& queries, std::size_t k, const std::optional<Flags>& allowed,
                 std::size_t threads, bool scores64) {
  return search_rows(rows, queries.data(), false, check_rows(queries, rows.dim()), k, allowed, threads, scores64);
}

py::tuple search_from_device(ShardedRows& rows, const ExchangedArray& queries, std::size_t k,
                             const std::optional<Flags>& allowed, std::size_t threads, bool scores64) {
  const std::vector<std::int64_t>& shape = queries.shape();
  if (shape.size() != 2 || shape[1] != static_cast<std::int64_t>(rows.dim()) || !queries.is_float32() ||
      !queries.in_c_order()) {
    refuse_rows(rows.dim());
  }
  return search_rows(rows, static_cast<const float*>(queries.data()), true, static_cast<std::size_t>(shape[0]), k,
                     allowed, threads, scores64);
}

// Gives the array by DLPack, with the keywords of the Python array API. All work on an array is finished before anybody
// has it, so no stream needs to wait.
py::capsule to_dlpack(const ExchangedArray& array, const py::object&, const py::object&, const py::object& wanted,
                      const py::object& copy) {
  const auto own = py::make_tuple(array.dlpack_device().type, array.dlpack_device().number);
  if ((!wanted.is_none() && !wanted.equal(own)) || copy.equal(py::bool_(true))) {
    throw py::buffer_error("this array is given where it is, on CUDA device " + std::to_string(array.device()) +
                           "; to_host() copies it to the host");
  }
  return array.to_dlpack();
}

std::int64_t length(const ExchangedArray& array) {
  if (array.shape().empty()) throw py::type_error("an array without dimensions has no length");
  return array.shape().front();
}

// Refuses NumPy, which would otherwise take the array for a single object.
void refuse_numpy(const ExchangedArray& array, const py::args&, const py::kwargs&) {
  throw py::type_error("this array is on CUDA device " + std::to_string(array.device()) +
                       "; to_host() copies it to the host");
}

std::string described(const ExchangedArray& array) {
  return py::str("DeviceArray(shape={}, dtype={}, device={})")
      .format(py::tuple(py::cast(array.shape())), array.dtype(), array.device());
}

// Returns a list of (name, compute capability, bytes of memory), and the reason where it is empty.
py::tuple devices() {
  std::string missing;
  py::list found;
  for (const cuda::Device& device : cuda::devices(&missing)) {
    found.append(py::make_tuple(device.name, py::make_tuple(device.major, device.minor), device.memory));
  }
  return py::make_tuple(found, missing);
}

// Returns the instructions that multiply on a device.
std::string products(int number) {
  const std::vector<cuda::Device> devices = cuda::devices();
  if (number < 0 || static_cast<std::size_t>(number) >= devices.size()) {
    throw py::value_error("there is no CUDA device " + std::to_string(number));
  }
  const ReleasedGil released;
  const bool by_warpgroup =
      cuda::products_of(devices[static_cast<std::size_t>(number)], number) == cuda::Products::by_warpgroup;
  return by_warpgroup ? "wgmma" : "mma.sync";
}

}  // namespace
}  // namespace latentknn::bindings

PYBIND11_MODULE(_cuda, module) {
  using namespace latentknn::bindings;
  module.doc() = "The CUDA engine of latentknn.";
  remember_main_thread();
  module.def("devices", &devices);
  module.def("products", &products, py::arg("device"));
  py::register_local_exception_translator(&translate_out_of_memory);
  py::register_local_exception<latentknn::cuda::NotFinite>(module, "NotFiniteError", PyExc_ValueError);
  py::class_<ExchangedArray>(module, "DeviceArray", py::module_local(),
                             "An array in the memory of a CUDA device; other libraries take it by DLPack.")
      .def_static("of", &ExchangedArray::of, py::arg("array"))
      .def_static("copy_of", &ExchangedArray::copy_of, py::arg("array"), py::arg("device"))
      .def_property_readonly("shape", [](const ExchangedArray& array) { return py::tuple(py::cast(array.shape())); })
      .def_property_readonly("dtype", &ExchangedArray::dtype)
      .def_property_readonly("device", &ExchangedArray::device)
      .def_property_readonly("in_c_order", &ExchangedArray::in_c_order)
      .def_property_readonly("is_float32", &ExchangedArray::is_float32)
      .def_property_readonly("is_bfloat16", &ExchangedArray::is_bfloat16)
      .def("__len__", &length)
      .def("__array__", &refuse_numpy)
      .def("to_host", &ExchangedArray::to_host)
      .def("__repr__", &described)
      .def("__dlpack__", &to_dlpack, py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
           py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
      .def("__dlpack_device__", [](const ExchangedArray& array) {
        return py::make_tuple(array.dlpack_device().type, array.dlpack_device().number);
      });
  py::class_<ShardedRows>(module, "ShardedRows", py::module_local())
      .def(py::init([](std::size_t dim, const std::vector<int>& devices, std::size_t memory) {
             std::unique_ptr<ShardedRows> rows;
             call_device([&] { rows = std::make_unique<ShardedRows>(dim, devices, memory); });
             return rows;
           }),
           py::arg("dim"), py::arg("devices"), py::arg("memory"))
      .def("__len__", &ShardedRows::size, py::call_guard<ReleasedGil>())
      .def("shares", &ShardedRows::shares, py::call_guard<ReleasedGil>())
      .def("tally",
           [](const ShardedRows& rows) {
             const latentknn::cuda::Tally tally = [&] {
               const ReleasedGil released;
               return rows.tally();
             }();
             return py::make_tuple(tally.in_int8, tally.left_open);
           })
      .def("clear", &ShardedRows::clear, py::call_guard<ReleasedGil>())
      .def("add", &add, py::arg("rows"), py::arg("ids"))
      .def("search", &search_from_device, py::arg("queries"), py::arg("k"), py::arg("allowed").none(true),
           py::arg("threads"), py::arg("scores64"))
      .def("search", &search, py::arg("queries"), py::arg("k"), py::arg("allowed").none(true), py::arg("threads"),
           py::arg("scores64"));
}
