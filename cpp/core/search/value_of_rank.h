// Selection without moving values.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.h"

namespace latentknn {

// Returns a value that `rank` of the values reach, and not many more unless they are equal; minus infinity where fewer
// reach `known`.
// It halves the range of the values again and again. Counting values is so much cheaper than moving them that many
// passes take less time than one selection.
float value_of_rank(const KernelTable& kernels, const float* values, std::size_t count, std::size_t rank, double known);

}  // namespace latentknn
