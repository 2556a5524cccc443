#include "search/guesses.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

#include "choice/costs.h"
#include "linear/unit_scales.h"
#include "platform/aligned_buffer.h"
#include "platform/thread_pool.h"
#include "search/value_of_rank.h"

namespace latentknn {
namespace {

constexpr double kLogChance = 11.5;  // a guess is too high for one query in 100,000, on average over samples
constexpr double kLoose = 2.0;       // times as many rows of a sample reach loose guesses as should
constexpr std::size_t kSmallestSample = 512, kLargestSample = 16384;
constexpr std::size_t kSampledShare = 4;                       // a sample has at most a quarter of the rows
constexpr std::size_t kSampleBytes = std::size_t{32} << 20;    // bytes of a sample, at most
constexpr std::size_t kProductBytes = std::size_t{256} << 10;  // bytes of a task's products: a part of an L2 cache
constexpr double kCounted = 60.0;  // cost of writing a product and counting those above it, in multiply-adds

// Without guesses a screen leaves about kLeftInVain times the rows that are among the k best of those before them,
// because its bounds are wide. Guesses spare the scoring of a share of them, kScored.
constexpr double kLeftInVain = 2.0, kScored = 0.2;

// Returns m + t for a sample in which m of the k best are expected.
double rank_for(double expected) {
  constexpr double kThird = kLogChance / 3.0;
  return std::ceil(expected + kThird + std::sqrt(kThird * kThird + 2.0 * kLogChance * expected));
}

// Chooses the size of a sample of so many rows; 0 where none pays.
std::size_t sample_size(const Search& search, const Layout& layout, std::size_t row_count) {
  const auto rows = static_cast<double>(row_count), k = static_cast<double>(search.request.k);
  const std::size_t dim = search.rows.dim;
  const double left = layout.reached() * (costs::left_row(dim) + kScored * costs::scored_row(dim));
  const std::size_t most = std::min({kLargestSample, row_count / kSampledShare, kSampleBytes / (dim * sizeof(float))});
  double least = left * kLeftInVain * k * (1.0 + std::log(std::max(1.0, layout.reached() * rows / (2.0 * k))));
  std::size_t best = 0;
  for (std::size_t size = kSmallestSample; size <= most; size *= 2) {
    const auto sample = static_cast<double>(size);
    const double packed = costs::packed_row(dim) / static_cast<double>(search.queries.count());
    const double cost =
        sample * (static_cast<double>(dim) + kCounted + packed) + left * rank_for(sample * k / rows) * rows / sample;
    if (cost >= least) continue;
    least = cost;
    best = size;
  }
  return best;
}

std::vector<std::uint32_t> admitted_rows(const Search& search) {
  std::vector<std::uint32_t> rows;
  for (std::size_t row = 0; row < search.rows.count; ++row) {
    if (search.request.allowed[row] != 0) rows.push_back(static_cast<std::uint32_t>(row));
  }
  return rows;
}

// A sample of the rows, packed for the products of float32.
class Sample {
 public:
  Sample(const Search& search, const std::vector<std::uint32_t>& rows)
      : kernels_(search.kernels), kernel_(kernels_.of(Arithmetic::fp32)), dim_(search.rows.dim), size_(rows.size()) {
    packed_.resize(stride() * kernel_.row_bytes(dim_));
    const auto task = [&](std::size_t index) {
      const std::size_t begin = index * kRowsAtOnce, count = std::min(kRowsAtOnce, size_ - begin);
      const GatheredRows some(search.rows, rows.data() + begin, count);
      const std::vector<double> scales = unit_scales(some.squared_norms.data(), count, 1.0);
      kernel_.pack_rows(some.values.data(), count, dim_, scales.data(), nullptr,
                        packed_.data() + begin * kernel_.row_bytes(dim_));
    };
    const double work = costs::packed_row(dim_) * static_cast<double>(size_);
    ThreadPool::shared().run_sized(work, (size_ + kRowsAtOnce - 1) / kRowsAtOnce, search.request.threads, task,
                                   search.request.poll);
  }

