// Binds the range searches of Database: they count, or find, all rows that are at least as similar as asked.
#include <pybind11/stl.h>

#include <limits>
#include <optional>
#include <vector>

#include "bindings.h"
#include "calls.h"
#include "database.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

using Wanted = RangeAnswers::Wanted;

Wanted wanted_rows(bool by_similarity) { return by_similarity ? Wanted::by_similarity : Wanted::by_position; }

SearchRequest range_request(const Database& database, const py::array& queries, const Similarities& at_least,
                            const std::optional<Flags>& allowed, std::size_t threads) {
  SearchRequest request = request_for(0, threads);
  request.queries = matrix_of(queries, database.dim(), "queries");
  if (static_cast<std::size_t>(at_least.size()) != request.queries.rows) {
    throw py::value_error("at_least must have one similarity a query");
  }
  request.at_least = at_least.data();
  if (allowed) {
    request.allowed = allowed->data();
    request.allowed_count = static_cast<std::size_t>(allowed->size());
  }
  return request;
}

py::array_t<std::int64_t> ends_of(const RangeAnswers& answers, std::size_t queries) {
  py::array_t<std::int64_t> ends(static_cast<py::ssize_t>(queries + 1));
  std::int64_t* const end = ends.mutable_data();
  end[0] = 0;
  for (std::size_t query = 0; query < queries; ++query) {
    end[query + 1] = end[query] + static_cast<std::int64_t>(answers.count(query));
  }
  return ends;
}

// Returns where each query's rows end, then their similarities, positions, ids, and float64 similarities or None. Where
// ids are positions, both are one array: pages that nobody has touched cost as much as a large part of a search.
py::tuple written(const Database& database, const RangeAnswers& answers, std::size_t queries, std::size_t threads,
                  bool scores64) {
  const py::array_t<std::int64_t> ends = ends_of(answers, queries);
  const auto total = static_cast<py::ssize_t>(ends.data()[queries]);
  py::array_t<float> similarities(total);
  py::array_t<std::int64_t> positions(total), ids = positions;
  const bool own_ids = database.has_own_ids();
  if (own_ids) ids = py::array_t<std::int64_t>(total);
  std::optional<py::array_t<double>> scores;
  if (scores64) scores.emplace(total);
  const RangeArrays arrays{similarities.mutable_data(), positions.mutable_data(),
                           own_ids ? ids.mutable_data() : nullptr, scores ? scores->mutable_data() : nullptr};
  call_core("queries", [&] { answers.write(arrays, threads, signal_arrived); });
  return py::make_tuple(ends, similarities, positions, ids, scores);
}

py::tuple search_range(const Database& database, const py::array& queries, const Similarities& at_least,
                       const std::optional<Flags>& allowed, std::size_t threads, bool by_similarity, bool scores64,
                       std::uint64_t most) {
  const SearchRequest request = range_request(database, queries, at_least, allowed, threads);
  RangeAnswers answers(request.queries.rows, wanted_rows(by_similarity), most);
  call_core("queries", [&] { database.search_range(request, answers); });
  return written(database, answers, request.queries.rows, threads, scores64);
}

py::array_t<std::int64_t> count_range(const Database& database, const py::array& queries, const Similarities& at_least,
                                      const std::optional<Flags>& allowed, std::size_t threads) {
  const SearchRequest request = range_request(database, queries, at_least, allowed, threads);
  RangeAnswers answers(request.queries.rows, Wanted::counts, std::numeric_limits<std::uint64_t>::max());
  call_core("queries", [&] { database.search_range(request, answers); });
  py::array_t<std::int64_t> counts(static_cast<py::ssize_t>(request.queries.rows));
  for (std::size_t query = 0; query < request.queries.rows; ++query) {
    counts.mutable_data()[query] = static_cast<std::int64_t>(answers.count(query));
  }
  return counts;
}

py::tuple search_range_behind(const Database& database, std::size_t first, std::size_t last, double at_least,
                              std::size_t threads, bool by_similarity, std::uint64_t most) {
  if (last < first) throw py::value_error("positions must ascend");
  const std::size_t queries = last - first;
  const std::vector<double> similarities(queries, at_least);
  SearchRequest request = request_for(0, threads);
  request.at_least = similarities.data();
  RangeAnswers answers(queries, wanted_rows(by_similarity), most);
  call_core("codes", [&] { database.search_range_behind(first, last, request, answers); });
  return written(database, answers, queries, threads, false);
}

}  // namespace

void register_range(py::module_& module, py::class_<Database>& database) {
  py::register_exception<TooManyFound>(module, "TooManyFoundError", PyExc_ValueError);
  database
      .def("search_range", &search_range, py::arg("queries"), py::arg("at_least"), py::arg("allowed"),
           py::arg("threads"), py::arg("by_similarity"), py::arg("scores64"), py::arg("most"))
      .def("count_range", &count_range, py::arg("queries"), py::arg("at_least"), py::arg("allowed"), py::arg("threads"))
      .def("search_range_behind", &search_range_behind, py::arg("first"), py::arg("last"), py::arg("at_least"),
           py::arg("threads"), py::arg("by_similarity"), py::arg("most"));
}

}  // namespace latentknn::bindings
