#include "search/value_of_rank.h"

#include <algorithm>
#include <limits>

namespace latentknn {
namespace {

constexpr float kLowest = -4.0f, kHighest = 4.0f;  // beyond every finite bound of a similarity
constexpr std::size_t kTolerance = 8;              // an eighth more values than wanted may reach the result

}  // namespace

float value_of_rank(const KernelTable& kernels, const float* values, std::size_t count, std::size_t rank,
                    double known) {
  float reached = std::max(kLowest, static_cast<float>(known)), missed = kHighest;
  if (kernels.count_at_least(values, count, reached) < rank) return -std::numeric_limits<float>::infinity();
  while (true) {
    const float middle = 0.5f * (reached + missed);
    if (!(middle > reached && middle < missed)) return reached;
    const std::size_t reaching = kernels.count_at_least(values, count, middle);
    if (reaching >= rank) {
      reached = middle;
      if (reaching <= rank + rank / kTolerance) return reached;
    } else {
      missed = middle;
    }
  }
}

}  // namespace latentknn
