// Binds Database: checks the arrays, releases the GIL and calls the core.
#include <pybind11/stl.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "bindings.h"
#include "calls.h"
#include "database.h"
#include "numpy_answers.h"
#include "platform/float_environment.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

using Ids = py::array_t<std::int64_t, py::array::c_style>;
using Positions = py::array_t<std::int64_t, py::array::c_style>;

py::tuple search(const Database& database, const py::array& queries, std::size_t k, const std::optional<Flags>& allowed,
                 std::size_t threads, bool scores64, const std::optional<Similarities>& at_least) {
  SearchRequest request = request_for(k, threads);
  request.queries = matrix_of(queries, database.dim(), "queries");
  if (at_least) {
    if (static_cast<std::size_t>(at_least->size()) != request.queries.rows) {
      throw py::value_error("at_least must have one similarity a query");
    }
    request.at_least = at_least->data();
  }
  if (allowed) {
    request.allowed = allowed->data();
    request.allowed_count = static_cast<std::size_t>(allowed->size());
  }
  NumpyAnswers answers(request.queries.rows, k, scores64);
  request.answers = answers.arrays();
  call_core("queries", [&] { database.search(request); });
  return answers.tuple();
}

py::tuple search_self(const Database& database, std::size_t k, std::size_t threads, bool scores64) {
  SearchRequest request = request_for(k, threads);
  NumpyAnswers answers(database.size(), k, scores64);
  request.answers = answers.arrays();
  call_core("codes", [&] { database.search_self(request); });
  return answers.tuple();
}

py::tuple score(const Database& database, const py::array& queries, const Positions& positions, std::size_t k,
                std::size_t threads) {
  SearchRequest request = request_for(k, threads);
  request.queries = matrix_of(queries, database.dim(), "queries");
  if (positions.ndim() != 2 || static_cast<std::size_t>(positions.shape(0)) != request.queries.rows) {
    throw py::value_error("positions must have one line a query");
  }
  NumpyAnswers answers(request.queries.rows, k, true);
  request.answers = answers.arrays();
  const std::int64_t* data = positions.data();
  const auto per_query = static_cast<std::size_t>(positions.shape(1));
  call_core("queries", [&] { database.score(request, data, per_query); });
  return answers.tuple();
}

py::array_t<float> round_rows(const py::array& rows, const std::string& what) {
  if (rows.ndim() != 2) throw py::value_error(what + " must have two dimensions");
  const Matrix matrix = matrix_of(rows, static_cast<std::size_t>(rows.shape(1)), what.c_str());
  py::array_t<float> rounded({matrix.rows, matrix.columns});
  float* data = rounded.mutable_data();
  call_core(what.c_str(), [&] {
    const DefaultFloatEnvironment environment;
    convert_rows(matrix, 0, matrix.rows, data);
  });
  return rounded;
}

py::dict explain(const Database& database) {
  const Explanation found = database.explain();
  py::list considered;
  for (const Consideration& each : found.considered) {
    considered.append(py::make_tuple(each.arithmetic, each.dims, each.candidates, each.cost));
  }
  py::dict result;
  result["strategy"] = found.strategy;
  result["arithmetic"] = found.arithmetic;
  result["rows"] = found.rows;
  result["screened_dims"] = found.screened_dims;
  result["unscreened_rows"] = found.unscreened_rows;
  result["considered"] = considered;
  result["queries"] = found.queries;
  result["screened_rows"] = found.screened_rows;
  result["finer_rows"] = found.finer_rows;
  result["scored_rows"] = found.scored_rows;
  return result;
}

// Rows from `first` up to `last`, where there are so many.
py::array_t<float> rows_of(const Database& database, std::size_t first, std::optional<std::size_t> last) {
  const std::size_t end = std::min(last.value_or(database.size()), database.size());
  const std::size_t begin = std::min(first, end);
  py::array_t<float> rows({end - begin, database.dim()});
  float* data = rows.mutable_data();
  call_core("codes", [&] { database.copy_rows(data, begin, end - begin, signal_arrived); });
  return rows;
}

