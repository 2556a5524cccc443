// Which products a device is to be trusted with.
#pragma once

#include "kernels.h"
#include "runtime.h"

namespace latentknn::cuda {

// Those of warpgroups where the device has them, the code is compiled for it, and a trial gives what warps give. It is
// tried once in a process; `number` is the device's, as in devices().
Products products_of(const Device& device, int number);

// The trial, on the device that is current. It adds up products of whole numbers, so that no order of adding is
// rounded. Vectors have one slice, several, or so many that no tile of queries stays in shared memory. Counts, scores
// and maxima must be the same.
bool warpgroups_agree();

}  // namespace latentknn::cuda
