#include "contract.cuh"
#include "kernels.h"

namespace latentknn::cuda {
namespace {

constexpr unsigned kFewThreads = 128, kManyThreads = 512;
constexpr std::size_t kManyCandidates = 2048;  // with these, a block needs so much memory that few run together
constexpr double kNothing = -2.0;              // below every similarity

// The candidates that are ranked, in the block's memory.
struct Ranking {
  __device__ explicit Ranking(std::size_t capacity)
      : scores(shared_memory<double>()),
        ids(reinterpret_cast<std::int64_t*>(scores + capacity)),
        numbers(reinterpret_cast<std::uint32_t*>(ids + capacity)) {}

  __device__ bool ordered(unsigned a, unsigned b) const {
    return scores[a] != scores[b] ? scores[a] > scores[b] : ids[a] <= ids[b];
  }

  __device__ void swap(unsigned a, unsigned b) {
    const double score = scores[a];
    const std::int64_t id = ids[a];
    const std::uint32_t number = numbers[a];
    scores[a] = scores[b];
    ids[a] = ids[b];
    numbers[a] = numbers[b];
    scores[b] = score;
    ids[b] = id;
    numbers[b] = number;
  }

  // Sorts `size` entries, a power of two, by a bitonic network. All threads of the block must call.
  __device__ void sort(unsigned size) {
    for (unsigned run = 2; run <= size; run *= 2) {
      for (unsigned apart = run / 2; apart > 0; apart /= 2) {
        __syncthreads();
        for (unsigned i = threadIdx.x; i < size; i += blockDim.x) {
          const unsigned other = i ^ apart;
          if (other > i && ordered(i, other) != ((i & run) == 0)) swap(i, other);
        }
      }
    }
    __syncthreads();
  }

  static constexpr std::size_t kBytes = sizeof(double) + sizeof(std::int64_t) + sizeof(std::uint32_t);

  double* scores;
  std::int64_t* ids;
  std::uint32_t* numbers;
};

__global__ void __launch_bounds__(kManyThreads) rank_kernel(Search search) {
  Ranking ranking(search.ranking_capacity);
  const std::size_t query = blockIdx.x;
  const std::uint32_t count = search.counts[query];
  if (search.failed[query] != 0) return;
  if (count > search.ranking_capacity) {
    __syncthreads();  // all threads have read `failed` before it is written
    if (threadIdx.x == 0) search.failed[query] = kGivenUp;
    return;
  }
  double* scores = search.scores + query * search.answer_stride;
  std::uint32_t* numbers = search.numbers + query * search.answer_stride;
  const double last = search.goes_on ? scores[-1] : INFINITY;
  const std::int64_t last_id = search.goes_on ? search.ids[numbers[-1]] : 0;

  // All candidates' data are loaded at once: lanes that share a candidate would wait for them again and again.
  const Candidate* list = search.lists + query * search.list_capacity;
  for (std::uint32_t i = threadIdx.x; i < count; i += blockDim.x) {
    const std::uint32_t number = list[i].row;
    ranking.numbers[i] = number;
    ranking.ids[i] = search.ids[number];
  }
  __syncthreads();
  double* products = ranking.scores;  // replaced by similarities below
  const float* values = search.queries + query * search.dim;
  const double norm = search.query_norms[query];
  const unsigned lane = threadIdx.x % kLanes;
  for (std::uint32_t begin = 0; begin < count; begin += blockDim.x / kLanes) {
    const std::uint32_t i = begin + threadIdx.x / kLanes;
    const std::uint32_t number = ranking.numbers[i < count ? i : count - 1];
    const double sum = product(values, search.rows + number * search.dim, search.dim, lane);
    if (lane == 0 && i < count) products[i] = sum;
  }
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < count; i += blockDim.x) {
    const double score = similarity(products[i], norm, search.row_norms[ranking.numbers[i]]);
    const bool known = score > last || (score == last && ranking.ids[i] <= last_id);
    products[i] = known ? kNothing : score;
  }
  unsigned size = 1;
  while (size < count) size *= 2;
  for (unsigned i = count + threadIdx.x; i < size; i += blockDim.x) {
    ranking.scores[i] = kNothing;
    ranking.ids[i] = 0;
  }
  ranking.sort(size);
  if (count < search.k || ranking.scores[search.k - 1] == kNothing) {
    __syncthreads();
    if (threadIdx.x == 0) search.failed[query] = kGivenUp;
    return;
  }
  for (unsigned i = threadIdx.x; i < search.k; i += blockDim.x) {
    scores[i] = ranking.scores[i];
    numbers[i] = ranking.numbers[i];
  }
}

}  // namespace

void rank(const Search& search) {
  const unsigned threads = search.ranking_capacity < kManyCandidates ? kFewThreads : kManyThreads;
  launch(rank_kernel, search.query_count, threads, search.ranking_capacity * Ranking::kBytes, search);
}

}  // namespace latentknn::cuda