  // Guesses for queries [begin, begin + count): the similarities that `rank` rows of the sample reach. Returns how many
  // rows of the sample reach the guesses of all these queries.
  std::size_t guess(const Queries& queries, std::size_t begin, std::size_t count, std::size_t rank,
                    double* guesses) const {
    const std::size_t tiles = (count + kernel_.query_tile - 1) / kernel_.query_tile;
    const std::vector<double> scales = unit_scales(queries.squared_norms() + begin, count, 1.0);
    AlignedBuffer<char> packed;
    packed.resize(tiles * kernel_.query_tile * kernel_.query_bytes(dim_));
    kernel_.pack_queries(queries.vector(begin), count, dim_, scales.data(), packed.data());
    std::vector<float> products(tiles * kernel_.query_tile * stride(), 0.0f);
    kernels_.add_products(packed.data(), tiles, packed_.data(), stride() / kernel_.row_tile, dim_, products.data(),
                          stride());
    // Rows as similar as the k-th best should not be taken for better ones because of their rounding.
    const double rounding = static_cast<double>(dim_ + 16) * 0x1p-24;
    std::size_t reach = 0;
    for (std::size_t q = 0; q < count; ++q) {
      const auto reaching = [&, of_query = products.data() + q * stride()](float least) {
        return kernels_.count_at_least(of_query, size_, least);
      };
      const float reached = bound_of_rank(rank, kAnySimilarity, reaching);
      guesses[q] = static_cast<double>(reached) - rounding;
      reach += reaching(reached);
    }
    return reach;
  }

  std::size_t queries_at_once() const {
    const std::size_t tile = kernel_.query_tile;
    return std::max<std::size_t>(1, kProductBytes / (tile * stride() * sizeof(float))) * tile;
  }

 private:
  static constexpr double kAnySimilarity = -2.0;  // every row reaches it

  std::size_t stride() const { return (size_ + kernel_.row_tile - 1) / kernel_.row_tile * kernel_.row_tile; }

  const KernelTable& kernels_;
  const ScreenKernel& kernel_;
  const std::size_t dim_;
  const std::size_t size_;
  AlignedBuffer<char> packed_;
};

}  // namespace

std::vector<double> guess_thresholds(const Search& search, const Layout& layout, bool another_way) {
  const std::size_t count = search.queries.count();
  const double* const known = search.request.at_least;
  if (known != nullptr && std::any_of(known, known + count, [](double value) { return std::isfinite(value); }))
    return {};
  // Listing what a mask admits takes time, and fewer rows need no larger sample.
  if (sample_size(search, layout, search.rows.count) == 0) return {};
  const bool all = search.request.allowed == nullptr;
  const std::vector<std::uint32_t> admitted = all ? std::vector<std::uint32_t>() : admitted_rows(search);
  const std::size_t rows = all ? search.rows.count : admitted.size();
  const std::size_t size = sample_size(search, layout, rows);
  if (size == 0) return {};

  std::mt19937 random(0);
  std::vector<std::uint32_t> drawn(size);
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t begin = i * rows / size, end = (i + 1) * rows / size;
    const std::size_t at = begin + random() % (end - begin);
    drawn[i] = all ? static_cast<std::uint32_t>(at) : admitted[at];
  }
  // A query that is a row itself may be in the sample, but is not among its own neighbours.
  const double expected = static_cast<double>(size * search.request.k) / static_cast<double>(rows);
  const auto rank = static_cast<std::size_t>(rank_for(expected)) + (search.own_rows == nullptr ? 0 : 1);

  const Sample sample(search, drawn);
  const std::size_t at_once = sample.queries_at_once();
  std::vector<double> guesses(count);
  std::atomic<std::size_t> reach{0};
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * at_once;
    reach += sample.guess(search.queries, begin, std::min(at_once, count - begin), rank, guesses.data() + begin);
  };
  const double work = static_cast<double>(count) * static_cast<double>(size * search.rows.dim);
  ThreadPool::shared().run_sized(work, (count + at_once - 1) / at_once, search.request.threads, task,
                                 search.request.poll);
  if (another_way && static_cast<double>(reach) > kLoose * static_cast<double>(rank * count)) return {};
  return guesses;
}

}  // namespace latentknn
