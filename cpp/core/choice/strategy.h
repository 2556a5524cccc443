// The names of the screening strategies.
#pragma once

#include <string>
#include <vector>

namespace latentknn {

// Rows that screening leaves are scored in float64, whatever the strategy.
enum class Strategy {
  automatic,  // the screens that are predicted to be the cheapest for the rows
  fp32,       // screen in float32
  int16,      // screen in 16-bit integers
  int8,       // screen in 8-bit integers, rotated and centred
  pca,        // screen in the rows' principal subspace, in 16-bit or 8-bit integers
  float64,    // no screening: score every row
};

// Throws std::invalid_argument, with a list of the names, for an unknown name.
Strategy strategy_from_name(const std::string& name);
const char* strategy_name(Strategy strategy);
std::vector<std::string> strategy_names();

}  // namespace latentknn
