// Products of float32 matrices by the fp32 screening kernel's own tiles.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/kernel_table.h"
#include "platform/aligned_buffer.h"

namespace latentknn {

// Vectors that are to be multiplied with others again and again, packed once in slices of dimensions.
class PackedVectors {
 public:
  // Dimensions of a slice. Short ones keep the float32 chains short and so the rounding error small, but every slice
  // adds to the whole product, which costs more the fewer products it makes for that.
  static std::size_t slice_length(std::size_t dim) { return dim <= 1024 ? 32 : 128; }

  enum class Side { queries, rows };

  // `scales` may be null: all one.
  PackedVectors(const KernelTable& kernels, Side side, const float* vectors, std::size_t count, std::size_t dim,
                const double* scales);

  std::size_t padded_count() const { return padded_count_; }
  const char* slice(std::size_t first_dim) const;

 private:
  const KernelTable& kernels_;
  std::size_t padded_count_ = 0;
  AlignedBuffer<char> packed_;
};

// out (queries.padded_count(), rows.padded_count()): the product of every query with every row. Its error
// is at most (slice_length(dim) + slices + 2) 2^-24 (1 + 2^-10) times the product of the absolute vectors.
// More than one thread only from outside the pool's own tasks.
void multiply(const KernelTable& kernels, const PackedVectors& queries, const PackedVectors& rows, std::size_t dim,
              std::vector<float>& out, std::size_t threads = 1);

}  // namespace latentknn
