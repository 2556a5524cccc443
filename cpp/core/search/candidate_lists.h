// Lists, for each query of a block, the rows that screening has left and that wait to be scored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "platform/aligned_buffer.h"

namespace latentknn {

// A row with an upper and a lower bound of its similarity.
struct Candidate {
  float upper;
  float lower;
  std::uint32_t place;
};

class CandidateLists {
 public:
  static constexpr std::size_t kCandidateBytes = 2 * sizeof(float) + sizeof(std::uint32_t);

  explicit CandidateLists(const KernelTable& kernels) : kernels_(kernels) {}

  // Makes empty lists for so many queries, each with room for `capacity` candidates.
  void start(std::size_t queries, std::size_t capacity);

  std::size_t size(std::size_t q) const { return sizes_[q]; }
  std::size_t capacity() const { return capacity_; }

  // Returns true once the list has reached its limit, which is the capacity at first. Then the caller shortens the
  // list and sets another limit.
  bool add(std::size_t q, const Candidate& candidate) {
    const std::size_t at = q * capacity_ + sizes_[q];
    uppers_[at] = candidate.upper;
    lowers_[at] = candidate.lower;
    places_[at] = candidate.place;
    return ++sizes_[q] >= limits_[q];
  }
  void set_limit(std::size_t q, std::size_t limit) { limits_[q] = limit < capacity_ ? limit : capacity_; }

  // Keeps the candidates whose similarity may be `threshold` or more.
  void keep_above(std::size_t q, double threshold) {
    const float* const uppers = uppers_.data() + q * capacity_;
    keep(q, [=](std::size_t i) { return static_cast<double>(uppers[i]) >= threshold; });
  }

  // Keeps the candidates at places for which `wanted` is true.
  template <class Wanted>
  void keep_places(std::size_t q, const Wanted& wanted) {
    const std::uint32_t* const places = places_.data() + q * capacity_;
    keep(q, [&](std::size_t i) { return wanted(places[i]); });
  }

  // Returns a similarity that at least `rank` candidates have, by their lower bounds, and not many more; or `known`
  // where that is not lower.
  double reached_by(std::size_t q, std::size_t rank, double known) const;

  // Moves the places of the candidates with the highest upper bounds to `taken`: `few`, some more, or all. No upper
  // bound in the list may be below `known`.
  void take_likeliest(std::size_t q, std::size_t few, double known, std::vector<std::uint32_t>& taken);

  void take_all(std::size_t q, std::vector<Candidate>& taken);

 private:
  template <class Wanted>
  void keep(std::size_t q, const Wanted& wanted) {
    const std::size_t first = q * capacity_;
    std::size_t kept = first;
    for (std::size_t i = 0; i < sizes_[q]; ++i) {
      const bool stays = wanted(i);
      uppers_[kept] = uppers_[first + i];
      lowers_[kept] = lowers_[first + i];
      places_[kept] = places_[first + i];
      kept += stays ? 1 : 0;
    }
    sizes_[q] = kept - first;
  }

  const KernelTable& kernels_;
  std::size_t capacity_ = 0;
  AlignedBuffer<float> uppers_;
  AlignedBuffer<float> lowers_;
  AlignedBuffer<std::uint32_t> places_;
  std::vector<std::size_t> sizes_;
  std::vector<std::size_t> limits_;
};

}  // namespace latentknn
