// The kernels that raise the cutoffs: first by the maxima of groups of rows, then by the lists of candidates.
#include "bound.h"
#include "contract.cuh"
#include "kernels.h"
#include "selection.cuh"

namespace latentknn::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kMostThreads = 1024;  // threads of a block; a list has at most kMostThreads * kKeysPerThread entries
constexpr unsigned kBlocksPerMultiprocessor = 8;
constexpr std::size_t kMostCompared = 64;     // with more neighbours, cutoffs are raised by scores alone
constexpr double kCeilingRounding = 0x1p-22;  // share of the scale; rounding raises a ceiling by less

// Returns the score of a similarity of one.
__device__ double scale_of(const Search& search, std::size_t query) {
  if (search.arithmetic == Arithmetic::fp16) return static_cast<double>(kUnit) * kUnit;
  const double reach = *search.reach;
  return reach > 0.0 ? search.query_scales[query] * (kMostInt8 / reach) : 0.0;
}

// Returns the bound of the error of a score.
__device__ double error_of(const Search& search, std::size_t query) {
  const std::size_t terms = search.steps * kStepBytes / bytes_of_a_value(search.arithmetic);
  return screening_error(search.arithmetic, search.query_roundings[query], *search.row_rounding, terms) *
         scale_of(search, query);
}

__global__ void start_kernel(Search search) {
  const std::size_t query = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (query >= search.query_count) return;
  const bool failed = search.failed[query] != 0;
  search.counts[query] = search.settled[query] = search.again[query] = 0;
  if (query == 0) *search.any_again = 0;
  if (query % kQueryTile == 0) search.tiles_again[query / kQueryTile] = 0;
  search.cutoffs[query] = failed ? INFINITY : -INFINITY;
  search.ceilings[query] = INFINITY;
  if (search.goes_on && !failed) {
    const double last = search.scores[query * search.answer_stride - 1];
    search.ceilings[query] = round_up(last * scale_of(search, query) + error_of(search, query));
  }
}

struct Shared {
  Selection selection;
  std::uint32_t known;
  std::uint32_t kept;
  std::uint32_t settled;
  std::uint32_t compared;
  std::uint32_t rows[kMostCompared];
  double similarities[kMostCompared];
};

// Returns the score that k rows reach which are not known yet, or -INFINITY if there are fewer. Each thread holds
// scores of different rows, `count` in all, in its first `used` places. All threads of the block must call.
__device__ float kth_score(const Search& search, std::size_t query, const float (&scores)[kKeysPerThread],
                           unsigned used, std::uint32_t count, Shared& shared) {
  std::uint32_t keys[kKeysPerThread];
#pragma unroll
  for (unsigned i = 0; i < kKeysPerThread; ++i) keys[i] = scores[i] == -INFINITY ? kNoKey : key_of(scores[i]);

  // Rows whose scores are near the ceiling may be neighbours that are known; k others are wanted.
  std::uint32_t wanted = static_cast<std::uint32_t>(search.k);
  if (search.goes_on) {
    if (threadIdx.x == 0) shared.known = 0;
    __syncthreads();
    const double rounding = 2.0 * error_of(search, query) + kCeilingRounding * scale_of(search, query);
    const float lowest_known = round_down(search.ceilings[query] - rounding);
#pragma unroll
    for (unsigned i = 0; i < kKeysPerThread; ++i) {
      if (scores[i] >= lowest_known) add_to(&shared.known, 1);
    }
    __syncthreads();
    wanted += shared.known;
  }
  return count < wanted ? -INFINITY : value_of(shared.selection.kth(keys, used, wanted));
}

// Returns the cutoff by the score that k rows reach. Their similarities may be lower by the error, and the scores of
// rows that are as similar by the error once more.
__device__ float cutoff_by_score(const Search& search, std::size_t query, float kth) {
  return round_down(kth - 2.0 * error_of(search, query));
}

// Returns the cutoff by the similarities of k rows that reach the score. Only the scores of rows that are as similar
// may be lower by the error, so that of the rows near the cutoff a few are left where scores alone would leave many.
// All threads of the block must call.
__device__ float cutoff_by_similarities(const Search& search, std::size_t query,
                                        const Candidate (&candidates)[kKeysPerThread],
                                        const float (&scores)[kKeysPerThread], float kth, Shared& shared) {
  if (threadIdx.x == 0) shared.compared = 0;
  __syncthreads();
#pragma unroll
  for (unsigned i = 0; i < kKeysPerThread; ++i) {
    if (scores[i] < kth) continue;
    const std::uint32_t at = add_to(&shared.compared, 1);
    if (at < search.k) shared.rows[at] = candidates[i].row;
  }
  __syncthreads();
  const float* values = search.queries + query * search.dim;
  const unsigned lane = threadIdx.x % kLanes;
  const auto count = static_cast<std::uint32_t>(search.k);
  for (std::uint32_t begin = 0; begin < count; begin += blockDim.x / kLanes) {
    const std::uint32_t i = begin + threadIdx.x / kLanes;
    const std::size_t row = shared.rows[i < count ? i : count - 1];
    const double sum = product(values, search.rows + row * search.dim, search.dim, lane);
    if (lane == 0 && i < count) {
      shared.similarities[i] = similarity(sum, search.query_norms[query], search.row_norms[row]);
    }
  }
  __syncthreads();
  double least = shared.similarities[0];
  for (std::uint32_t i = 1; i < count; ++i) least = std::fmin(least, shared.similarities[i]);
  return round_down(least * scale_of(search, query) - error_of(search, query));
}

