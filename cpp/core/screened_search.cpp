#include "screened_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>

#include "aligned_buffer.h"
#include "block_scorer.h"

namespace latentknn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;    // packed queries of a block: half an L2 cache
constexpr std::size_t kCandidateBytes = std::size_t{8} << 20;  // candidate lists of a block
constexpr std::size_t kPartialBytes = std::size_t{32} << 20;   // best rows of all shards, before the merge
constexpr std::size_t kSmallestBlock = 64;                     // queries; below, split the database instead
constexpr std::size_t kTasksPerThread = 16;                    // so that threads finish together
constexpr double kOperationsPerCall = 2e8;                     // a few milliseconds between interrupt checks

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
std::size_t round_up(std::size_t a, std::size_t b) { return divide_up(a, b) * b; }

// The largest float32 that is not above `value`.
float round_down(double value) {
  const float rounded = static_cast<float>(value);
  return static_cast<double>(rounded) <= value ? rounded : std::nextafter(rounded, -kInfinity);
}

// Scores that bound from above only leave more rows to wait for a better threshold.
std::size_t list_capacity(const Screen& screen, std::size_t k) {
  return screen.two_sided() ? 2 * k + 16 : std::min(16 * k, 4 * k + 2048) + 256;
}

SearchPlan plan(const Screen& screen, const Rows& rows, const SearchRequest& request) {
  const ScreenKernel& kernel = screen.kernel();
  const std::size_t tile = kernel.query_tile;
  const std::size_t count = request.queries.rows;
  const std::size_t tasks = kTasksPerThread * request.threads;
  const std::size_t list_bytes = list_capacity(screen, request.k) * (sizeof(float) + sizeof(std::uint32_t));
  const std::size_t most =
      std::min(kBlockBytes / kernel.packed_bytes(screen.packed_dim()), kCandidateBytes / list_bytes) / tile * tile;

  SearchPlan plan;
  plan.query_block = std::max(std::min(most, std::max(round_up(divide_up(count, tasks), tile),
                                                      round_up(std::min(count, kSmallestBlock), tile))),
                              tile);
  plan.blocks = divide_up(count, plan.query_block);
  const std::size_t useful = rows.count / (8 * request.k + 1024);
  const std::size_t affordable = kPartialBytes / (count * request.k * sizeof(ScoredRow));
  plan.shards = std::max<std::size_t>(1, std::min({divide_up(tasks, plan.blocks), useful, affordable}));
  return plan;
}

// Searches blocks of queries against shards of the database, one after another, with the same memory.
class BlockSearch {
 public:
  BlockSearch(const KernelTable& kernels, const Screen& screen, const Rows& rows, const SearchRequest& request)
      : screen_(screen), rows_(rows), request_(request), scorer_(kernels, rows) {}

  void start(std::size_t first_query, std::size_t query_count) {
    first_query_ = first_query;
    query_count_ = query_count;
    scorer_.start(request_, first_query, query_count);
    errors_.resize(query_count);
    cutoffs_.assign(round_up(query_count, screen_.kernel().query_tile), kInfinity);
    packed_.resize(cutoffs_.size() * screen_.kernel().packed_bytes(screen_.packed_dim()));
    screen_.pack_queries(scorer_.queries(), scorer_.squared_norms(), query_count, packed_.data(), errors_.data());

    const std::size_t capacity = list_capacity(screen_, request_.k);
    list_scores_.resize(query_count * capacity);
    list_rows_.resize(query_count * capacity);
    lists_.resize(query_count);
    best_.resize(query_count, TopK(request_.k, rows_.ids));
    for (std::size_t q = 0; q < query_count; ++q) {
      cutoffs_[q] = -kInfinity;
      lists_[q] = {list_scores_.data() + q * capacity, list_rows_.data() + q * capacity, 0, capacity};
      best_[q].clear();
    }
  }

