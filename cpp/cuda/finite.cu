#include "kernels.h"
#include "runtime.h"
#include "simt.cuh"

namespace latentknn::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr std::size_t kMostBlocks = 1024;

__global__ void find_not_finite_kernel(const float* values, std::size_t count, std::uint32_t* found) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  bool all = true;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    all = all && values[i] - values[i] == 0.0f;
  }
  if (!all) *found = 1;  // whoever writes it writes the same
}

}  // namespace

bool are_finite(const float* values, std::size_t count) {
  if (count == 0) return true;
  const DeviceArray<std::uint32_t> found(1);
  fill_bytes(found.data(), 0, sizeof(std::uint32_t));
  const std::size_t blocks = (count + kThreads - 1) / kThreads;
  launch(find_not_finite_kernel, blocks < kMostBlocks ? blocks : kMostBlocks, kThreads, 0, values, count, found.data());
  return found.to_host(1).front() == 0;
}

}  // namespace latentknn::cuda
