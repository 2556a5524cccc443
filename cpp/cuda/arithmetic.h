// The arithmetics of the tensor cores.
#pragma once

#include <cstddef>
#include <cstdint>

#include "slices.h"

namespace latentknn::cuda {

enum class Arithmetic : std::uint8_t { fp16, int8 };

constexpr std::size_t bytes_of_a_value(Arithmetic arithmetic) { return arithmetic == Arithmetic::fp16 ? 2 : 1; }

// Returns the number of slices of a vector with `dim` dimensions.
constexpr std::size_t steps_of(Arithmetic arithmetic, std::size_t dim) {
  return (dim * bytes_of_a_value(arithmetic) + kStepBytes - 1) / kStepBytes;
}

// With more dimensions a sum of products of int8 might not fit 32 bits.
inline constexpr std::size_t kMostInt8Dims = 131072;

}  // namespace latentknn::cuda