std::optional<Ids> own_ids_of(const Database& database) {
  if (!database.has_own_ids()) return std::nullopt;
  Ids ids(static_cast<py::ssize_t>(database.size()));
  database.copy_ids(ids.mutable_data());
  return ids;
}

void change(Database& database, const Positions& gone, const py::array& rows, const std::optional<Ids>& ids,
            std::size_t threads) {
  Change wanted{gone.data(), static_cast<std::size_t>(gone.size()), matrix_of(rows, database.dim(), "codes"),
                ids ? ids->data() : nullptr};
  if (ids && static_cast<std::size_t>(ids->size()) != wanted.rows.rows) throw py::value_error("one id a row is needed");
  call_core("codes", [&] { database.change(wanted, threads, signal_arrived); });
}

// Appends rows that a function of Python writes to an array, which it must not keep: the memory is the database's.
void fill(Database& database, std::size_t count, const py::function& write, const std::optional<Ids>& ids,
          std::size_t threads) {
  if (ids && static_cast<std::size_t>(ids->size()) != count) throw py::value_error("one id a row is needed");
  const std::size_t dim = database.dim();
  const std::function<void(float*)> to_memory = [&](float* memory) {
    const py::gil_scoped_acquire held;
    const py::array_t<float> rows({count, dim}, memory, py::capsule(memory, [](void*) {}));
    write(rows);
  };
  const Matrix rows{nullptr, ElementType::float32, count, dim, &to_memory};
  call_core("codes", [&] { database.add(rows, ids ? ids->data() : nullptr, threads, signal_arrived); });
}

}  // namespace

void register_database(py::module_& module) {
  py::class_<Database> database(
      module, "Database", "Rows and their exact cosine search; a copy shares the rows, and its changes are its own.");
  database
      .def(py::init([](std::size_t dim, const std::string& strategy) {
             return std::make_unique<Database>(dim, strategy_from_name(strategy));
           }),
           py::arg("dim"), py::arg("strategy"))
      .def(py::init<const Database&>(), py::arg("other"))
      .def_static(
          "joined",
          [](const std::vector<const Database*>& others, bool numbered) {
            return std::make_unique<Database>(others, numbered);
          },
          py::arg("others"), py::arg("numbered"))
      .def("__len__", &Database::size)
      .def_property_readonly("dim", &Database::dim)
      .def_property_readonly("isa", &Database::isa)
      .def_property_readonly("strategy", &Database::strategy)
      .def(
          "add",
          [](Database& self, const py::array& rows, const std::optional<Ids>& ids, std::size_t threads) {
            change(self, Positions(0), rows, ids, threads);
          },
          py::arg("rows"), py::arg("ids"), py::arg("threads"))
      .def("fill", &fill, py::arg("count"), py::arg("write"), py::arg("ids"), py::arg("threads"))
      .def("change", &change, py::arg("gone"), py::arg("rows"), py::arg("ids"), py::arg("threads"))
      .def(
          "compact",
          [](Database& self, std::size_t threads) {
            call_core("codes", [&] { self.compact(threads, signal_arrived); });
          },
          py::arg("threads"))
      .def("rows", &rows_of, py::arg("first") = 0, py::arg("last") = std::nullopt)
      .def("own_ids", &own_ids_of)
      .def("explain", &explain)
      .def("search", &search, py::arg("queries"), py::arg("k"), py::arg("allowed"), py::arg("threads"),
           py::arg("scores64"), py::arg("at_least") = py::none())
      .def("search_self", &search_self, py::arg("k"), py::arg("threads"), py::arg("scores64"))
      .def("score", &score, py::arg("queries"), py::arg("positions"), py::arg("k"), py::arg("threads"));
  register_range(module, database);
  module.def("round_rows", &round_rows, py::arg("rows"), py::arg("what"),
             "Rows as float32, refusing what an index refuses.");
}

}  // namespace latentknn::bindings
