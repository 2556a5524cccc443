// A set of places of a layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace latentknn {

class PlaceSet {
 public:
  // `places` are in ascending order, all below `count`.
  PlaceSet(std::vector<std::uint32_t> places, std::size_t count) : places_(std::move(places)) {
    if (places_.empty()) return;
    has_.resize(count);
    for (const std::uint32_t place : places_) has_[place] = true;
  }

  bool empty() const { return places_.empty(); }
  const std::vector<std::uint32_t>& places() const { return places_; }
  bool has(std::size_t place) const { return !places_.empty() && has_[place]; }

 private:
  std::vector<std::uint32_t> places_;
  std::vector<bool> has_;
};

}  // namespace latentknn
