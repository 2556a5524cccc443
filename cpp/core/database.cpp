#include "database.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "isa.h"
#include "parts/part_search.h"
#include "platform/float_environment.h"

namespace latentknn {
namespace {

// New rows wait unpacked, and every search scores them, until they are more than so many and this share of the packed
// ones: scoring them costs little beside screening the others.
constexpr std::size_t kUnpackedRows = 256;
constexpr std::size_t kUnpackedShare = 128;

// Parts at the end become one with new rows while they have at most so many times the rows behind them. So a database
// has few parts, and each row is packed few times.
constexpr std::size_t kJoinedTimes = 2;

// A part is packed anew when more than one in so many of its rows were removed.
constexpr std::size_t kRemovedShare = 4;

std::array<std::atomic<std::uint64_t>, 8> search_counts;

void count_search(const KernelTable& kernels) {
  const std::vector<std::string> names = available_isas();
  const auto at = std::find(names.begin(), names.end(), kernels.name);
  search_counts[static_cast<std::size_t>(at - names.begin())].fetch_add(1, std::memory_order_relaxed);
}

std::size_t rows_of(const std::vector<Part>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::size_t{0},
                         [](std::size_t sum, const Part& part) { return sum + part.size(); });
}

bool is_sparse(const Part& part) { return part.packing && kRemovedShare * (part.count - part.size()) > part.count; }

}  // namespace

std::vector<std::pair<std::string, std::uint64_t>> searches_by_isa() {
  std::vector<std::pair<std::string, std::uint64_t>> counts;
  for (const std::string& name : available_isas()) counts.emplace_back(name, search_counts[counts.size()].load());
  return counts;
}

Database::Database(std::size_t dim, Strategy strategy)
    : dim_(dim), kernels_(&select_kernels()), strategy_(strategy), statistics_(std::make_shared<SearchStatistics>()) {}

Database::Database(const std::vector<const Database*>& others, bool numbered)
    : Database(others.at(0)->dim_, others.at(0)->strategy_) {
  own_ids_ = !numbered;
  for (const Database* const other : others) {
    if (other->dim_ != dim_) throw std::invalid_argument("rows of different dimensions cannot be searched together");
    for (Part part : other->parts_) {
      if (numbered) part.first_id += static_cast<std::int64_t>(count_);
      parts_.push_back(std::move(part));
    }
    count_ += other->count_;
    if (count_ > std::numeric_limits<std::uint32_t>::max()) {
      throw std::length_error("an index holds at most 4294967295 rows");
    }
  }
  ever_added_ = static_cast<std::int64_t>(count_);
}

// Returns null where no part is screened.
const Part* Database::largest_packed() const {
  const Part* largest = nullptr;
  for (const Part& part : parts_) {
    const bool screened = part.packing && !part.packing->ladder.empty();
    if (screened && (largest == nullptr || part.size() > largest->size())) largest = &part;
  }
  return largest;
}

const char* Database::strategy() const {
  const Part* const largest = largest_packed();
  return largest != nullptr ? largest->packing->ladder.cheapest().name() : strategy_name(strategy_);
}

Explanation Database::explain() const {
  // A search that ends meanwhile counts its queries first: read in this order, the rows are those of counted queries.
  const std::uint64_t scored = statistics_->scored_rows, finer = statistics_->finer_rows;
  const std::uint64_t screened = statistics_->screened_rows, queries = statistics_->queries;
  Explanation explanation{strategy(), "float64", count_, 0, 0, {}, queries, screened, finer, scored};
  const Part* const largest = largest_packed();
  if (largest == nullptr) return explanation;
  explanation.considered = largest->packing->considered;
  explanation.arithmetic = largest->packing->ladder.cheapest().kernel().name;
  // Zeros that a rotation puts behind the dimensions of a code are not counted.
  explanation.screened_dims = std::min(largest->packing->ladder.cheapest().packed_dim(), dim_);
  for (const Part& part : parts_) {
    if (!part.packing) continue;
    for (const std::uint32_t place : part.packing->ladder.unscreened_places()) {
      const bool live = !part.live || part.live->flags()[part.packing->layout->order()[place]] != 0;
      explanation.unscreened_rows += live ? 1 : 0;
    }
  }
  return explanation;
}

