#include "search/candidate_lists.h"

#include <algorithm>

#include "search/value_of_rank.h"

namespace latentknn {

void CandidateLists::start(std::size_t queries, std::size_t capacity) {
  capacity_ = capacity;
  uppers_.resize(queries * capacity);
  lowers_.resize(queries * capacity);
  places_.resize(queries * capacity);
  sizes_.assign(queries, 0);
  limits_.assign(queries, capacity);
}

double CandidateLists::reached_by(std::size_t q, std::size_t rank, double known) const {
  return std::max(known,
                  static_cast<double>(value_of_rank(kernels_, lowers_.data() + q * capacity_, sizes_[q], rank, known)));
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
  const float least = value_of_rank(kernels_, uppers, sizes_[q], few, known);
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
