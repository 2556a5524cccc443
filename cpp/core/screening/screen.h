// What a screening strategy is to the search: packed rows, packed queries, and a bound on how far a
// screened score may lie from the similarity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../kernels/kernel_table.h"

namespace latentknn {

class Screen {
 public:
  virtual ~Screen() = default;

  virtual const char* name() const = 0;
  virtual const ScreenKernel& kernel() const = 0;
  virtual std::size_t packed_dim() const = 0;  // dimensions that the kernel multiplies

  // A screened score is comparable with the similarity times this.
  virtual double score_scale() const = 0;

  // Whether a score bounds the similarity from below too, or from above only.
  virtual bool two_sided() const = 0;

  // Makes room for `count` rows in all.
  virtual void reserve_rows(std::size_t count) = 0;

  // Packs rows [first, last); `rows` and `squared_norms` point at row 0, and `first` is a multiple of the
  // kernel's row_tile. Threads may pack different runs at once.
  virtual void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t last) = 0;
  virtual const void* packed_rows() const = 0;

  // Rows that its scores say nothing about, in order: candidates of every query. Their scores are all
  // kUnscreened, which others may have too.
  virtual std::vector<std::uint32_t> unscreened_rows() const { return {}; }
  static constexpr float kUnscreened = -32768.0f;

  // Packs `count` queries and writes, for each, its error: for every row of the database,
  // score_scale() * similarity <= score + error, and where two_sided() also >= score - error.
  virtual void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                            double* errors) const = 0;
};

}  // namespace latentknn
