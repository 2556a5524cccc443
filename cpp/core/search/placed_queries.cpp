#include "search/placed_queries.h"

#include <algorithm>
#include <numeric>

#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr std::size_t kQueriesPerTask = 512;
constexpr double kQuery = 0x1p15;  // multiply-adds of a query besides its projection

}  // namespace

PlacedQueries::PlacedQueries(const Search& search, const Layout& layout)
    : queries(search.queries.count()), places(search.queries.count(), 0) {
  std::iota(queries.begin(), queries.end(), std::size_t{0});
  if (!layout.ordered()) return;

  const std::size_t count = queries.size(), dim = search.queries.dim(), width = layout.width();
  std::vector<float> unsorted(count * width);
  std::vector<std::size_t> unsorted_places(count);
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * kQueriesPerTask;
    const std::size_t some = std::min(kQueriesPerTask, count - begin);
    const std::vector<float> reduced =
        layout.points(search.queries.vector(begin), search.queries.squared_norms() + begin, some);
    std::copy(reduced.begin(), reduced.end(), unsorted.begin() + static_cast<std::ptrdiff_t>(begin * width));
    for (std::size_t i = 0; i < some; ++i) unsorted_places[begin + i] = layout.place(reduced.data() + i * width);
  };
  const double work = static_cast<double>(count) * (static_cast<double>(dim * width) + kQuery);
  ThreadPool::shared().run_sized(work, (count + kQueriesPerTask - 1) / kQueriesPerTask, search.request.threads, task,
                                 search.request.poll);

  std::sort(queries.begin(), queries.end(), [&](std::size_t a, std::size_t b) {
    return unsorted_places[a] != unsorted_places[b] ? unsorted_places[a] < unsorted_places[b] : a < b;
  });
  points.reserve(unsorted.size());
  for (std::size_t i = 0; i < count; ++i) {
    places[i] = unsorted_places[queries[i]];
    const auto point = unsorted.begin() + static_cast<std::ptrdiff_t>(queries[i] * width);
    points.insert(points.end(), point, point + static_cast<std::ptrdiff_t>(width));
  }
}

}  // namespace latentknn
