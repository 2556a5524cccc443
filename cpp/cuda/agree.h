// The choice between the products of warps and those of warpgroups.
#pragma once

#include "kernels.h"
#include "runtime.h"

namespace latentknn::cuda {

// Returns who multiplies on a device, which has the index `number` in devices(). Warpgroups do if the device has them,
// the code is compiled for it, and a trial, made once in a process, gives the same results as warps. Else warps do.
Products products_of(const Device& device, int number);

// Makes the trial on the current device, and returns whether counts, scores and maxima are the same.
// It adds products of whole numbers, so that no order of adding is rounded.
// Vectors have one slice, several, or so many that no tile of queries stays in shared memory.
bool warpgroups_agree();

}  // namespace latentknn::cuda
