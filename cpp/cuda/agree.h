// Which products a device is to be trusted with.
#pragma once

#include "kernels.h"
#include "runtime.h"

namespace latentknn::cuda {

// Those of warpgroups where the device has them, the code is compiled for it, and a trial gives what warps give: tried
// once in a process. The device's number, as in devices().
Products products_of(const Device& device, int number);

// The trial, on the device that is current: sums of whole numbers, in which no order of adding is rounded, for vectors
// of one slice, of a tile that stays in shared memory and of one that does not. Scores and maxima must be the same.
bool warpgroups_agree(std::size_t multiprocessors);

}  // namespace latentknn::cuda
