#include "bound.h"
#include "contract.cuh"
#include "kernels.h"

namespace latentknn::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kDigits = 256;
constexpr double kCeilingRounding = 0x1p-6;  // by how much a ceiling may have been rounded up, and more

__device__ double error_of(const Search& search, std::size_t query) {
  return screening_error(search.query_roundings[query], *search.row_rounding, search.packed_dim);
}

__global__ void start_kernel(Search search) {
  const std::size_t query = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (query >= search.query_count) return;
  const bool failed = search.failed[query] != 0;
  search.counts[query] = 0;
  search.cutoffs[query] = failed ? INFINITY : -INFINITY;
  search.ceilings[query] = INFINITY;
  if (search.goes_on && !failed) {
    const double last = search.scores[query * search.answer_stride - 1];
    search.ceilings[query] = round_up((last + error_of(search, query)) * kScale);
  }
}

// Unsigned numbers in the order of the floats.
__device__ std::uint32_t key_of(float value) {
  const std::uint32_t bits = bits_of(value);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
__device__ float value_of(std::uint32_t key) { return float_of(key >> 31 != 0 ? key & 0x7FFFFFFFu : ~key); }

struct Shared {
  std::uint32_t digits[kDigits];
  std::uint32_t prefix;
  std::uint32_t wanted;
  std::uint32_t known;
  std::uint32_t kept;
};

// The k-th largest score of a list of at least k, digit by digit. All threads of the block must call.
__device__ float kth_score(const Candidate* list, std::uint32_t count, std::size_t k, Shared& shared) {
  if (threadIdx.x == 0) {
    shared.prefix = 0;
    shared.wanted = static_cast<std::uint32_t>(k);
  }
  for (unsigned shift = 32; shift > 0;) {
    shift -= 8;
    for (unsigned i = threadIdx.x; i < kDigits; i += kThreads) shared.digits[i] = 0;
    __syncthreads();
    const std::uint32_t prefix = shared.prefix;
    for (std::uint32_t i = threadIdx.x; i < count; i += kThreads) {
      const std::uint32_t key = key_of(list[i].score);
      if (shift == 24 || (key ^ prefix) >> (shift + 8) == 0) add_to(&shared.digits[key >> shift & 255], 1);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      unsigned digit = kDigits - 1;
      while (shared.digits[digit] < shared.wanted) shared.wanted -= shared.digits[digit--];
      shared.prefix = prefix | digit << shift;
    }
    __syncthreads();
  }
  return value_of(shared.prefix);
}

__global__ void tighten_kernel(Search search) {
  Shared& shared = *shared_memory<Shared>();
  Candidate* kept = reinterpret_cast<Candidate*>(&shared + 1);
  const std::size_t query = blockIdx.x;
  const std::uint32_t count = search.counts[query];
  Candidate* list = search.lists + query * search.list_capacity;
  if (count > search.list_capacity) {
    __syncthreads();  // all have read the count
    if (threadIdx.x == 0) {
      search.failed[query] = 1;
      search.counts[query] = 0;
      search.cutoffs[query] = INFINITY;
    }
    return;
  }
  const double twice_error = 2.0 * error_of(search, query) * kScale;
  // Neighbours that are known lie among the candidates if their scores are near the ceiling; k others are wanted.
  if (threadIdx.x == 0) shared.known = 0;
  __syncthreads();
  const float lowest_known = round_down(search.ceilings[query] - twice_error - kCeilingRounding);
  for (std::uint32_t i = threadIdx.x; search.goes_on && i < count; i += kThreads) {
    if (list[i].score >= lowest_known) add_to(&shared.known, 1);
  }
  __syncthreads();
  const std::size_t wanted = search.k + shared.known;
  float cutoff = search.cutoffs[query];
  if (count >= wanted) {
    const double kth = kth_score(list, count, wanted, shared);
    const float raised = round_down(kth - twice_error);
    cutoff = raised > cutoff ? raised : cutoff;
  }
  if (threadIdx.x == 0) shared.kept = 0;
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < count; i += kThreads) {
    const Candidate candidate = list[i];
    if (candidate.score >= cutoff && candidate.score > -INFINITY) kept[add_to(&shared.kept, 1)] = candidate;
  }
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < shared.kept; i += kThreads) list[i] = kept[i];
  if (threadIdx.x == 0) {
    search.counts[query] = shared.kept;
    search.cutoffs[query] = cutoff;
  }
}

}  // namespace

void start_pass(const Search& search) {
  launch(start_kernel, (search.query_count + kThreads - 1) / kThreads, kThreads, 0, search);
}

void tighten(const Search& search) {
  launch(tighten_kernel, search.query_count, kThreads, sizeof(Shared) + search.list_capacity * sizeof(Candidate),
         search);
}

}  // namespace latentknn::cuda
