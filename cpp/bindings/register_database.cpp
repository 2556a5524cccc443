// Database: check the arrays, release the GIL, call the core.
#include <pybind11/stl.h>

#include <functional>
#include <optional>

#include "bindings.h"
#include "database.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

using Ids = py::array_t<std::int64_t, py::array::c_style>;
using Flags = py::array_t<std::uint8_t, py::array::c_style>;

// The Python layer hands over C-ordered, aligned arrays in native byte order.
Matrix matrix_of(const py::array& array, std::size_t dim, const char* what) {
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

// Lets Ctrl-C reach the interpreter while the calling thread waits for the workers.
bool signal_arrived() {
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

// Runs the core without the GIL and turns what it throws into Python's errors.
template <class Function>
void call_core(const char* what, const Function& function) {
  try {
    const py::gil_scoped_release release;
    function();
  } catch (const Interrupted&) {
    throw py::error_already_set();  // set by PyErr_CheckSignals
  } catch (const InvalidRow& invalid) {
    throw py::value_error("row " + std::to_string(invalid.row) + " of the " + what + " " + invalid.what() +
                          "; remove or replace such rows first");
  }
}

py::tuple search(SearchRequest request, std::size_t count, bool want_scores64,
                 const std::function<void(const SearchRequest&)>& run) {
  const std::vector<py::ssize_t> shape = {static_cast<py::ssize_t>(count), static_cast<py::ssize_t>(request.k)};
  py::array_t<float> similarities(shape);
  py::array_t<std::int64_t> positions(shape);
  py::array_t<std::int64_t> ids(shape);
  py::object scores64 = py::none();
  request.similarities = similarities.mutable_data();
  request.positions = positions.mutable_data();
  request.ids = ids.mutable_data();
  request.scores64 = nullptr;
  if (want_scores64) {
    py::array_t<double> scores(shape);
    request.scores64 = scores.mutable_data();
    scores64 = std::move(scores);
  }
  request.poll = signal_arrived;
  call_core("queries", [&] { run(request); });
  return py::make_tuple(similarities, positions, ids, scores64);
}

}  // namespace

void register_database(py::module_& module) {
  py::class_<Database>(module, "Database", "Owned rows and their exact cosine search.")
      .def(py::init([](std::size_t dim, const std::string& strategy) {
             return std::make_unique<Database>(dim, strategy_from_name(strategy));
           }),
           py::arg("dim"), py::arg("strategy"))
      .def("__len__", &Database::size)
      .def_property_readonly("dim", &Database::dim)
      .def_property_readonly("isa", &Database::isa)
      .def_property_readonly("strategy", &Database::strategy)
      .def(
          "add",
          [](Database& self, const py::array& rows, const std::optional<Ids>& ids, std::size_t threads) {
            const Matrix matrix = matrix_of(rows, self.dim(), "codes");
            if (ids && static_cast<std::size_t>(ids->size()) != matrix.rows) {
              throw py::value_error("one id a row is needed");
            }
            const std::int64_t* id_data = ids ? ids->data() : nullptr;
            call_core("codes", [&] { self.add(matrix, id_data, threads, signal_arrived); });
          },
          py::arg("rows"), py::arg("ids"), py::arg("threads"))
      .def(
          "keep",
          [](Database& self, const Flags& flags, std::size_t threads) {
            if (static_cast<std::size_t>(flags.size()) != self.size()) {
              throw py::value_error("one flag a row is needed");
            }
            const std::uint8_t* data = flags.data();
            call_core("codes", [&] { self.keep(data, threads); });
          },
          py::arg("flags"), py::arg("threads"))
      .def("rows",
           [](const Database& self) {
             py::array_t<float> rows({self.size(), self.dim()});
             self.copy_rows(rows.mutable_data());
             return rows;
           })
      .def(
          "search",
          [](const Database& self, const py::array& queries, std::size_t k, const std::optional<Flags>& allowed,
             std::size_t threads, bool scores64) {
            SearchRequest request{};
            request.queries = matrix_of(queries, self.dim(), "queries");
            request.k = k;
            request.threads = threads;
            request.allowed = allowed ? allowed->data() : nullptr;
            return search(request, request.queries.rows, scores64,
                          [&self](const SearchRequest& prepared) { self.search(prepared); });
          },
          py::arg("queries"), py::arg("k"), py::arg("allowed"), py::arg("threads"), py::arg("scores64"))
      .def(
          "search_self",
          [](const Database& self, std::size_t k, std::size_t threads, bool scores64) {
            SearchRequest request{};
            request.k = k;
            request.threads = threads;
            return search(request, self.size(), scores64,
                          [&self](const SearchRequest& prepared) { self.search_self(prepared); });
          },
          py::arg("k"), py::arg("threads"), py::arg("scores64"));
}

}  // namespace latentknn::bindings
