// These kernels scale and round vectors, and store them in slices for the tensor cores.
#include "bound.h"
#include "contract.cuh"
#include "kernels.h"

namespace latentknn::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kVectorsPerBlock = kThreads / kLanes;

// Returns the largest of the numbers of eight lanes, to all of them.
__device__ double largest_of_eight(double value) {
  for (unsigned w = kLanes / 2; w > 0; w /= 2) {
    const double other = from_above(value, w);
    value = other > value ? other : value;
  }
  return first_of_eight(value);
}

// Fp16 and Int8 round a component, and return the value that a rounded one stands for.
struct Fp16 {
  using Value = std::uint16_t;

  __device__ explicit Fp16(double) {}
  __device__ Value rounded(double unit) const { return round_to_float16(static_cast<float>(unit * kUnit)); }
  __device__ double value_of(Value rounded) const { return static_cast<double>(float16_value(rounded)) / kUnit; }
};

struct Int8 {
  using Value = std::int8_t;

  __device__ explicit Int8(double scale) : scale_(scale) {}
  __device__ Value rounded(double unit) const {
    const double scaled = std::rint(unit * scale_);
    return static_cast<Value>(scaled > kMostInt8 ? kMostInt8 : scaled >= -kMostInt8 ? scaled : -kMostInt8);
  }
  __device__ double value_of(Value rounded) const { return rounded == 0 ? 0.0 : rounded / scale_; }

  double scale_;
};

template <class Rounding>
__global__ void pack_kernel(Packing packing) {
  using Value = typename Rounding::Value;
  constexpr std::size_t kChunkValues = kChunkBytes / sizeof(Value);
  const unsigned lane = threadIdx.x % kLanes;
  const std::size_t index = static_cast<std::size_t>(blockIdx.x) * kVectorsPerBlock + threadIdx.x / kLanes;
  // Lanes without a vector of their own compute with the last one: all lanes must take part.
  const bool own = index < packing.count;
  const std::size_t at = own ? index : packing.count - 1;
  const std::size_t number = packing.numbers == nullptr ? at : packing.numbers[at];
  const std::size_t place = packing.first + at;
  const std::size_t steps = steps_of(packing.arithmetic, packing.dim);
  const float* vector = packing.vectors + number * packing.dim;
  const double norm = first_of_eight(product(vector, vector, packing.dim, lane));
  const double to_unit = norm == 0.0 ? 0.0 : 1.0 / std::sqrt(norm);
  double most = 0.0;
  for (std::size_t j = lane; j < packing.dim; j += kLanes) {
    const double size = std::fabs(static_cast<double>(vector[j]) * to_unit);
    most = size > most ? size : most;
  }
  most = largest_of_eight(most);
  const double reach = packing.reach == nullptr ? most : static_cast<double>(*packing.reach);
  const double scale = reach > 0.0 ? kMostInt8 / reach : 0.0;
  const Rounding rounding(scale);
  double changed = 0.0;
  for (std::size_t j = lane; j < steps * kStepBytes / sizeof(Value); j += kLanes) {
    const double unit = j < packing.dim ? static_cast<double>(vector[j]) * to_unit : 0.0;
    const Value rounded = rounding.rounded(unit);
    const double error = rounding.value_of(rounded) - unit;
    changed += error * error;
    if (!own) continue;
    auto* values = reinterpret_cast<Value*>(packing.packed);
    values[packed_at(place, j / kChunkValues, packing.tile, steps) / sizeof(Value) + j % kChunkValues] = rounded;
  }
  for (unsigned w = kLanes / 2; w > 0; w /= 2) changed += from_above(changed, w);
  if (lane != 0 || !own) return;
  if (packing.squared_norms != nullptr) packing.squared_norms[number] = norm;
  if (packing.roundings != nullptr) packing.roundings[number] = round_up(std::sqrt(changed) * (1.0 + 0x1p-30));
  if (packing.scales != nullptr) packing.scales[number] = scale;
  // The squares of float32 do not overflow in float64.
  if (packing.failed != nullptr && !(norm - norm == 0.0)) packing.failed[number] = kNotFinite;
  // Most vectors find that another one has raised it as far already.
  if (packing.largest != nullptr && round_up(most) > *packing.largest) raise_to(packing.largest, round_up(most));
}

__global__ void spread_kernel(std::size_t first, std::size_t count, std::size_t stride, std::uint32_t* numbers) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) numbers[i] = static_cast<std::uint32_t>(first + i * stride % count);
}

__global__ void take_largest_kernel(const float* roundings, std::size_t count, float* largest) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  float most = 0.0f;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    most = roundings[i] > most ? roundings[i] : most;
  }
  raise_to(largest, most);
}

}  // namespace

void pack(const Packing& packing) {
  const auto kernel = packing.arithmetic == Arithmetic::fp16 ? pack_kernel<Fp16> : pack_kernel<Int8>;
  launch(kernel, (packing.count + kVectorsPerBlock - 1) / kVectorsPerBlock, kThreads, 0, packing);
}

void spread(std::size_t first, std::size_t count, std::size_t stride, std::uint32_t* numbers) {
  launch(spread_kernel, (count + kThreads - 1) / kThreads, kThreads, 0, first, count, stride, numbers);
}

void take_largest(const float* roundings, std::size_t count, float* largest) {
  const std::size_t blocks = (count + kThreads - 1) / kThreads;
  launch(take_largest_kernel, blocks < 256 ? blocks : 256, kThreads, 0, roundings, count, largest);
}

}  // namespace latentknn::cuda
