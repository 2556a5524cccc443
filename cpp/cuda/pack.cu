#include "bound.h"
#include "contract.cuh"
#include "kernels.h"

namespace latentknn::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kVectorsPerBlock = kThreads / kLanes;

__global__ void pack_kernel(const float* vectors, std::size_t count, std::size_t dim, std::size_t packed_dim,
                            double* squared_norms, std::uint16_t* packed, float* roundings) {
  const unsigned lane = threadIdx.x % kLanes;
  const std::size_t index = static_cast<std::size_t>(blockIdx.x) * kVectorsPerBlock + threadIdx.x / kLanes;
  // Lanes without a vector of their own go along with the last one: all lanes must take part.
  const std::size_t at = index < count ? index : count - 1;
  const float* vector = vectors + at * dim;
  std::uint16_t* halves = packed + at * packed_dim;
  const double norm = first_of_eight(product(vector, vector, dim, lane));
  const double scale = norm == 0.0 ? 0.0 : 1.0 / std::sqrt(norm);
  double changed = 0.0;
  for (std::size_t j = lane; j < packed_dim; j += kLanes) {
    const double unit = j < dim ? static_cast<double>(vector[j]) * scale : 0.0;
    const std::uint16_t half = round_to_half(static_cast<float>(unit * kUnit));
    const double error = static_cast<double>(half_value(half)) / kUnit - unit;
    changed += error * error;
    if (index < count) halves[j] = half;
  }
  for (unsigned w = kLanes / 2; w > 0; w /= 2) changed += from_above(changed, w);
  if (lane == 0 && index < count) {
    squared_norms[index] = norm;
    roundings[index] = round_up(std::sqrt(changed) * (1.0 + 0x1p-30));
  }
}

__global__ void take_largest_kernel(const float* roundings, std::size_t count, float* largest) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  float most = 0.0f;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    most = roundings[i] > most ? roundings[i] : most;
  }
  raise_to(largest, most);
}

__global__ void gather_kernel(const std::uint16_t* packed, std::size_t packed_dim, const std::uint32_t* rows,
                              std::uint16_t* out) {
  const std::uint16_t* from = packed + rows[blockIdx.x] * packed_dim;
  for (std::size_t j = threadIdx.x; j < packed_dim; j += blockDim.x) out[blockIdx.x * packed_dim + j] = from[j];
}

}  // namespace

void pack(const float* vectors, std::size_t count, std::size_t dim, std::size_t packed_dim, double* squared_norms,
          std::uint16_t* packed, float* roundings) {
  launch(pack_kernel, (count + kVectorsPerBlock - 1) / kVectorsPerBlock, kThreads, 0, vectors, count, dim, packed_dim,
         squared_norms, packed, roundings);
}

void take_largest(const float* roundings, std::size_t count, float* largest) {
  const std::size_t blocks = (count + kThreads - 1) / kThreads;
  launch(take_largest_kernel, blocks < 256 ? blocks : 256, kThreads, 0, roundings, count, largest);
}

void gather(const std::uint16_t* packed, std::size_t packed_dim, const std::uint32_t* rows, std::size_t count,
            std::uint16_t* out) {
  launch(gather_kernel, count, 64, 0, packed, packed_dim, rows, out);
}

}  // namespace latentknn::cuda
