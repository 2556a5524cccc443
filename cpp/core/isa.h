// Which instruction sets this processor has, and the one to use.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_table.h"

namespace latentknn {

// Names of the instruction sets that were compiled in and that this processor has, slowest first.
std::vector<std::string> available_isas();

// The kernels to use: the fastest available, or the one that the environment variable LATENTKNN_ISA names.
// Throws std::invalid_argument where that names an unknown set or one that this processor lacks.
const KernelTable& select_kernels();

}  // namespace latentknn
