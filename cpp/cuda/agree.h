// The choice between the products of warps and those of warpgroups.
#pragma once

#include "kernels.h"
#include "runtime.h"

namespace latentknn::cuda {

// Returns the products of warpgroups if the device has them, the code is compiled for it, and a trial gives the results
// of warps; else those of warps. The trial is made once in a process. `number` is the index of the device in devices().
Products products_of(const Device& device, int number);

// Makes the trial on the current device, and returns whether counts, scores and maxima are the same.
// It adds products of whole numbers, so that no order of adding is rounded.
// Vectors have one slice, several, or so many that no tile of queries stays in shared memory.
bool warpgroups_agree();

}  // namespace latentknn::cuda