// If there are so many threads for each wanted neighbour, only the largest of a thread's maxima counts:
// few threads have two of the k largest.
constexpr unsigned kThreadsANeighbour = 16;

__global__ void __launch_bounds__(kMostThreads / 2) cut_kernel(Search search) {
  Shared& shared = *shared_memory<Shared>();
  const std::size_t query = blockIdx.x;
  if (search.failed[query] != 0) return;
  const float* maxima = search.maxima + query * search.maxima_stride;
  const bool largest_only = search.k * kThreadsANeighbour <= blockDim.x;
  float scores[kKeysPerThread];
  if (threadIdx.x == 0) shared.kept = 0;
  __syncthreads();
  std::uint32_t own = 0;
#pragma unroll
  for (unsigned i = 0; i < kKeysPerThread; ++i) {
    const std::size_t at = threadIdx.x + i * blockDim.x;
    scores[i] = at < search.maxima_count ? maxima[at] : -INFINITY;
    own += scores[i] > -INFINITY;
  }
  if (largest_only) {
#pragma unroll
    for (unsigned i = 1; i < kKeysPerThread; ++i) {
      scores[0] = std::fmax(scores[0], scores[i]);
      scores[i] = -INFINITY;
    }
    own = own > 0 ? 1 : 0;
  }
  add_to(&shared.kept, own);
  __syncthreads();
  const float kth = kth_score(search, query, scores, largest_only ? 1 : kKeysPerThread, shared.kept, shared);
  if (threadIdx.x == 0) search.cutoffs[query] = std::fmax(search.cutoffs[query], cutoff_by_score(search, query, kth));
}

// Raises the cutoff by a list and drops the candidates below it. All threads of the block must call.
__device__ void tighten_list(const Search& search, std::size_t query, bool last, Shared& shared) {
  const std::uint32_t found = search.counts[query];
  const auto capacity = static_cast<std::uint32_t>(search.list_capacity);
  if (found <= search.k) {  // too few candidates to raise the cutoff
    if (threadIdx.x == 0) search.settled[query] = found;
    return;
  }
  const bool overflows = found > capacity;
  const std::uint32_t count = overflows ? capacity : found, before = search.settled[query];
  Candidate* list = search.lists + query * search.list_capacity;
  const unsigned used = (count + blockDim.x - 1) / blockDim.x;
  Candidate candidates[kKeysPerThread];
  float scores[kKeysPerThread];
#pragma unroll
  for (unsigned i = 0; i < kKeysPerThread; ++i) {
    const std::uint32_t at = threadIdx.x + i * blockDim.x;
    if (at < count) candidates[i] = list[at];
    scores[i] = at < count ? candidates[i].score : -INFINITY;
  }
  if (threadIdx.x == 0) shared.kept = shared.settled = 0;
  __syncthreads();
  const float kth = kth_score(search, query, scores, used, count, shared);
  float cutoff = std::fmax(search.cutoffs[query], cutoff_by_score(search, query, kth));
  // The error of float16 leaves few rows besides the k.
  const bool comparing = search.arithmetic == Arithmetic::int8 && search.k <= kMostCompared && !search.goes_on;
  if (comparing && kth != -INFINITY) {
    cutoff = std::fmax(cutoff, cutoff_by_similarities(search, query, candidates, scores, kth, shared));
  }
  std::uint32_t left = 0;
#pragma unroll
  for (unsigned i = 0; i < kKeysPerThread; ++i) {
    if (i >= used) break;
    if (scores[i] < cutoff || scores[i] == -INFINITY) continue;
    ++left;
    if (overflows && threadIdx.x + i * blockDim.x >= before) continue;
    list[add_to(&shared.settled, 1)] = candidates[i];
  }
  add_to(&shared.kept, left);
  __syncthreads();
  if (threadIdx.x != 0) return;
  // The candidates on the list are a sample of all that were found. If the new cutoff leaves most of them, the list
  // would overflow again.
  const bool fails = overflows && (last || shared.kept > capacity / 2);
  if (overflows && !fails) {
    search.again[query] = search.tiles_again[query / kQueryTile] = *search.any_again = search.round;
  }
  if (fails) search.failed[query] = kGivenUp;
  search.counts[query] = search.settled[query] = fails ? 0 : shared.settled;
  search.cutoffs[query] = fails ? INFINITY : cutoff;
}

// The round before has flagged the queries that repeated a stage.
__global__ void __launch_bounds__(kMostThreads) tighten_kernel(Search search, Screening after, bool last) {
  Shared& shared = *shared_memory<Shared>();
  if (after == Screening::again && *search.any_again + 1 != search.round) return;
  for (std::size_t query = blockIdx.x; query < search.query_count; query += gridDim.x) {
    if (after == Screening::again && search.again[query] + 1 != search.round) continue;
    tighten_list(search, query, last, shared);
    __syncthreads();  // the shared memory is used again only after all threads are here
  }
}

}  // namespace

void start_pass(const Search& search) {
  launch(start_kernel, (search.query_count + kThreads - 1) / kThreads, kThreads, 0, search);
}

void cut_by_maxima(const Search& search) {
  launch(cut_kernel, search.query_count, threads_to_select(search.maxima_count), sizeof(Shared), search);
}

void tighten(const Search& search, Screening after, bool last, std::size_t multiprocessors) {
  const std::size_t most = multiprocessors * kBlocksPerMultiprocessor;
  launch(tighten_kernel, search.query_count < most ? search.query_count : most, threads_to_select(search.list_capacity),
         sizeof(Shared), search, after, last);
}

}  // namespace latentknn::cuda
