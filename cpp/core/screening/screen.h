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

  // Packs rows [first, count) of the database, which holds `count` rows from now on. `rows` and
  // `squared_norms` point at row 0. Call reserve_rows() first, from one thread; different threads may then
  // pack different runs, each beginning at a multiple of the kernel's row_tile.
  virtual void reserve_rows(std::size_t count) = 0;
  virtual void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t last) = 0;
  virtual const void* packed_rows() const = 0;
  virtual std::size_t row_bytes() const = 0;  // memory that reserve_rows has taken

  // Packs `count` queries and writes, for each, its error: |screened score - similarity| <= error for
  // every row of the database.
  virtual void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                            double* errors) const = 0;
};

}  // namespace latentknn