  void visit(std::size_t tile_begin, std::size_t tile_end) {
    const ScreenKernel& kernel = screen_.kernel();
    const double per_tile = 2.0 * static_cast<double>(cutoffs_.size() * kernel.row_tile * screen_.packed_dim());
    const auto step = static_cast<std::size_t>(std::max(1.0, kOperationsPerCall / per_tile));
    ScreenTask task{};
    task.queries = packed_.data();
    task.query_count = query_count_;
    task.rows = screen_.packed_rows();
    task.row_count = rows_.count;
    task.dim = screen_.packed_dim();
    task.cutoffs = cutoffs_.data();
    task.lists = lists_.data();
    task.overflow = &overflow;
    task.context = this;
    for (std::size_t tile = tile_begin; tile < tile_end; tile += step) {
      ThreadPool::check_interrupt();
      task.tile_begin = tile;
      task.tile_end = std::min(tile + step, tile_end);
      kernel.screen(task);
    }
  }

  void finish(std::size_t shard, AnswerSink& sink) {
    if (!screen_.two_sided()) {
      // The likeliest rows first: the threshold that they give excludes most of the others.
      score_pairs([this](std::size_t) { return std::max(request_.k, kGroup); });
    }
    score_pairs([this](std::size_t q) { return lists_[q].size; });
    for (std::size_t q = 0; q < query_count_; ++q) sink.put(first_query_ + q, shard, best_[q]);
    if (request_.statistics != nullptr) request_.statistics->scored_rows += scorer_.scored_rows();
  }

 private:
  static void overflow(void* context, std::size_t query) { static_cast<BlockSearch*>(context)->make_room(query); }

  // Excluding by the screened scores alone is the cheap way, where they allow it, and nearly always enough.
  // Where they bound from above only, scoring the likeliest few raises the threshold, and the others wait:
  // most will be excluded unscored. Where neither makes room, as too many scores lie within the error of
  // each other, the rest is scored exactly.
  void make_room(std::size_t q) {
    exclude(q);
    if (!screen_.two_sided()) {
      score_likeliest(q);
      exclude(q);
    }
    if (lists_[q].size > lists_[q].capacity / 4 * 3) score_list(q);
  }

  // Drops rows that are not admitted and, by the k-th best screened score, rows that cannot be among the
  // k best: k rows have a (scaled) similarity of at least that score less the error, and a row's own is at
  // most its score plus the error.
  void exclude(std::size_t q) {
    CandidateList& list = lists_[q];
    if (request_.allowed != nullptr || request_.exclude_self) {
      keep(list, [&](float, std::uint32_t row) { return request_.admits(first_query_ + q, row); });
    }
    if (screen_.two_sided() && list.size > request_.k) {
      selection_.assign(list.scores, list.scores + list.size);
      const auto kth = selection_.begin() + static_cast<std::ptrdiff_t>(request_.k - 1);
      std::nth_element(selection_.begin(), kth, selection_.end(), std::greater<>());
      raise_cutoff(q, static_cast<double>(*kth) - 2.0 * errors_[q]);
    }
    const float cutoff = cutoffs_[q];
    keep(list, [cutoff](float score, std::uint32_t) { return score >= cutoff; });
  }

