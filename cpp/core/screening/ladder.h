// The screens of a database, from the cheapest to the finest.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "screening/screen.h"

namespace latentknn {

struct Ladder {
  std::vector<std::unique_ptr<Screen>> screens;  // empty where every row is scored
  std::size_t begins_on = 0;                     // screen that queries begin with, near their own places
  std::size_t whole = 0;                         // first screen of all dimensions; earlier ones screen in a subspace

  bool empty() const { return screens.empty(); }
  const Screen& cheapest() const { return *screens.front(); }

  void reserve_rows(std::size_t count) {
    for (const std::unique_ptr<Screen>& screen : screens) screen->reserve_rows(count);
  }
  void pack_rows(const float* rows, const double* squared_norms, std::size_t at, std::size_t count) {
    for (const std::unique_ptr<Screen>& screen : screens) screen->pack_rows(rows, squared_norms, at, count);
  }
  // Places of rows that some screen says nothing about, in ascending order.
  std::vector<std::uint32_t> unscreened_places() const;
};

}  // namespace latentknn
