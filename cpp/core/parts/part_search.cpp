#include "parts/part_search.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "platform/thread_pool.h"
#include "search/exhaustive_search.h"
#include "search/given_candidates.h"
#include "search/merged_answers.h"
#include "search/screened_search.h"

namespace latentknn {
namespace {

constexpr std::size_t kMergedBytes = std::size_t{64} << 20;  // bytes of the answers of all parts, before the merge
constexpr std::size_t kSmallestBatch = 1024;                 // queries that are searched for together at least
constexpr std::size_t kMergedPerTask = 256;
constexpr std::size_t kScoredPerTask = 16;

// Returns a request whose query 0 is query `query` of this one.
SearchRequest from_query(const SearchRequest& request, std::size_t query) {
  const std::size_t at = query * request.k;
  SearchRequest of_some = request;
  AnswerArrays& answers = of_some.answers;
  answers.similarities += at;
  answers.positions += at;
  answers.ids += at;
  if (answers.scores64 != nullptr) answers.scores64 += at;
  if (of_some.at_least != nullptr) of_some.at_least += query;
  return of_some;
}

void check_count(std::size_t k, std::size_t admitted) {
  if (k >= 1 && k <= admitted) return;
  throw std::invalid_argument("k must be from 1 to " + std::to_string(admitted) + ", the number of neighbours " +
                              "to choose from, received " + std::to_string(k));
}

}  // namespace

// The rows of a part that a query may have as neighbours.
struct PartSearch::Admitted {
  std::vector<std::uint8_t> own_flags;  // where neither the request's nor those of the live rows are right
  const std::uint8_t* flags = nullptr;  // null admits all
  std::size_t count = 0;
};

// What was found in one part.
struct PartSearch::Found {
  Found(std::size_t queries, std::size_t k_)
      : k(k_), similarities(queries * k), positions(queries * k), ids(queries * k), scores(queries * k) {}
  AnswerArrays arrays() { return {similarities.data(), positions.data(), ids.data(), scores.data()}; }
  FoundRows rows() const { return {scores.data(), positions.data(), ids.data(), k}; }

  std::size_t k;
  std::vector<float> similarities;
  std::vector<std::int64_t> positions, ids;
  std::vector<double> scores;
};

// Queries that are searched for together, and what is asked of them.
struct PartSearch::Batch {
  Batch(const Queries& queries_, const SearchRequest& request_) : queries(queries_), request(request_) {}

  const Queries& queries;
  SearchRequest request;                    // its query 0 is the first of the batch
  const std::uint32_t* own_rows = nullptr;  // where queries are rows: which rows of the part `own_part`
  std::size_t own_part = 0;

  const std::uint32_t* own_rows_in(std::size_t part) const { return part == own_part ? own_rows : nullptr; }
};

std::size_t PartSearch::size() const {
  return std::accumulate(parts.begin(), parts.end(), std::size_t{0},
                         [](std::size_t sum, const Part& part) { return sum + part.size(); });
}

std::vector<PartSearch::Admitted> PartSearch::admitted() const {
  const std::uint8_t* flags = request.allowed;
  if (flags != nullptr && request.allowed_count != size()) {
    throw std::invalid_argument("allowed must have one flag for each of the " + std::to_string(size()) +
                                " rows, received " + std::to_string(request.allowed_count));
  }
  std::vector<Admitted> all(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    Admitted& admitted = all[i];
    admitted.count = part.size();
    if (part.live) admitted.flags = part.live->flags();
    if (flags == nullptr) continue;
    const auto chosen = [](std::uint8_t flag) { return flag != 0; };
    admitted.count = static_cast<std::size_t>(std::count_if(flags, flags + part.size(), chosen));
    admitted.flags = flags;
    if (part.live) {
      const std::uint8_t* flag = flags;
      admitted.own_flags.assign(part.live->flags(), part.live->flags() + part.count);
      for (std::uint8_t& own : admitted.own_flags) {
        if (own != 0) own = *flag++;
      }
      admitted.flags = admitted.own_flags.data();
    }
    flags += part.size();
  }
  return all;
}

// The answers of a batch should fit the caches, but a search of few queries costs more a query.
std::size_t PartSearch::batch_size() const {
  const std::size_t bytes = request.k * parts.size() * (sizeof(float) + 2 * sizeof(std::int64_t) + sizeof(double));
  return std::max(kSmallestBatch, kMergedBytes / std::max<std::size_t>(bytes, 1));
}

void PartSearch::search(const Queries& queries) const {
  const std::vector<Admitted> all = admitted();
  std::size_t count = 0;
  for (const Admitted& each : all) count += each.count;
  check_count(request.k, count);
  const std::size_t step = parts.size() == 1 ? std::max<std::size_t>(queries.count(), 1) : batch_size();
  for (std::size_t begin = 0; begin < queries.count(); begin += step) {
    const Queries some(queries.vector(begin), queries.squared_norms() + begin, std::min(step, queries.count() - begin),
                       dim);
    search_batch({some, from_query(request, begin)}, all);
  }
}

void PartSearch::search_self() const {
  const std::size_t total = size();
  check_count(request.k, total > 0 ? total - 1 : 0);
  const std::vector<Admitted> all = admitted();
  std::size_t first_position = 0;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const Rows rows = parts[part].view(dim, first_position);
    std::vector<std::uint32_t> live(rows.count);
    std::iota(live.begin(), live.end(), std::uint32_t{0});
    if (rows.live != nullptr) std::erase_if(live, [&](std::uint32_t row) { return rows.live->flags()[row] == 0; });
    const bool whole = parts.size() == 1 && rows.live == nullptr;
    const std::size_t step = whole ? rows.count : batch_size();
    for (std::size_t begin = 0; begin < live.size(); begin += step) {
      const std::size_t count = std::min(step, live.size() - begin);
      const GatheredRows gathered(rows, live.data() + begin, whole ? 0 : count);
      const Queries queries(whole ? rows.values : gathered.values.data(),
                            whole ? rows.squared_norms : gathered.squared_norms.data(), count, dim);
      Batch batch(queries, from_query(request, first_position + begin));
      batch.own_rows = live.data() + begin;
      batch.own_part = part;
      search_batch(batch, all);
    }
    first_position += live.size();
  }
}

