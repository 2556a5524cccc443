#include "database.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <mutex>
#include <new>
#include <numeric>
#include <stdexcept>

#include "choice/choose_screen.h"
#include "isa.h"
#include "platform/float_environment.h"
#include "search/exhaustive_search.h"
#include "search/given_candidates.h"
#include "search/screened_search.h"

namespace latentknn {
namespace {

constexpr std::size_t kRowsPerTask = 4096;
constexpr std::size_t kChooseAgain = 2;

// Where queries reach a larger share of cells, looking for the other cells costs more than it saves.
constexpr double kReachedShare = 0.9;

// A screen suits rows where at most count / kUnscreenedShare + kUnscreenedRows of them are unscreened.
constexpr std::size_t kUnscreenedShare = 256;
constexpr std::size_t kUnscreenedRows = 64;

std::array<std::atomic<std::uint64_t>, 8> search_counts;

void count_search(const KernelTable& kernels) {
  const std::vector<std::string> names = available_isas();
  const auto at = std::find(names.begin(), names.end(), kernels.name);
  search_counts[static_cast<std::size_t>(at - names.begin())].fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::vector<std::pair<std::string, std::uint64_t>> searches_by_isa() {
  std::vector<std::pair<std::string, std::uint64_t>> counts;
  for (const std::string& name : available_isas()) counts.emplace_back(name, search_counts[counts.size()].load());
  return counts;
}

Database::Database(std::size_t dim, Strategy strategy) : dim_(dim), kernels_(select_kernels()), strategy_(strategy) {}

const char* Database::strategy() const {
  const std::shared_lock lock(mutex_);
  return !ladder_.empty() ? ladder_.cheapest().name() : strategy_name(strategy_);
}

Explanation Database::explain() const {
  const std::shared_lock lock(mutex_);
  Explanation explanation{!ladder_.empty() ? ladder_.cheapest().name() : strategy_name(strategy_),
                          "float64",
                          squared_norms_.size(),
                          0,
                          0,
                          considered_,
                          statistics_.queries.load(),
                          statistics_.screened_rows.load(),
                          statistics_.finer_rows.load(),
                          statistics_.scored_rows.load()};
  if (ladder_.empty()) return explanation;
  explanation.arithmetic = ladder_.cheapest().kernel().name;
  explanation.screened_dims = ladder_.cheapest().packed_dim();
  explanation.unscreened_rows = ladder_.unscreened_places().size();
  return explanation;
}

Rows Database::view() const {
  return {values_.data(), squared_norms_.data(), ids_.empty() ? nullptr : ids_.data(), squared_norms_.size(), dim_};
}

void Database::add(const Matrix& rows, const std::int64_t* ids, std::size_t threads, const ThreadPool::Poll& poll) {
  const std::unique_lock lock(mutex_);
  const std::size_t before = squared_norms_.size();
  const std::size_t after = before + rows.rows;
  const bool had_ids = !ids_.empty();
  if (had_ids && ids == nullptr) throw std::logic_error("rows with ids of their own are followed by rows without");
  if (after > std::numeric_limits<std::uint32_t>::max()) {
    throw std::length_error("an index holds at most 4294967295 rows");
  }
  try {
    values_.resize(after * dim_);
    squared_norms_.resize(after);
    if (ids != nullptr) {
      ids_.resize(before);
      if (!had_ids) std::iota(ids_.begin(), ids_.end(), std::int64_t{0});
      ids_.insert(ids_.end(), ids, ids + rows.rows);
    }
    convert_all(rows, values_.data() + before * dim_, threads, poll);
    derive(before, threads, poll);
    count_ = after;
  } catch (const std::bad_alloc&) {
    take_back(before, had_ids);
    // The ladder may be half packed. Without a screen every search is still exact.
    ladder_ = {};
    chosen_for_ = 0;
    throw;
  } catch (...) {
    take_back(before, had_ids);
    throw;
  }
}

// Forgets the rows from `count` on. The last tile may still hold some of them, but nothing looks beyond the count.
void Database::take_back(std::size_t count, bool had_ids) {
  values_.resize(count * dim_);
  squared_norms_.resize(count);
  ids_.resize(had_ids ? count : 0);
  if (layout_) layout_->truncate(std::min(count, layout_->order().size()));
  ladder_.reserve_rows(count);
}

// Derives norms, places and packed rows from row `first` on.
void Database::derive(std::size_t first, std::size_t threads, const ThreadPool::Poll& poll) {
  const std::size_t count = squared_norms_.size();
  const auto task = [&](std::size_t index) {
    const std::size_t begin = first + index * kRowsPerTask;
    kernels_.squared_norms(values_.data() + begin * dim_, std::min(kRowsPerTask, count - begin), dim_,
                           squared_norms_.data() + begin);
  };
  ThreadPool::shared().run((count - first + kRowsPerTask - 1) / kRowsPerTask, threads, task, poll);

  const DefaultFloatEnvironment environment;
  // A screen that suits some rows need not suit twice as many. Choosing again only then keeps adding linear.
  if (count > 0 && (chosen_for_ == 0 || count >= kChooseAgain * chosen_for_)) {
    choose(threads, poll);
  } else if (!ladder_.empty()) {
    layout_->extend(view(), threads, poll);
    if (!pack(ladder_, *layout_, first, threads, poll)) {
      Ladder fresh = fallback_ladder(kernels_, dim_);
      pack(fresh, *layout_, 0, threads, poll);
      ladder_ = std::move(fresh);
    }
  }
}

// Chooses and packs screens for all rows. They replace the old ones only once they are whole, so an exception leaves
// the old ones.
void Database::choose(std::size_t threads, const ThreadPool::Poll& poll) {
  const Rows rows = view();
  const GatheredRows sample = deciding_rows(strategy_, rows);
  const std::vector<float> directions = directions_for(strategy_, kernels_, sample.view(), rows.count, threads);
  auto layout = std::make_unique<Layout>(kernels_, directions, dim_);
  layout->extend(rows, threads, poll);
  Choice fresh = choose_screen(strategy_, kernels_, sample.view(), rows.count, directions, *layout, threads);
  if (fresh.reached > kReachedShare) layout->forget_caps();
  if (!fresh.ladder.empty() && !pack(fresh.ladder, *layout, 0, threads, poll)) {
    fresh.ladder = fallback_ladder(kernels_, dim_);
    pack(fresh.ladder, *layout, 0, threads, poll);
  }
  ladder_ = std::move(fresh.ladder);
  layout_ = std::move(layout);
  considered_ = std::move(fresh.considered);
  chosen_for_ = rows.count;
}

// Packs all rows from the place `first` on. Returns false where a screen does not suit them.
bool Database::pack(Ladder& ladder, const Layout& layout, std::size_t first, std::size_t threads,
                    const ThreadPool::Poll& poll) const {
  const Rows rows = view();
  ladder.reserve_rows(rows.count);
  const std::size_t from = first / layout.cell_rows() * layout.cell_rows();
  const auto task = [&](std::size_t index) {
    const std::size_t begin = from + index * kRowsAtOnce;
    const std::size_t count = std::min(kRowsAtOnce, rows.count - begin);
    const GatheredRows gathered(rows, layout.order().data() + begin, count);
    ladder.pack_rows(gathered.values.data(), gathered.squared_norms.data(), begin, count);
  };
  ThreadPool::shared().run((rows.count - from + kRowsAtOnce - 1) / kRowsAtOnce, threads, task, poll);
  return ladder.unscreened_places().size() <= rows.count / kUnscreenedShare + kUnscreenedRows;
}

void Database::keep(const std::uint8_t* flags, std::size_t flag_count, std::size_t threads) {
  const std::unique_lock lock(mutex_);
  const std::size_t count = squared_norms_.size();
  if (flag_count != count) throw std::invalid_argument("one flag a row is needed");
  std::size_t kept = 0;
  std::size_t first_moved = count;
  if (ids_.empty()) {
    ids_.resize(count);
    std::iota(ids_.begin(), ids_.end(), std::int64_t{0});
  }
  for (std::size_t row = 0; row < count; ++row) {
    if (flags[row] == 0) {
      first_moved = std::min(first_moved, row);
      continue;
    }
    if (kept != row) {
      std::memcpy(values_.data() + kept * dim_, values_.data() + row * dim_, dim_ * sizeof(float));
      squared_norms_[kept] = squared_norms_[row];
      ids_[kept] = ids_[row];
    }
    ++kept;
  }
  values_.resize(kept * dim_);
  squared_norms_.resize(kept);
  ids_.resize(kept);
  count_ = kept;
  // The removed rows had places anywhere, so everything is derived anew. Where that fails, the rows cannot come back,
  // but without a screen every search is still exact.
  ladder_ = {};
  layout_.reset();
  chosen_for_ = 0;
  try {
    derive(std::min(first_moved, kept), threads, nullptr);
  } catch (...) {
    ladder_ = {};
  }
}

bool Database::copy_rows(float* out, std::size_t first, std::size_t count) const {
  const std::shared_lock lock(mutex_);
  if (first + count > squared_norms_.size()) return false;
  if (count > 0) std::memcpy(out, values_.data() + first * dim_, count * dim_ * sizeof(float));
  return true;
}

void Database::search(const SearchRequest& request) const {
  const DefaultFloatEnvironment environment;
  const Queries queries(kernels_, request.queries, request.threads, request.poll);
  const std::shared_lock lock(mutex_);
  search_among(view(), queries, request, false);
}

bool Database::search_self(const SearchRequest& request) const {
  const DefaultFloatEnvironment environment;
  const std::shared_lock lock(mutex_);
  const Rows rows = view();
  if (request.queries.rows != rows.count) return false;
  search_among(rows, Queries(rows), request, true);
  return true;
}

void Database::score(const SearchRequest& request, const std::int64_t* positions, std::size_t per_query) const {
  const DefaultFloatEnvironment environment;
  const Queries queries(kernels_, request.queries, request.threads, request.poll);
  const std::shared_lock lock(mutex_);
  const Rows rows = view();
  score_given({kernels_, rows, queries, request, false, statistics_}, positions, per_query);
}

// Counts the rows that a query may have as neighbours. Throws std::invalid_argument where they are fewer than k.
std::size_t Database::admitted_rows(const Rows& rows, const SearchRequest& request, bool among_themselves) {
  std::size_t admitted = rows.count;
  if (request.allowed != nullptr) {
    if (request.allowed_count != rows.count) {
      throw std::invalid_argument("allowed must have one flag for each of the " + std::to_string(rows.count) +
                                  " rows, received " + std::to_string(request.allowed_count));
    }
    admitted = static_cast<std::size_t>(
        std::count_if(request.allowed, request.allowed + rows.count, [](std::uint8_t flag) { return flag != 0; }));
  }
  if (among_themselves && admitted > 0) --admitted;
  if (request.k < 1 || request.k > admitted) {
    throw std::invalid_argument("k must be from 1 to " + std::to_string(admitted) + ", the number of neighbours " +
                                "to choose from, received " + std::to_string(request.k));
  }
  return admitted;
}

void Database::search_among(const Rows& rows, const Queries& queries, const SearchRequest& request,
                            bool among_themselves) const {
  const std::size_t admitted = admitted_rows(rows, request, among_themselves);
  if (queries.count() == 0) return;
  count_search(kernels_);
  statistics_.queries += queries.count();
  const Search search{kernels_, rows, queries, request, among_themselves, statistics_};
  // Screening every row to keep most of them, or to find a few admitted ones, costs more than it saves.
  const bool screening_pays = 2 * request.k < admitted && 8 * admitted >= rows.count;
  if (!ladder_.empty() && screening_pays) {
    screened_search(search, ladder_, *layout_);
  } else {
    exhaustive_search(search);
  }
}

}  // namespace latentknn
