// Binds merge_answers: checks the arrays, releases the GIL and calls the core.
#include "bindings.h"
#include "gil.h"
#include "numpy_answers.h"
#include "search/merged_answers.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

using Scores = py::array_t<double, py::array::c_style>;
using Integers = py::array_t<std::int64_t, py::array::c_style>;

std::size_t length(const py::array& array, py::ssize_t axis) { return static_cast<std::size_t>(array.shape(axis)); }

bool same_shape(const py::array& a, const py::array& b) {
  return a.ndim() == 2 && b.ndim() == 2 && a.shape(0) == b.shape(0) && a.shape(1) == b.shape(1);
}

FoundRows found_in(const Scores& scores, const Integers& positions, const Integers& ids) {
  if (!same_shape(scores, positions) || !same_shape(scores, ids)) {
    throw py::value_error("scores, positions and ids of an answer must be matrices of the same shape");
  }
  return {scores.data(), positions.data(), ids.data(), length(scores, 1)};
}

py::tuple merge(const Scores& scores, const Integers& positions, const Integers& ids, const Scores& other_scores,
                const Integers& other_positions, const Integers& other_ids, std::size_t k) {
  const FoundRows first = found_in(scores, positions, ids);
  const FoundRows second = found_in(other_scores, other_positions, other_ids);
  const std::size_t queries = length(scores, 0);
  if (length(other_scores, 0) != queries) throw py::value_error("both answers must be of the same queries");
  NumpyAnswers answers(queries, k, true);
  const AnswerArrays merged = answers.arrays();
  {
    const ReleasedGil released;
    merge_answers({first, second}, 0, queries, k, merged);
  }
  return answers.tuple();
}

}  // namespace

void register_merge(py::module_& module) {
  module.def("merge_answers", &merge, py::arg("scores"), py::arg("positions"), py::arg("ids"), py::arg("other_scores"),
             py::arg("other_positions"), py::arg("other_ids"), py::arg("k"), "The k best of two answers.");
}

}  // namespace latentknn::bindings
