// The names of the screening strategies.
#pragma once

#include <string>
#include <vector>

namespace latentknn {

enum class Strategy {
  automatic,  // the screens that are predicted to be the cheapest for the rows
  fp32,       // screen in float32, score the rows that are left in float64
  int16,      // screen in 16-bit integers, likewise
  int8,       // screen in 8-bit integers, rotated and centred, likewise
  pca,        // screen in the rows' principal subspace, in 16-bit or 8-bit integers, likewise
  float64,    // no screening: score every row
};

// Throws std::invalid_argument, with a list of the names, for an unknown name.
Strategy strategy_from_name(const std::string& name);
const char* strategy_name(Strategy strategy);
std::vector<std::string> strategy_names();

}  // namespace latentknn
