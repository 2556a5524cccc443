// What a screening strategy is to the search: packed rows, packed queries, and a bound on how far a
// screened score may lie from the similarity.
#pragma once

#include <cstddef>

#include "../kernels/kernel_table.h"

namespace latentknn {

class Screen {
 public:
  virtual ~Screen() = default;

  virtual const ScreenKernel& kernel() const = 0;

  // A screened score approximates the similarity times this.
  virtual double score_scale() const = 0;

  // Makes room for `count` rows in all.
  virtual void reserve_rows(std::size_t count) = 0;

  // Packs rows [first, last); `rows` and `squared_norms` point at row 0, and `first` is a multiple of the
  // kernel's row_tile. Threads may pack different runs at once.
  virtual void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t last) = 0;
  virtual const void* packed_rows() const = 0;

  // Packs `count` queries and writes, for each, its error: |screened score - score_scale() * similarity|
  // <= error for every row of the database.
  virtual void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                            double* errors) const = 0;
};

}  // namespace latentknn
