#include "search/candidate_lists.h"

#include <algorithm>
#include <limits>

namespace latentknn {
namespace {

constexpr float kLowest = -4.0f, kHighest = 4.0f;  // beyond every finite bound of a similarity
constexpr std::size_t kTolerance = 8;              // an eighth more values than wanted may reach the result

}  // namespace

void CandidateLists::start(std::size_t queries, std::size_t capacity) {
  capacity_ = capacity;
  uppers_.resize(queries * capacity);
  lowers_.resize(queries * capacity);
  places_.resize(queries * capacity);
  sizes_.assign(queries, 0);
  limits_.assign(queries, capacity);
}

// Returns a value that `rank` of the values reach, and not many more; minus infinity where fewer reach `known`.
// It halves the range of the values again and again. Counting values is so much cheaper than moving them that many
// passes take less time than one selection.
float CandidateLists::value_of_rank(const float* values, std::size_t count, std::size_t rank, double known) const {
  float reached = std::max(kLowest, static_cast<float>(known)), missed = kHighest;
  if (kernels_.count_at_least(values, count, reached) < rank) return -std::numeric_limits<float>::infinity();
  while (true) {
    const float middle = 0.5f * (reached + missed);
    if (!(middle > reached && middle < missed)) return reached;
    const std::size_t reaching = kernels_.count_at_least(values, count, middle);
    if (reaching >= rank) {
      reached = middle;
      if (reaching <= rank + rank / kTolerance) return reached;
    } else {
      missed = middle;
    }
  }
}

double CandidateLists::reached_by(std::size_t q, std::size_t rank, double known) const {
  return std::max(known, static_cast<double>(value_of_rank(lowers_.data() + q * capacity_, sizes_[q], rank, known)));
}

void CandidateLists::take_likeliest(std::size_t q, std::size_t few, double known, std::vector<std::uint32_t>& taken) {
  taken.clear();
  const float* const uppers = uppers_.data() + q * capacity_;
  const std::uint32_t* const places = places_.data() + q * capacity_;
  if (few >= sizes_[q]) {
    taken.assign(places, places + sizes_[q]);
    sizes_[q] = 0;
    return;
  }
  const float least = value_of_rank(uppers, sizes_[q], few, known);
  keep(q, [&](std::size_t i) {
    const bool likely = uppers[i] >= least;
    if (likely) taken.push_back(places[i]);
    return !likely;
  });
}

void CandidateLists::take_all(std::size_t q, std::vector<Candidate>& taken) {
  taken.clear();
  for (std::size_t i = q * capacity_; i < q * capacity_ + sizes_[q]; ++i) {
    taken.push_back({uppers_[i], lowers_[i], places_[i]});
  }
  sizes_[q] = 0;
}

}  // namespace latentknn
