#include "parts/part_search.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "platform/thread_pool.h"
#include "search/exhaustive_search.h"
#include "search/given_candidates.h"
#include "search/merged_answers.h"
#include "search/screened_search.h"

namespace latentknn {
namespace {

constexpr std::size_t kMergedBytes = std::size_t{64} << 20;  // bytes of a batch's answers, before they are merged
constexpr std::size_t kSmallestBatch = 128;                  // queries that are searched for together at least
constexpr std::size_t kMergedPerTask = 256;
constexpr std::size_t kScoredPerTask = 16;

// The largest part comes first, and where it has this share of all rows, what it gives spares the others enough.
constexpr double kNearlyAll = 0.75;

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

// Queries that are searched for together, and what is asked of them.
struct PartSearch::Batch {
  Batch(const Queries& queries_, const SearchRequest& request_) : queries(queries_), request(request_) {}

  const Queries& queries;
  SearchRequest request;                    // its query 0 is the first of the batch
  const std::uint32_t* own_rows = nullptr;  // where queries are rows: which rows of the part `own_part`
  std::size_t own_part = 0;

  const std::uint32_t* own_rows_in(std::size_t part) const { return part == own_part ? own_rows : nullptr; }
};

// What a part is asked by a batch.
struct PartSearch::PartRequest {
  const Part* part;
  Rows rows;
  const std::uint8_t* flags;      // rows that may be found; null: all
  const std::uint32_t* own_rows;  // where the queries are rows of the part: which ones
  std::size_t available;          // rows that a query may find
};

// The k best rows of each query among the parts so far.
class PartSearch::BestSoFar {
 public:
  BestSoFar(std::size_t queries, const SearchRequest& request)
      : queries_(queries), request_(request), best_(queries, request.k), other_(queries, request.k) {
    for (std::size_t at = 0; at < queries * request.k; ++at) write_none(best_.arrays(), at);
  }

  // Makes room for the answer of one part.
  AnswerArrays room_for(std::size_t k) {
    found_ = {};  // gives its memory back first
    found_ = Found(queries_, k);
    return found_.arrays();
  }

  // Merges what the part has found, and raises the similarities below which no row can be among the k best.
  void add_found(std::vector<double>& lowest) {
    merge({best_.rows(), found_.rows()}, other_.arrays(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t query = begin; query < end; ++query) {
        const std::size_t last = (query + 1) * request_.k - 1;
        if (other_.positions[last] == AnswerArrays::kNone) continue;
        lowest[query] = std::max(lowest[query], other_.scores[last]);
      }
    });
    std::swap(best_, other_);
  }

  // Writes the best rows as the answer.
  void write(const AnswerArrays& answers) {
    merge({best_.rows()}, answers, [](std::size_t, std::size_t) {});
  }

 private:
  struct Found {
    Found() = default;
    Found(std::size_t queries, std::size_t k_)
        : k(k_), similarities(queries * k), positions(queries * k), ids(queries * k), scores(queries * k) {}
    AnswerArrays arrays() { return {similarities.data(), positions.data(), ids.data(), scores.data()}; }
    FoundRows rows() const { return {scores.data(), positions.data(), ids.data(), k}; }

    std::size_t k = 0;
    std::vector<float> similarities;
    std::vector<std::int64_t> positions, ids;
    std::vector<double> scores;
  };

  template <class Then>
  void merge(const std::vector<FoundRows>& found, const AnswerArrays& merged, const Then& then) const {
    const auto task = [&](std::size_t index) {
      const std::size_t begin = index * kMergedPerTask, end = std::min(begin + kMergedPerTask, queries_);
      merge_answers(found, begin, end, request_.k, merged);
      then(begin, end);
    };
    const auto work = static_cast<double>(queries_ * request_.k * found.size());
    ThreadPool::shared().run_sized(work, (queries_ + kMergedPerTask - 1) / kMergedPerTask, request_.threads, task,
                                   request_.poll);
  }

  const std::size_t queries_;
  const SearchRequest& request_;
  Found best_, other_, found_;
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
  constexpr std::size_t kAnswers = 3;
  const std::size_t bytes = request.k * kAnswers * (sizeof(float) + 2 * sizeof(std::int64_t) + sizeof(double));
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
  const std::vector<PartRequest> requests = requests_of(batch, all);
  if (parts.size() == 1) {
    SearchRequest of_part = batch.request;
    of_part.allowed = requests[0].flags;
    search_part(batch, requests[0], of_part);
    return;
  }
  const std::size_t count = batch.queries.count();
  std::vector<double> lowest(count, -std::numeric_limits<double>::infinity());
  if (batch.request.at_least != nullptr) std::copy_n(batch.request.at_least, count, lowest.begin());
  look_first(batch, requests, lowest);
  BestSoFar best(count, batch.request);
  for (const PartRequest& asked : requests) {
    SearchRequest of_part = batch.request;
    of_part.k = std::min(request.k, asked.available);
    of_part.allowed = asked.flags;
    of_part.at_least = lowest.data();
    of_part.answers = best.room_for(of_part.k);
    search_part(batch, asked, of_part);
    best.add_found(lowest);
  }
  best.write(batch.request.answers);
}

// Returns what is asked of each part that has a row to find, the largest first.
std::vector<PartSearch::PartRequest> PartSearch::requests_of(const Batch& batch,
                                                             const std::vector<Admitted>& all) const {
  std::vector<PartRequest> requests;
  std::size_t first_position = 0;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const Rows rows = parts[part].view(dim, first_position);
    first_position += rows.live_count();
    const std::uint32_t* const own_rows = batch.own_rows_in(part);
    const std::size_t available = all[part].count - (own_rows != nullptr ? 1 : 0);
    if (all[part].count > 0 && available > 0) {
      requests.push_back({&parts[part], rows, all[part].flags, own_rows, available});
    }
  }
  std::stable_sort(requests.begin(), requests.end(),
                   [](const PartRequest& a, const PartRequest& b) { return a.available > b.available; });
  return requests;
}

