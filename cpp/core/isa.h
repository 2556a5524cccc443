// Finds the instruction sets that this processor has, and selects the one to use.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_table.h"

namespace latentknn {

// Returns the instruction sets that were compiled in and that this processor has, slowest first.
std::vector<std::string> available_isas();

// Returns the instruction sets that this processor has and may not use, each with the reason: "amx (the operating
// system refused its tile registers: ...)".
std::vector<std::string> refused_isas();

// Returns the fastest kernels available, or those that the environment variable LATENTKNN_ISA names.
// Throws std::invalid_argument where it names an unknown set, or one that this processor lacks or may not use.
const KernelTable& select_kernels();

}  // namespace latentknn