  template <class Keep>
  static void keep(CandidateList& list, const Keep& wanted) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < list.size; ++i) {
      list.scores[kept] = list.scores[i];
      list.rows[kept] = list.rows[i];
      kept += wanted(list.scores[i], list.rows[i]) ? 1 : 0;
    }
    list.size = kept;
  }

  // `value` is below every similarity that can still be among the k best, less the error of its score.
  void raise_cutoff(std::size_t q, double value) { cutoffs_[q] = std::max(cutoffs_[q], round_down(value)); }

  // Scores the few rows of the list with the best scores.
  void score_likeliest(std::size_t q) {
    take_likeliest(q, first_group(q));
    score_taken(q, 0, taken_.size());
  }

  // Scores the list's rows, the likeliest first, until the others are excluded by what was found.
  void score_list(std::size_t q) {
    take_likeliest(q, lists_[q].size);
    std::sort(taken_.begin(), taken_.end(), by_score);
    std::size_t group = first_group(q);
    for (std::size_t begin = 0; begin < taken_.size() && taken_[begin].score >= cutoffs_[q];) {
      const std::size_t end = std::min(begin + group, taken_.size());
      score_taken(q, begin, end);
      begin = end;
      group = std::max(kGroup, request_.k / 2);  // raising the threshold costs as much as scoring a few rows
    }
  }

  // Scores the likeliest rows of every query, as many as `few` says, together.
  template <class Few>
  void score_pairs(const Few& few) {
    pairs_.clear();
    for (std::size_t q = 0; q < query_count_; ++q) {
      exclude(q);
      take_likeliest(q, few(q));
      for (const Screened& taken : taken_) pairs_.push_back({static_cast<std::uint32_t>(q), taken.row});
    }
    ThreadPool::check_interrupt();
    scorer_.score(pairs_, best_);
    for (std::size_t q = 0; q < query_count_; ++q) tighten(q);
  }

  // Moves the rows with the best scores, `few` at most, from the list to taken_.
  void take_likeliest(std::size_t q, std::size_t few) {
    CandidateList& list = lists_[q];
    taken_.resize(list.size);
    for (std::size_t i = 0; i < list.size; ++i) taken_[i] = {list.scores[i], list.rows[i]};
    list.size = 0;
    if (few >= taken_.size()) return;
    std::nth_element(taken_.begin(), taken_.begin() + static_cast<std::ptrdiff_t>(few), taken_.end(), by_score);
    for (std::size_t i = few; i < taken_.size(); ++i) {
      list.scores[list.size] = taken_[i].score;
      list.rows[list.size++] = taken_[i].row;
    }
    taken_.resize(few);
  }

  void score_taken(std::size_t q, std::size_t begin, std::size_t end) {
    batch_.clear();
    for (std::size_t i = begin; i < end; ++i) batch_.push_back(taken_[i].row);
    scorer_.score(q, batch_.data(), batch_.size(), best_[q]);
    tighten(q);
  }

  void tighten(std::size_t q) {
    best_[q].tighten();
    raise_cutoff(q, best_[q].threshold() * screen_.score_scale() - errors_[q]);
  }

  // As long as there is no threshold, k rows have to be scored anyway.
  std::size_t first_group(std::size_t q) const {
    return best_[q].threshold() == -std::numeric_limits<double>::infinity() ? std::max(request_.k, kGroup) : kGroup;
  }

  struct Screened {
    float score;
    std::uint32_t row;
  };
  static bool by_score(const Screened& a, const Screened& b) { return a.score > b.score; }
  static constexpr std::size_t kGroup = 8;

  const Screen& screen_;
  const Rows& rows_;
  const SearchRequest& request_;
  std::size_t first_query_ = 0;
  std::size_t query_count_ = 0;
  BlockScorer scorer_;
  std::vector<double> errors_;
  AlignedBuffer<char> packed_;
  std::vector<float> cutoffs_;
  AlignedBuffer<float> list_scores_;
  AlignedBuffer<std::uint32_t> list_rows_;
  std::vector<CandidateList> lists_;
  std::vector<TopK> best_;
  std::vector<float> selection_;
  std::vector<Screened> taken_;
  std::vector<std::uint32_t> batch_;
  std::vector<BlockScorer::Pair> pairs_;
};

}  // namespace

void screened_search(const KernelTable& kernels, const Screen& screen, const Rows& rows, const SearchRequest& request) {
  const SearchPlan cut = plan(screen, rows, request);
  const std::size_t tiles = divide_up(rows.count, screen.kernel().row_tile);
  AnswerSink sink(request, rows, cut.shards);

  std::mutex idle_mutex;
  std::vector<std::unique_ptr<BlockSearch>> idle;

  const auto task = [&](std::size_t index) {
    std::unique_ptr<BlockSearch> search;
    {
      const std::lock_guard lock(idle_mutex);
      if (!idle.empty()) {
        search = std::move(idle.back());
        idle.pop_back();
      }
    }
    if (!search) search = std::make_unique<BlockSearch>(kernels, screen, rows, request);
    const std::size_t shard = index % cut.shards;
    const std::size_t first = index / cut.shards * cut.query_block;
    search->start(first, std::min(cut.query_block, request.queries.rows - first));
    search->visit(tiles * shard / cut.shards, tiles * (shard + 1) / cut.shards);
    search->finish(shard, sink);
    const std::lock_guard lock(idle_mutex);
    idle.push_back(std::move(search));
  };
  ThreadPool::shared().run(cut.blocks * cut.shards, request.threads, task, request.poll);
  sink.merge();
}

}  // namespace latentknn