// Looks at the rows of all screened parts that are nearest to each query, and raises the similarities below which no
// row can be among the k best. Without this, whichever part came first would be searched as if there were no other.
void PartSearch::look_first(const Batch& batch, const std::vector<PartRequest>& requests,
                            std::vector<double>& lowest) const {
  std::size_t available = 0;
  for (const PartRequest& asked : requests) available += asked.available;
  if (static_cast<double>(requests[0].available) > kNearlyAll * static_cast<double>(available)) return;
  BestSoFar near(batch.queries.count(), batch.request);
  for (const PartRequest& asked : requests) {
    SearchRequest of_part = batch.request;
    of_part.k = std::min(request.k, asked.available);
    of_part.allowed = asked.flags;
    of_part.at_least = lowest.data();
    if (!screening_pays(asked, of_part.k)) continue;
    of_part.answers = near.room_for(of_part.k);
    const Packing& packing = *asked.part->packing;
    look_near({kernels, asked.rows, batch.queries, of_part, asked.own_rows, statistics}, packing.ladder,
              *packing.layout);
    near.add_found(lowest);
  }
}

// Screening every row to keep most of them, or to find a few admitted ones, costs more than it saves.
bool PartSearch::screening_pays(const PartRequest& asked, std::size_t k) {
  const Packing* const packing = asked.part->packing.get();
  if (packing == nullptr || packing->ladder.empty()) return false;
  return 2 * k < asked.available && 8 * asked.available >= asked.rows.count;
}

void PartSearch::search_part(const Batch& batch, const PartRequest& asked, const SearchRequest& of_part) const {
  const Search search{kernels, asked.rows, batch.queries, of_part, asked.own_rows, statistics};
  if (screening_pays(asked, of_part.k)) {
    screened_search(search, asked.part->packing->ladder, *asked.part->packing->layout);
  } else {
    exhaustive_search(search);
  }
}

void PartSearch::search_range(const Queries& queries, RangeAnswers& answers) const {
  const std::vector<Admitted> all = admitted();
  const Batch batch(queries, request);
  if (queries.count() > 0) search_range_batch(batch, requests_of(batch, all), answers);
}

void PartSearch::search_range_behind(std::size_t first, std::size_t last, RangeAnswers& answers) const {
  const std::vector<Admitted> all = admitted();
  std::size_t first_position = 0;
  for (std::size_t part = 0; part < parts.size() && first_position < last; ++part) {
    const Rows rows = parts[part].view(dim, first_position);
    const std::size_t end = first_position + rows.live_count();
    std::vector<std::uint32_t> asking;
    for (std::size_t position = std::max(first, first_position); position < std::min(last, end); ++position) {
      const std::size_t rank = position - first_position;
      asking.push_back(static_cast<std::uint32_t>(rows.live == nullptr ? rank : rows.live->row(rank)));
    }
    if (!asking.empty()) {
      const std::size_t number = std::max(first, first_position) - first;
      const GatheredRows gathered(rows, asking.data(), asking.size());
      const Queries queries(gathered.values.data(), gathered.squared_norms.data(), asking.size(), dim);
      SearchRequest from_number = request;
      from_number.at_least += number;
      Batch batch(queries, from_number);
      batch.own_rows = asking.data();
      batch.own_part = part;
      std::vector<PartRequest> requests = requests_of(batch, all);
      std::erase_if(requests, [=](const PartRequest& asked) { return asked.rows.first_position < first_position; });
      answers.number_from(number);
      search_range_batch(batch, requests, answers);
    }
    first_position = end;
  }
}

void PartSearch::search_range_batch(const Batch& batch, const std::vector<PartRequest>& requests,
                                    RangeAnswers& answers) const {
  for (const PartRequest& asked : requests) {
    SearchRequest of_part = batch.request;
    of_part.allowed = asked.flags;
    Search search{kernels, asked.rows, batch.queries, of_part, asked.own_rows, statistics};
    search.only_behind = asked.own_rows != nullptr;
    const std::size_t part = answers.add_part(asked.rows);
    if (screening_pays(asked, of_part.k)) {
      screened_range_search(search, asked.part->packing->ladder, *asked.part->packing->layout, answers, part);
    } else {
      exhaustive_range_search(search, answers, part);
    }
  }
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