void PartSearch::search_batch(const Batch& batch, const std::vector<Admitted>& all) const {
  std::vector<Found> found;
  found.reserve(parts.size());
  std::size_t first_position = 0;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const Rows rows = parts[part].view(dim, first_position);
    first_position += rows.live_count();
    const std::uint32_t* const own_rows = batch.own_rows_in(part);
    const std::size_t count = all[part].count - (own_rows != nullptr ? 1 : 0);
    SearchRequest part_request = batch.request;
    part_request.k = std::min(request.k, count);
    part_request.allowed = all[part].flags;
    if (part_request.k == 0) continue;
    if (parts.size() > 1) {
      part_request.answers = found.emplace_back(batch.queries.count(), part_request.k).arrays();
    }
    search_part({kernels, rows, batch.queries, part_request, own_rows, statistics}, parts[part].packing.get(), count);
  }
  if (parts.size() > 1) merge(found, batch);
}

void PartSearch::search_part(const Search& search, const Packing* packing, std::size_t admitted) {
  // Screening every row to keep most of them, or to find a few admitted ones, costs more than it saves.
  const bool screening_pays = 2 * search.request.k < admitted && 8 * admitted >= search.rows.count;
  if (packing != nullptr && !packing->ladder.empty() && screening_pays) {
    screened_search(search, packing->ladder, *packing->layout);
  } else {
    exhaustive_search(search);
  }
}

void PartSearch::merge(const std::vector<Found>& found, const Batch& batch) const {
  const std::size_t count = batch.queries.count();
  std::vector<FoundRows> answers;
  answers.reserve(found.size());
  for (const Found& each : found) answers.push_back(each.rows());
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * kMergedPerTask;
    merge_answers(answers, begin, std::min(begin + kMergedPerTask, count), request.k, batch.request.answers);
  };
  const auto work = static_cast<double>(count * request.k * found.size());
  ThreadPool::shared().run_sized(work, (count + kMergedPerTask - 1) / kMergedPerTask, request.threads, task,
                                 request.poll);
}

// The candidates of a query stand side by side for the scorer; their numbers there become positions again.
void PartSearch::score(const Queries& queries, const std::int64_t* positions, std::size_t per_query) const {
  if (request.k < 1) throw std::invalid_argument("k must be at least 1");
  const std::size_t total = size();
  const auto task = [&](std::size_t index) {
    for (std::size_t q = index * kScoredPerTask; q < std::min((index + 1) * kScoredPerTask, queries.count()); ++q) {
      ThreadPool::check_interrupt();
      const std::vector<std::int64_t> given = given_candidates(positions + q * per_query, per_query, total);
      if (given.size() < request.k) {
        throw std::invalid_argument("query " + std::to_string(q) + " has " + std::to_string(given.size()) +
                                    " candidates, fewer than k = " + std::to_string(request.k));
      }
      std::vector<float> values(given.size() * dim);
      std::vector<double> squared_norms(given.size());
      std::vector<std::int64_t> ids(given.size());
      std::size_t part = 0, first_position = 0;
      for (std::size_t i = 0; i < given.size(); ++i) {
        const auto position = static_cast<std::size_t>(given[i]);
        while (position >= first_position + parts[part].size()) first_position += parts[part++].size();
        const Rows rows = parts[part].view(dim, first_position);
        const std::size_t rank = position - first_position, row = rows.live == nullptr ? rank : rows.live->row(rank);
        std::copy_n(rows.values + row * dim, dim, values.data() + i * dim);
        squared_norms[i] = rows.squared_norms[row];
        ids[i] = rows.id(row);
      }
      const Rows candidates{values.data(), squared_norms.data(), ids.data(), given.size(), dim};
      const Queries query(queries.vector(q), queries.squared_norms() + q, 1, dim);
      const SearchRequest of_query = from_query(request, q);
      score_candidates({kernels, candidates, query, of_query, nullptr, statistics});
      for (std::size_t i = 0; i < request.k; ++i) {
        std::int64_t& position = of_query.answers.positions[i];
        if (position != AnswerArrays::kNone) position = given[static_cast<std::size_t>(position)];
      }
    }
  };
  ThreadPool::shared().run((queries.count() + kScoredPerTask - 1) / kScoredPerTask, request.threads, task,
                           request.poll);
}

}  // namespace latentknn
