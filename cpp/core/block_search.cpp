#include "block_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "thread_pool.h"

namespace latentknn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kOperationsPerCall = 2e8;         // a few milliseconds between interrupt checks
constexpr std::size_t kGroup = 8;                  // rows that are scored before the threshold is looked at again
constexpr std::size_t kSteps[] = {512, 64, 8, 1};  // every so manyth tile first, for a better and better guess
constexpr std::size_t kFewTiles = 3;               // as few say nothing
constexpr std::size_t kHits = 4096;                // taken over together, before they leave the first cache

// The largest float32 that is not above `value`.
float round_down(double value) {
  const float rounded = static_cast<float>(value);
  return static_cast<double>(rounded) <= value ? rounded : std::nextafter(rounded, -kInfinity);
}

// Scores that bound from above only leave more rows to wait for a better threshold.
std::size_t list_capacity(const Screen& screen, std::size_t wanted) {
  return screen.two_sided() ? 2 * wanted + 16 : std::min(16 * wanted, 4 * wanted + 2048) + 512;
}

}  // namespace

std::size_t BlockSearch::candidate_bytes(const Screen& screen, std::size_t k) {
  return list_capacity(screen, k) * sizeof(Candidate);
}

void BlockSearch::search(std::vector<std::size_t> queries, std::size_t tile_begin, std::size_t tile_end,
                         std::size_t shard, AnswerSink& sink) {
  queries_ = std::move(queries);
  const std::size_t tiles = tile_end - tile_begin;
  std::vector<Pass> passes;
  std::size_t skip = 0;
  for (const std::size_t step : kSteps) {
    if (step > 1 && tiles < kFewTiles * step) continue;
    passes.push_back({step, skip});
    skip = step;
  }
  queries_ = search_in(passes, tile_begin, tile_end, shard, sink);
  // Guessed too high for these: without a guess, nothing is left to prove.
  if (!queries_.empty()) search_in({{1, 0}}, tile_begin, tile_end, shard, sink);
}

// Returns the queries whose answer could not be proven.
std::vector<std::size_t> BlockSearch::search_in(const std::vector<Pass>& passes, std::size_t tile_begin,
                                                std::size_t tile_end, std::size_t shard, AnswerSink& sink) {
  start();
  add_unscreened(tile_begin, tile_end);
  for (const Pass& pass : passes) {
    visit(pass, tile_begin, tile_end);
    if (pass.step > 1) guess_cutoffs(1.0 / static_cast<double>(pass.step));
  }
  score_candidates();
  return hand_over(shard, sink);
}

void BlockSearch::start() {
  const ScreenKernel& kernel = screen_.kernel();
  const std::size_t count = queries_.size();
  scorer_.start(request_, queries_);
  errors_.resize(count);
  guesses_.assign(count, -kInfinity);
  cutoffs_.assign((count + kernel.query_tile - 1) / kernel.query_tile * kernel.query_tile, kInfinity);
  std::fill_n(cutoffs_.begin(), count, -kInfinity);
  packed_cutoffs_.resize(cutoffs_.size() * kernel.cutoff_bytes);
  for (std::size_t q = 0; q < cutoffs_.size(); ++q) kernel.set_cutoff(packed_cutoffs_.data(), q, cutoffs_[q]);
  packed_.resize(cutoffs_.size() * kernel.query_bytes(screen_.packed_dim()));
  screen_.pack_queries(scorer_.queries(), scorer_.squared_norms(), count, packed_.data(), errors_.data());

  capacity_ = list_capacity(screen_, request_.k) + unscreened_.size();
  candidates_.resize(count * capacity_);
  lists_.resize(count);
  best_.resize(count, TopK(request_.k, rows_.ids));
  for (std::size_t q = 0; q < count; ++q) {
    lists_[q] = {candidates_.data() + q * capacity_, 0};
    best_[q].clear();
  }
}

// Rows that the screen says nothing about may be the best of all.
void BlockSearch::add_unscreened(std::size_t tile_begin, std::size_t tile_end) {
  const std::size_t first = tile_begin * screen_.kernel().row_tile;
  const std::size_t last = tile_end * screen_.kernel().row_tile;
  for (const std::uint32_t row : unscreened_) {
    if (row < first || row >= last) continue;
    for (CandidateList& list : lists_) list.candidates[list.size++] = {kInfinity, row};
  }
}

