// Makes NumPy arrays for the answers of a search.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "search/answer_arrays.h"

namespace latentknn::bindings {

class NumpyAnswers {
 public:
  NumpyAnswers(std::size_t queries, std::size_t k, bool scores64)
      : similarities_(shape(queries, k)), positions_(shape(queries, k)), ids_(shape(queries, k)) {
    if (scores64) scores64_.emplace(shape(queries, k));
  }

  AnswerArrays arrays() {
    return {similarities_.mutable_data(), positions_.mutable_data(), ids_.mutable_data(),
            scores64_ ? scores64_->mutable_data() : nullptr};
  }

  // Similarities, positions, ids, and float64 similarities, or None where those were not asked for.
  pybind11::tuple tuple() const { return pybind11::make_tuple(similarities_, positions_, ids_, scores64_); }

 private:
  static pybind11::array::ShapeContainer shape(std::size_t queries, std::size_t k) {
    return {static_cast<pybind11::ssize_t>(queries), static_cast<pybind11::ssize_t>(k)};
  }

  pybind11::array_t<float> similarities_;
  pybind11::array_t<std::int64_t> positions_;
  pybind11::array_t<std::int64_t> ids_;
  std::optional<pybind11::array_t<double>> scores64_;
};

}  // namespace latentknn::bindings
