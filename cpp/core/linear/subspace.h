// Finds the principal subspace of rows: a few orthonormal directions that hold most of their length.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/kernel_table.h"
#include "rows/rows.h"

namespace latentknn {

// Returns up to `count` float32 directions of `dim` elements each, most important first, orthonormal up to rounding;
// fewer where the rows span fewer. The rows need not be normalised. The method is orthogonal iteration on the rows'
// second moments (Halko, Martinsson, Tropp, "Finding structure with randomness", 2011, section 4.5). Its seed is
// fixed, so the same rows give the same directions.
std::vector<float> principal_directions(const KernelTable& kernels, const Rows& rows, std::size_t count,
                                        std::size_t threads);

// Returns an upper bound of the spectral norm of P P^T - I + l l^T, rounding included. `left_out`, l, may be empty.
double orthogonality_error(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim,
                           const std::vector<double>& left_out);

}  // namespace latentknn
