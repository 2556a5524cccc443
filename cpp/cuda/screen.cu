// The kernels that multiply by tensor cores. They look for hits or maxima in registers, and store no other sum.
#include "hits.cuh"
#include "kernels.h"
#include "maxima.cuh"
#include "pages.cuh"
#include "warp_products.cuh"
#include "warpgroup_products.cuh"

namespace latentknn::cuda {
namespace {

template <class Sum>
__global__ void __launch_bounds__(by_warp::kThreads, 1) maxima_kernel(Search search) {
  Maxima<by_warp::Share, Sum> maxima(search);
  by_warp::multiply_tiles<Sum>(search, 0, search.maxima_count / kTileGroups, Screening::first, maxima);
}

template <class Sum>
__global__ void __launch_bounds__(by_warp::kThreads, 1)
    screen_kernel(Search search, std::size_t begin, std::size_t end, Screening screening) {
  if (screening == Screening::again && *search.any_again != search.round) return;
  auto* queues = reinterpret_cast<Queue*>(shared_memory<char>() + by_warp::kRingBytes);
  Hits<Sum> hits(search, screening, queues);
  by_warp::multiply_tiles<Sum>(search, begin, end, screening, hits);
}

// The data in the block's memory behind the ring of warpgroups and the tile of queries.
template <class Sum>
struct Beside {
  by_warpgroup::Barriers barriers;
  Pages<Sum> pages;
};
constexpr unsigned kBesideBytes = sizeof(Beside<float>);
static_assert(kBesideBytes == sizeof(Beside<std::int32_t>));

template <class Sum>
__global__ void __launch_bounds__(by_warpgroup::kThreads, 1)
    warpgroup_maxima_kernel(Search search, by_warpgroup::Shape shape) {
  if constexpr (kHasWarpgroups) {
    char* ring = shared_memory<char>();
    auto& beside = *reinterpret_cast<Beside<Sum>*>(ring + shared_bytes(shape));
    by_warpgroup::Block<Sum> block(search, 0, search.maxima_count / kTileGroups, Screening::first, shape, ring,
                                   beside.barriers);
    if (block.multiplies()) {
      block.multiply(Maxima<by_warpgroup::Share, Sum>(search));
    } else {
      block.serve(by_warpgroup::NoWork{});
    }
  }
}

template <class Sum>
__global__ void __launch_bounds__(by_warpgroup::kThreads, 1)
    warpgroup_screen_kernel(Search search, std::size_t begin, std::size_t end, Screening screening,
                            by_warpgroup::Shape shape) {
  if constexpr (kHasWarpgroups) {
    if (screening == Screening::again && *search.any_again != search.round) return;
    char* ring = shared_memory<char>();
    auto& beside = *reinterpret_cast<Beside<Sum>*>(ring + shared_bytes(shape));
    if (threadIdx.x == 0) beside.pages.begin();
    by_warpgroup::Block<Sum> block(search, begin, end, screening, shape, ring, beside.barriers);
    if (block.multiplies()) {
      block.multiply(PageWriter<Sum>(search, screening, beside.pages));
    } else {
      block.serve(PageReader<Sum>(search, beside.pages));
    }
  }
}

}  // namespace

void find_maxima(const Search& search, std::size_t multiprocessors) {
  const bool fp16 = search.arithmetic == Arithmetic::fp16;
  if (search.products == Products::by_warp) {
    launch(fp16 ? maxima_kernel<float> : maxima_kernel<std::int32_t>, multiprocessors, by_warp::kThreads,
           by_warp::kRingBytes, search);
    return;
  }
  const by_warpgroup::Shape shape = by_warpgroup::shape_for(search.steps, kBesideBytes);
  launch(fp16 ? warpgroup_maxima_kernel<float> : warpgroup_maxima_kernel<std::int32_t>, multiprocessors,
         by_warpgroup::kThreads, shared_bytes(shape) + kBesideBytes, search, shape);
}

void screen(const Search& search, std::size_t begin, std::size_t end, Screening screening,
            std::size_t multiprocessors) {
  const bool fp16 = search.arithmetic == Arithmetic::fp16;
  if (search.products == Products::by_warp) {
    launch(fp16 ? screen_kernel<float> : screen_kernel<std::int32_t>, multiprocessors, by_warp::kThreads,
           by_warp::kRingBytes + by_warp::kWarps * sizeof(Queue), search, begin, end, screening);
    return;
  }
  const by_warpgroup::Shape shape = by_warpgroup::shape_for(search.steps, kBesideBytes);
  launch(fp16 ? warpgroup_screen_kernel<float> : warpgroup_screen_kernel<std::int32_t>, multiprocessors,
         by_warpgroup::kThreads, shared_bytes(shape) + kBesideBytes, search, begin, end, screening, shape);
}

}  // namespace latentknn::cuda