PartMaker Database::maker(std::size_t threads, const ThreadPool::Poll& poll) const {
  return {*kernels_, strategy_, dim_, threads, poll};
}

void Database::change(const Change& change, std::size_t threads, const ThreadPool::Poll& poll) {
  const std::size_t added = change.rows.rows;
  if (added > 0 && own_ids_ && change.ids == nullptr) {
    throw std::logic_error("rows with ids of their own are followed by rows without");
  }
  const DefaultFloatEnvironment environment;
  const ThreadPool::Background background;
  const ThreadPool::Polling polling(poll);
  auto statistics = std::make_shared<SearchStatistics>();
  std::vector<Part> parts = parts_;
  remove(parts, change);
  if (rows_of(parts) + added > std::numeric_limits<std::uint32_t>::max()) {
    throw std::length_error("an index holds at most 4294967295 rows");
  }
  const PartMaker part_maker = maker(threads, poll);
  if (added > 0) {
    std::vector<std::int64_t> ids;
    if (change.ids == nullptr) {
      ids.resize(added);
      std::iota(ids.begin(), ids.end(), ever_added_);
    }
    append(parts, {change.rows, change.ids == nullptr ? ids.data() : change.ids}, part_maker);
  }
  for (Part& part : parts) {
    if (is_sparse(part)) part = part_maker.join(&part, 1, {});
  }
  if (change.gone_count > 0 || added > 0) statistics_.swap(statistics);
  count_ = rows_of(parts);
  parts_.swap(parts);
  ever_added_ += static_cast<std::int64_t>(added);
  own_ids_ = own_ids_ || (added > 0 && change.ids != nullptr);
}

// Marks the rows that go, and leaves out parts that have none left.
void Database::remove(std::vector<Part>& parts, const Change& change) const {
  const std::int64_t* const gone = change.gone;
  for (std::size_t i = 0; i < change.gone_count; ++i) {
    const bool ascends = i == 0 || gone[i - 1] < gone[i];
    if (!ascends || gone[i] < 0 || static_cast<std::size_t>(gone[i]) >= count_) {
      throw std::invalid_argument("positions must ascend and be those of the " + std::to_string(count_) + " rows");
    }
  }
  std::size_t first_position = 0, next = 0;
  for (Part& part : parts) {
    const std::size_t end = first_position + part.size();
    std::vector<std::int64_t> ranks;
    for (; next < change.gone_count && static_cast<std::size_t>(gone[next]) < end; ++next) {
      ranks.push_back(gone[next] - static_cast<std::int64_t>(first_position));
    }
    first_position = end;
    if (ranks.empty()) continue;
    auto live = part.live ? std::make_shared<LiveRows>(*part.live) : std::make_shared<LiveRows>(part.count);
    live->remove(ranks.data(), ranks.size());
    part.live = std::move(live);
  }
  std::erase_if(parts, [](const Part& part) { return part.size() == 0; });
}

void Database::append(std::vector<Part>& parts, const NewRows& rows, const PartMaker& part_maker) const {
  const bool unpacked = !parts.empty() && !parts.back().packing;
  const std::size_t waiting = unpacked ? parts.back().count : 0;
  const std::size_t packed = rows_of(parts) - (unpacked ? parts.back().size() : 0);
  const std::size_t most = kUnpackedRows + packed / kUnpackedShare;
  if (packed > 0 && waiting + rows.matrix.rows <= most) {
    if (!unpacked) parts.emplace_back();
    parts.back() = part_maker.extend(parts.back(), rows, most);
    return;
  }
  std::size_t first = parts.size(), behind = rows.matrix.rows;
  while (first > 0 && (!parts[first - 1].packing || parts[first - 1].size() <= kJoinedTimes * behind)) {
    behind += parts[--first].size();
  }
  Part joined = part_maker.join(parts.data() + first, parts.size() - first, rows);
  parts.resize(first);
  parts.push_back(std::move(joined));
}

void Database::compact(std::size_t threads, const ThreadPool::Poll& poll) {
  if (parts_.empty() || (parts_.size() == 1 && parts_.front().packing && !parts_.front().live)) return;
  const DefaultFloatEnvironment environment;
  const ThreadPool::Background background;
  const ThreadPool::Polling polling(poll);
  std::vector<Part> parts{maker(threads, poll).join(parts_.data(), parts_.size(), {})};
  parts_.swap(parts);
}

