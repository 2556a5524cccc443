// The interface of screens: packed rows, packed queries, and a bound of how far a score may lie from the similarity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"

namespace latentknn {

// Bounds how far the similarities of a query may lie from its scores: for every row that is screened,
// score_scale() * similarity <= score + above, and >= score + above - width. The width is infinite where scores bound
// from above only; both are infinite where scores tell nothing.
struct ScoreBound {
  double above;
  double width;
};

class Screen {
 public:
  virtual ~Screen() = default;

  virtual const char* name() const = 0;
  virtual const ScreenKernel& kernel() const = 0;
  virtual std::size_t packed_dim() const = 0;  // dimensions that the kernel multiplies

  // Scores are comparable with similarities times this.
  virtual double score_scale() const = 0;

  // Makes room for `count` rows in all.
  virtual void reserve_rows(std::size_t count) = 0;

  // Packs `count` rows into the places from `first` on, a multiple of the kernel's row_tile. Several threads may pack
  // different places at once.
  virtual void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t count) = 0;
  virtual const void* packed_rows() const = 0;

  // False where no packed rows are kept: then pack_cell() packs rows each time that they are compared.
  virtual bool keeps_rows() const { return true; }
  virtual void pack_cell(const float*, const double*, std::size_t, void*) const {}

  // Whether the highest scores of packed rows can be found (MaximaTask).
  bool finds_maxima() const { return keeps_rows() && kernel().maxima != nullptr; }

  // Places of rows that scores say nothing about, in ascending order: every query must score them. Their scores are all
  // kUnscreened, which other rows may have too.
  virtual std::vector<std::uint32_t> unscreened_places() const { return {}; }
  static constexpr float kUnscreened = -32768.0f;

  // Packs `count` queries and writes the bound of each.
  virtual void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                            ScoreBound* bounds) const = 0;
};

}  // namespace latentknn
