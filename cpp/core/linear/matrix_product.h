// Multiplies float32 matrices by the tiles of the fp32 screening kernel.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/kernel_table.h"
#include "platform/aligned_buffer.h"

namespace latentknn {

// Vectors that are multiplied with others again and again, packed once in slices of dimensions.
class PackedVectors {
 public:
  // Dimensions of a slice. Short slices keep the float32 chains short and so the rounding error small. But every slice
  // is added to the whole product, and the shorter it is, the more of the time these additions take.
  static std::size_t slice_length(std::size_t dim) { return dim <= 1024 ? 32 : 128; }

  enum class Side { queries, rows };

  // Multiplies vectors by `scales`; null stands for ones.
  PackedVectors(const KernelTable& kernels, Side side, const float* vectors, std::size_t count, std::size_t dim,
                const double* scales);

  std::size_t padded_count() const { return padded_count_; }
  const char* slice(std::size_t first_dim) const;

 private:
  const KernelTable& kernels_;
  std::size_t padded_count_ = 0;
  AlignedBuffer<char> packed_;
};

// Writes the product of every query with every row to `out` (queries.padded_count(), rows.padded_count()). Its error
// is at most (slice_length(dim) + slices + 2) 2^-24 (1 + 2^-10) times the product of the absolute vectors. Tasks of
// the thread pool call it with one thread only.
void multiply(const KernelTable& kernels, const PackedVectors& queries, const PackedVectors& rows, std::size_t dim,
              std::vector<float>& out, std::size_t threads = 1);

}  // namespace latentknn
