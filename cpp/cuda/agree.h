// Which products a device is to be trusted with.
#pragma once

#include "kernels.h"
#include "runtime.h"

namespace latentknn::cuda {

// Those of warpgroups where the device has them, the code is compiled for it, and a trial gives what warps give. It is
// tried once in a process; `number` is the device's, as in devices().
Products products_of(const Device& device, int number);

// The trial, on the device that is current: sums of whole numbers, in which no order of adding is rounded, for vectors
// of one slice, of several, and of so many that no tile of queries stays in shared memory. Scores and maxima must be
// the same.
bool warpgroups_agree();

}  // namespace latentknn::cuda
