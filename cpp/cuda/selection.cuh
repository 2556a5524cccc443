// A block finds the k-th largest of its numbers, digit by digit.
#pragma once

#include "simt.cuh"

namespace latentknn::cuda {

inline constexpr unsigned kDigits = 256;
inline constexpr unsigned kKeysPerThread = 8;
inline constexpr std::uint32_t kNoKey = 0;  // below the key of every number

// Convert a float to an unsigned key and back. Keys have the order of the floats.
__device__ inline std::uint32_t key_of(float value) {
  const std::uint32_t bits = bits_of(value);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
__device__ inline float value_of(std::uint32_t key) { return float_of(key >> 31 != 0 ? key & 0x7FFFFFFFu : ~key); }

// Returns the threads of a block that selects among `count` numbers: whole warps,
// and at least one thread for each digit.
constexpr std::size_t threads_to_select(std::size_t count) {
  const std::size_t threads = (count + kKeysPerThread - 1) / kKeysPerThread;
  return threads < kDigits ? kDigits : (threads + 31) / 32 * 32;
}

class Selection {
 public:
  // Returns the k-th largest of the keys that the block's threads hold. There must be k of them,
  // all within the first `used` places of the threads. All threads must call.
  __device__ std::uint32_t kth(const std::uint32_t (&keys)[kKeysPerThread], unsigned used, std::uint32_t k) {
    std::uint32_t prefix = 0, wanted = k;
    for (unsigned shift = 32; shift > 0;) {
      shift -= 8;
      if (threadIdx.x < kDigits) counts_[threadIdx.x] = 0;
      __syncthreads();
#pragma unroll
      for (unsigned i = 0; i < kKeysPerThread; ++i) {
        if (i >= used) break;
        const bool like = shift == 24 || (keys[i] ^ prefix) >> (shift + 8) == 0;
        if (keys[i] != kNoKey && like) add_to(&counts_[keys[i] >> shift & (kDigits - 1)], 1);
      }
      __syncthreads();
      choose(prefix, wanted, shift);
      prefix = prefix_;
      wanted = wanted_;
    }
    __syncthreads();  // all threads have read the result
    return prefix;
  }

 private:
  static constexpr unsigned kWarps = kDigits / 32;

  // Finds the digit of the wanted-th largest key. The thread of that digit writes it to prefix_.
  __device__ void choose(std::uint32_t prefix, std::uint32_t wanted, unsigned shift) {
    const unsigned digit = kDigits - 1 - threadIdx.x;  // the first thread has the largest digit
    std::uint32_t count = 0, up_to = 0;
    if (threadIdx.x < kDigits) {
      count = up_to = counts_[digit];
      for (unsigned w = 1; w < 32; w *= 2) {
        const std::uint32_t below = from_below(up_to, w);
        if (threadIdx.x % 32 >= w) up_to += below;
      }
      if (threadIdx.x % 32 == 31) warps_[threadIdx.x / 32] = up_to;
    }
    __syncthreads();
    if (threadIdx.x < kDigits) {
      for (unsigned warp = 0; warp < threadIdx.x / 32; ++warp) up_to += warps_[warp];
      if (up_to >= wanted && up_to - count < wanted) {
        prefix_ = prefix | digit << shift;
        wanted_ = wanted - (up_to - count);
      }
    }
    __syncthreads();
  }

  std::uint32_t counts_[kDigits];
  std::uint32_t warps_[kWarps];
  std::uint32_t prefix_;
  std::uint32_t wanted_;
};

}  // namespace latentknn::cuda