void Database::check_positions(std::size_t first, std::size_t count) const {
  if (first <= count_ && count <= count_ - first) return;
  throw std::invalid_argument("there are " + std::to_string(count_) + " rows, and not " + std::to_string(count) +
                              " from row " + std::to_string(first) + " on");
}

void Database::copy_rows(float* out, std::size_t first, std::size_t count, const ThreadPool::Poll& poll) const {
  check_positions(first, count);
  const PartMaker part_maker = maker(1, poll);
  const std::size_t last = first + count;
  std::size_t first_position = 0;
  for (const Part& part : parts_) {
    const std::size_t end = first_position + part.size();
    const std::size_t from = std::max(first, first_position), to = std::min(last, end);
    if (from < to) {
      part_maker.copy_live(part, from - first_position, to - from, {out, nullptr, nullptr});
      out += (to - from) * dim_;
    }
    first_position = end;
  }
}

void Database::copy_ids(std::int64_t* out) const {
  for (const Part& part : parts_) {
    const Rows rows = part.view(dim_, 0);
    for (std::size_t row = 0; row < rows.count; ++row) {
      if (rows.live == nullptr || rows.live->flags()[row] != 0) *out++ = rows.id(row);
    }
  }
}

// Adds what a search has done to the counts of all. Removed rows stay in their cells until these are packed anew, and
// are compared there with the others, and a query may meet a row again, after a first look or a guess that was too
// high; but no query counts more rows than there are.
void Database::add_to_counts(const SearchStatistics& search, std::size_t queries) const {
  const std::uint64_t most = std::uint64_t{queries} * count_;
  statistics_->queries += queries;
  statistics_->screened_rows += std::min<std::uint64_t>(search.screened_rows, most);
  statistics_->finer_rows += std::min<std::uint64_t>(search.finer_rows, most);
  statistics_->scored_rows += std::min<std::uint64_t>(search.scored_rows, most);
}

void Database::search(const SearchRequest& request) const {
  const DefaultFloatEnvironment environment;
  const Queries queries(*kernels_, request.queries, request.threads, request.poll);
  SearchStatistics statistics;
  const PartSearch among{*kernels_, parts_, dim_, request, statistics};
  among.search(queries);
  if (queries.count() == 0) return;
  count_search(*kernels_);
  add_to_counts(statistics, queries.count());
}

void Database::search_self(const SearchRequest& request) const {
  const DefaultFloatEnvironment environment;
  SearchStatistics statistics;
  const PartSearch among{*kernels_, parts_, dim_, request, statistics};
  among.search_self();
  count_search(*kernels_);
  add_to_counts(statistics, count_);
}

void Database::search_range(const SearchRequest& request, RangeAnswers& answers) const {
  const DefaultFloatEnvironment environment;
  const Queries queries(*kernels_, request.queries, request.threads, request.poll);
  SearchStatistics statistics;
  const PartSearch among{*kernels_, parts_, dim_, request, statistics};
  among.search_range(queries, answers);
  if (queries.count() == 0) return;
  count_search(*kernels_);
  add_to_counts(statistics, queries.count());
}

void Database::search_range_behind(std::size_t first, std::size_t last, const SearchRequest& request,
                                   RangeAnswers& answers) const {
  check_positions(first, last - first);
  const DefaultFloatEnvironment environment;
  SearchStatistics statistics;
  const PartSearch among{*kernels_, parts_, dim_, request, statistics};
  among.search_range_behind(first, last, answers);
  count_search(*kernels_);
  add_to_counts(statistics, last - first);
}

void Database::score(const SearchRequest& request, const std::int64_t* positions, std::size_t per_query) const {
  const DefaultFloatEnvironment environment;
  const Queries queries(*kernels_, request.queries, request.threads, request.poll);
  SearchStatistics statistics;  // What is scored here was not searched for, and counts nowhere.
  const PartSearch among{*kernels_, parts_, dim_, request, statistics};
  among.score(queries, positions, per_query);
}

}  // namespace latentknn
