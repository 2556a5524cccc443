// The screens of a database: from the one that compares the cheapest to the one that tells the most apart.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "screening/screen.h"

namespace latentknn {

struct Ladder {
  std::vector<std::unique_ptr<Screen>> screens;  // none: every row is scored
  std::size_t begins_on = 0;                     // the one that a query begins with, near its own place
  std::size_t whole = 0;                         // the first one of all dimensions; those before: of a subspace

  bool empty() const { return screens.empty(); }
  // The one that compares the fastest.
  const Screen& cheapest() const { return *screens.front(); }

  void reserve_rows(std::size_t count) {
    for (const std::unique_ptr<Screen>& screen : screens) screen->reserve_rows(count);
  }
  void pack_rows(const float* rows, const double* squared_norms, std::size_t at, std::size_t count) {
    for (const std::unique_ptr<Screen>& screen : screens) screen->pack_rows(rows, squared_norms, at, count);
  }
  // Places of rows that some screen says nothing about, in order.
  std::vector<std::uint32_t> unscreened_places() const;
};

}  // namespace latentknn