void BlockSearch::visit(const Pass& pass, std::size_t tile_begin, std::size_t tile_end) {
  const ScreenKernel& kernel = screen_.kernel();
  const double per_tile = 2.0 * static_cast<double>(cutoffs_.size() * kernel.row_tile * screen_.packed_dim());
  const std::size_t run = pass.step * static_cast<std::size_t>(std::max(1.0, kOperationsPerCall / per_tile));
  hits_.resize(std::max(kHits, 2 * kernel.query_tile * kernel.row_tile));
  task_.queries = packed_.data();
  task_.query_count = queries_.size();
  task_.rows = screen_.packed_rows();
  task_.row_count = rows_.count;
  task_.dim = screen_.packed_dim();
  task_.cutoffs = packed_cutoffs_.data();
  task_.hits = hits_.data();
  task_.hit_count = 0;
  task_.hit_capacity = hits_.size();
  task_.take_hits = [](void* context) { static_cast<BlockSearch*>(context)->take_hits(); };
  task_.context = this;
  task_.tile_step = pass.step;
  task_.tile_skip = pass.skip;
  for (std::size_t tile = (tile_begin + pass.step - 1) / pass.step * pass.step; tile < tile_end; tile += run) {
    ThreadPool::check_interrupt();
    task_.tile_begin = tile;
    task_.tile_end = std::min(tile + run, tile_end);
    kernel.screen(task_);
  }
  take_hits();
}

// Of the k best rows, m = k * seen are expected among those seen, and by the Poisson distribution only once
// in a hundred queries as many as the rank: else the rank-th best of those seen is below the k-th best of
// all, and little more than the rows that matter will reach it.
void BlockSearch::guess_cutoffs(double seen) {
  const double mean = static_cast<double>(request_.k) * seen;
  const auto rank = static_cast<std::size_t>(
      std::min(static_cast<double>(request_.k), std::ceil(mean + 2.3 * std::sqrt(mean) + 1.0)));
  if (!screen_.two_sided()) score_pairs([&](std::size_t) { return std::max(rank, kGroup) + unscreened_.size(); });
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    double guess = -std::numeric_limits<double>::infinity();
    if (!screen_.two_sided()) {
      guess = best_[q].score_at(rank) * screen_.score_scale() - errors_[q];
    } else {
      exclude(q);
      if (lists_[q].size >= rank) guess = screened_at(q, rank) - 2.0 * errors_[q];
    }
    guesses_[q] = std::max(guesses_[q], round_down(guess));
    raise_cutoff(q, guess);
  }
}

// The rank-th best screened score of a list.
double BlockSearch::screened_at(std::size_t q, std::size_t rank) {
  const CandidateList& list = lists_[q];
  selection_.resize(list.size);
  for (std::size_t i = 0; i < list.size; ++i) selection_[i] = list.candidates[i].score;
  const auto at = selection_.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(selection_.begin(), at, selection_.end(), std::greater<>());
  return static_cast<double>(*at);
}

// Moves the kernel's hits to the queries' lists.
void BlockSearch::take_hits() {
  for (const Hit* hit = hits_.data(); hit != hits_.data() + task_.hit_count; ++hit) {
    // A list that was full may have raised the cutoff meanwhile.
    if (!(hit->score >= cutoffs_[hit->query])) continue;
    if (hit->score == Screen::kUnscreened && is_unscreened(hit->row)) continue;
    CandidateList& list = lists_[hit->query];
    list.candidates[list.size] = {hit->score, hit->row};
    if (++list.size == capacity_) make_room(hit->query);
  }
  task_.hit_count = 0;
}

void BlockSearch::score_candidates() {
  if (!screen_.two_sided()) {
    // The likeliest rows first: the threshold that they give excludes most of the others.
    score_pairs([this](std::size_t) { return std::max(request_.k, kGroup) + unscreened_.size(); });
  }
  score_pairs([this](std::size_t q) { return lists_[q].size; });
}

// Returns the queries whose guess was not borne out: rows below it may be among their best.
std::vector<std::size_t> BlockSearch::hand_over(std::size_t shard, AnswerSink& sink) {
  std::vector<std::size_t> misguessed;
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    if (static_cast<double>(guesses_[q]) <= proven_cutoff(q)) {
      sink.put(queries_[q], shard, best_[q]);
    } else {
      misguessed.push_back(queries_[q]);
    }
  }
  if (request_.statistics != nullptr) request_.statistics->scored_rows += scorer_.scored_rows();
  return misguessed;
}

