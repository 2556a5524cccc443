#include "layout/cell_caps.h"

#include <algorithm>
#include <cmath>

#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr double kTurned = 0x1p-22;  // lowers cosines for the rounding of coordinates and centres
constexpr float kAlways = 8.0f;

double product(const float* a, const double* b, std::size_t count) {
  double sum = 0.0;
  for (std::size_t j = 0; j < count; ++j) sum += static_cast<double>(a[j]) * b[j];
  return sum;
}

}  // namespace

CellCaps::CellCaps(const KernelTable& kernels, std::size_t width, double excess, std::size_t cell_rows)
    : kernels_(kernels), width_(width), excess_(excess), cell_rows_(cell_rows) {}

void CellCaps::measure(const float* points, std::size_t count) {
  cells_ = (count + cell_rows_ - 1) / cell_rows_;
  const std::size_t padded = (cells_ + kRun - 1) / kRun * kRun;
  centres_.resize(padded * width_);
  cosines_.resize(padded);
  sines_.resize(padded);
  std::vector<double> centre(width_);
  for (std::size_t cell = 0; cell < cells_; ++cell) {
    ThreadPool::check_interrupt();
    const float* rows = points + cell * cell_rows_ * width_;
    const std::size_t present = std::min(cell_rows_, count - cell * cell_rows_);
    std::fill(centre.begin(), centre.end(), 0.0);
    for (std::size_t i = 0; i < present; ++i) {
      for (std::size_t j = 0; j < width_; ++j) centre[j] += static_cast<double>(rows[i * width_ + j]);
    }
    double squares = 0.0;
    for (const double x : centre) squares += x * x;
    double least = 1.0;
    if (squares > 0.0) {
      for (double& x : centre) x /= std::sqrt(squares);
      for (std::size_t i = 0; i < present; ++i) {
        const float* row = rows + i * width_;
        const bool zero = std::all_of(row, row + width_, [](float x) { return x == 0.0f; });
        if (!zero) least = std::min(least, product(row, centre.data(), width_) - kTurned);
      }
    }
    for (std::size_t j = 0; j < width_; ++j) centres_[cell * width_ + j] = static_cast<float>(centre[j]);
    const bool narrow = squares > 0.0 && least >= 0.0;
    // Every query that looks for rows reaches a wide cell: the cosine and sine of its reach are at least 1 in sum.
    cosines_[cell] = narrow ? static_cast<float>(least) : -kAlways;
    sines_[cell] = narrow ? static_cast<float>(std::sqrt(1.0 - least * least)) : kAlways;
  }
  pack_runs();
}

void CellCaps::pack_runs() {
  const ScreenKernel& kernel = kernels_.of(Arithmetic::fp32);
  const std::size_t runs = cosines_.size() / kRun;
  const std::size_t run_bytes = kRun * kernel.row_bytes(width_);
  const std::vector<double> ones(kRun, 1.0);
  packed_.resize(runs * run_bytes);
  for (std::size_t run = 0; run < runs; ++run) {
    kernel.pack_rows(centres_.data() + run * kRun * width_, kRun, width_, ones.data(), nullptr,
                     packed_.data() + run * run_bytes);
  }
}

AlignedBuffer<char> CellCaps::pack(const float* points, std::size_t count) const {
  const ScreenKernel& kernel = kernels_.of(Arithmetic::fp32);
  const std::vector<double> ones(count, 1.0);
  AlignedBuffer<char> packed;
  packed.resize((count + kernel.query_tile - 1) / kernel.query_tile * kernel.query_tile * kernel.query_bytes(width_));
  kernel.pack_queries(points, count, width_, ones.data(), packed.data());
  return packed;
}

Reach CellCaps::reach(double similarity) const {
  const double cosine = similarity - excess_;
  if (!(cosine > 0.0)) return {0.0f, 0.0f, kAlways};
  if (cosine >= 1.0) return {1.0f, 0.0f, static_cast<float>(width_ + 16) * 0x1p-24f};
  return {static_cast<float>(cosine), static_cast<float>(std::sqrt(1.0 - cosine * cosine)),
          static_cast<float>(width_ + 16) * 0x1p-24f};
}

void CellCaps::mark(std::size_t run, const AlignedBuffer<char>& packed, const Reach* reaches, std::size_t groups,
                    std::vector<float>& products, std::uint8_t* marks) const {
  const ScreenKernel& kernel = kernels_.of(Arithmetic::fp32);
  products.assign(groups * kernel.query_tile * kRun, 0.0f);
  kernels_.add_products(packed.data(), groups, packed_.data() + run * kRun * kernel.row_bytes(width_),
                        kRun / kernel.row_tile, width_, products.data(), kRun);
  kernels_.mark_reached(products.data(), reaches, groups, cosines_.data() + run * kRun, sines_.data() + run * kRun,
                        kRun, marks);
}

double CellCaps::share_reached(const std::vector<float>& points, const std::vector<float>& similarities) const {
  // Each query is a group of its own, filled up with copies of itself.
  const std::size_t count = similarities.size(), copies = kernels_.of(Arithmetic::fp32).query_tile;
  std::vector<float> copied;
  std::vector<Reach> reaches;
  for (std::size_t i = 0; i < count * copies; ++i) {
    const auto point = points.begin() + static_cast<std::ptrdiff_t>(i / copies * width_);
    copied.insert(copied.end(), point, point + static_cast<std::ptrdiff_t>(width_));
    reaches.push_back(reach(static_cast<double>(similarities[i / copies])));
  }
  const AlignedBuffer<char> packed = pack(copied.data(), count * copies);
  std::vector<float> products;
  std::vector<std::uint8_t> marks(count * kRun);
  std::size_t reached = 0;
  for (std::size_t run = 0; run * kRun < cells_; ++run) {
    ThreadPool::check_interrupt();
    mark(run, packed, reaches.data(), count, products, marks.data());
    for (std::size_t i = 0; i < marks.size(); ++i) reached += run * kRun + i % kRun < cells_ ? marks[i] : 0;
  }
  return static_cast<double>(reached) / static_cast<double>(count * cells_);
}

}  // namespace latentknn
