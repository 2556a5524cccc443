#include "matrix_product.h"

#include <algorithm>

namespace latentknn {

PackedVectors::PackedVectors(const ScreenKernel& kernel, std::size_t tile, const float* vectors, std::size_t count,
                             std::size_t dim, const double* scales)
    : kernel_(kernel), padded_count_((count + tile - 1) / tile * tile) {
  packed_.resize(padded_count_ * kernel.packed_bytes(dim));
  std::vector<double> ones;
  if (scales == nullptr) {
    ones.assign(count, 1.0);
    scales = ones.data();
  }
  std::vector<float> part(count * std::min(dim, kSlice));
  for (std::size_t first = 0; first < dim; first += kSlice) {
    const std::size_t width = std::min(kSlice, dim - first);
    for (std::size_t i = 0; i < count; ++i) std::copy_n(vectors + i * dim + first, width, part.data() + i * width);
    kernel.pack(part.data(), count, width, scales, tile, packed_.data() + padded_count_ * kernel.packed_bytes(first));
  }
}

const char* PackedVectors::slice(std::size_t first_dim) const {
  return packed_.data() + padded_count_ * kernel_.packed_bytes(first_dim);
}

void multiply(const ScreenKernel& kernel, const PackedVectors& queries, const PackedVectors& rows, std::size_t dim,
              std::vector<float>& out) {
  out.assign(queries.padded_count() * rows.padded_count(), 0.0f);
  for (std::size_t first = 0; first < dim; first += PackedVectors::kSlice) {
    kernel.add_products(queries.slice(first), queries.padded_count() / kernel.query_tile, rows.slice(first),
                        rows.padded_count() / kernel.row_tile, std::min(PackedVectors::kSlice, dim - first), out.data(),
                        rows.padded_count());
  }
}

}  // namespace latentknn
