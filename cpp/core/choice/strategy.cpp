#include "choice/strategy.h"

#include <stdexcept>

namespace latentknn {
namespace {

struct Named {
  const char* name;
  Strategy strategy;
};

constexpr Named kStrategies[] = {
    {"auto", Strategy::automatic}, {"fp32", Strategy::fp32}, {"int16", Strategy::int16},
    {"int8", Strategy::int8},      {"pca", Strategy::pca},   {"float64", Strategy::float64},
};

}  // namespace

Strategy strategy_from_name(const std::string& name) {
  std::string known;
  for (const Named& entry : kStrategies) {
    if (name == entry.name) return entry.strategy;
    known += std::string(known.empty() ? "" : ", ") + entry.name;
  }
  throw std::invalid_argument("unknown strategy '" + name + "'; choose one of " + known);
}

const char* strategy_name(Strategy strategy) {
  for (const Named& entry : kStrategies) {
    if (entry.strategy == strategy) return entry.name;
  }
  return "unknown";
}

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const Named& entry : kStrategies) names.emplace_back(entry.name);
  return names;
}

}  // namespace latentknn