// Excluding by the screened scores alone is the cheap way, where they allow it, and nearly always enough.
// Where they bound from above only, scoring the likeliest few raises the threshold, and the others wait:
// most will be excluded unscored. Where neither makes room, as too many scores lie within the error of
// each other, the rest is scored exactly.
void BlockSearch::make_room(std::size_t q) {
  exclude(q);
  if (!screen_.two_sided()) {
    score_likeliest(q);
    exclude(q);
  }
  if (lists_[q].size > capacity_ / 4 * 3) score_list(q);
}

// Drops rows that are not admitted and, by the k-th best screened score, rows that cannot be among the
// k best: k rows have a (scaled) similarity of at least that score less the error, and a row's own is at
// most its score plus the error.
void BlockSearch::exclude(std::size_t q) {
  if (request_.allowed != nullptr || request_.exclude_self) {
    keep(q, [&](const Candidate& candidate) { return request_.admits(queries_[q], candidate.row); });
  }
  if (screen_.two_sided() && lists_[q].size > request_.k) {
    raise_cutoff(q, screened_at(q, request_.k) - 2.0 * errors_[q]);
  }
  const float cutoff = cutoffs_[q];
  keep(q, [cutoff](const Candidate& candidate) { return candidate.score >= cutoff; });
}

template <class Keep>
void BlockSearch::keep(std::size_t q, const Keep& wanted) {
  CandidateList& list = lists_[q];
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.size; ++i) {
    const Candidate candidate = list.candidates[i];
    list.candidates[kept] = candidate;
    kept += wanted(candidate) ? 1 : 0;
  }
  list.size = kept;
}

// `value` is below every similarity that can still be among the k best, less the error of its score.
void BlockSearch::raise_cutoff(std::size_t q, double value) {
  const float cutoff = round_down(value);
  if (!(cutoff > cutoffs_[q])) return;
  cutoffs_[q] = cutoff;
  screen_.kernel().set_cutoff(packed_cutoffs_.data(), q, cutoff);
}

double BlockSearch::proven_cutoff(std::size_t q) const {
  return best_[q].threshold() * screen_.score_scale() - errors_[q];
}

void BlockSearch::tighten(std::size_t q) {
  best_[q].tighten();
  raise_cutoff(q, proven_cutoff(q));
}

// Scores the few rows of the list with the best scores.
void BlockSearch::score_likeliest(std::size_t q) {
  take_likeliest(q, first_group(q));
  score_taken(q, 0, taken_.size());
}

// Scores the list's rows, the likeliest first, until the others are excluded by what was found.
void BlockSearch::score_list(std::size_t q) {
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
void BlockSearch::score_pairs(const Few& few) {
  pairs_.clear();
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    exclude(q);
    take_likeliest(q, few(q));
    for (const Candidate& taken : taken_) pairs_.push_back({static_cast<std::uint32_t>(q), taken.row});
  }
  ThreadPool::check_interrupt();
  scorer_.score(pairs_, best_);
  for (std::size_t q = 0; q < queries_.size(); ++q) tighten(q);
}

// Moves the rows with the best scores, `few` at most, from the list to taken_.
void BlockSearch::take_likeliest(std::size_t q, std::size_t few) {
  CandidateList& list = lists_[q];
  if (few < list.size) {
    std::nth_element(list.candidates, list.candidates + few, list.candidates + list.size, by_score);
  }
  const std::size_t taken = std::min(few, list.size);
  taken_.assign(list.candidates, list.candidates + taken);
  list.size -= taken;
  std::copy_n(list.candidates + taken, list.size, list.candidates);
}

void BlockSearch::score_taken(std::size_t q, std::size_t begin, std::size_t end) {
  batch_.clear();
  for (std::size_t i = begin; i < end; ++i) batch_.push_back(taken_[i].row);
  scorer_.score(q, batch_.data(), batch_.size(), best_[q]);
  tighten(q);
}

// As long as there is no threshold, k rows have to be scored anyway.
std::size_t BlockSearch::first_group(std::size_t q) const {
  return best_[q].threshold() == -std::numeric_limits<double>::infinity() ? std::max(request_.k, kGroup) : kGroup;
}

}  // namespace latentknn
