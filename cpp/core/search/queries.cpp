#include "search/queries.h"

#include <algorithm>

namespace latentknn {
namespace {

constexpr std::size_t kQueriesPerTask = 512;

}  // namespace

Queries::Queries(const KernelTable& kernels, const Matrix& matrix, std::size_t threads, const ThreadPool::Poll& poll)
    : count_(matrix.rows), dim_(matrix.columns) {
  own_values_.resize(count_ * dim_);
  own_squared_norms_.resize(count_);
  convert_all(matrix, own_values_.data(), threads, poll);
  const auto take_norms = [&](std::size_t index) {
    const std::size_t begin = index * kQueriesPerTask, some = std::min(kQueriesPerTask, count_ - begin);
    kernels.squared_norms(own_values_.data() + begin * dim_, some, dim_, own_squared_norms_.data() + begin);
  };
  const std::size_t tasks = (count_ + kQueriesPerTask - 1) / kQueriesPerTask;
  if (tasks == 1) {
    take_norms(0);
  } else {
    ThreadPool::shared().run_sized(static_cast<double>(count_ * dim_), tasks, threads, take_norms, poll);
  }
  values_ = own_values_.data();
  squared_norms_ = own_squared_norms_.data();
}

}  // namespace latentknn
