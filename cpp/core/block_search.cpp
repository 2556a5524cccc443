#include "block_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "thread_pool.h"

namespace latentknn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kGroup = 8;        // rows, at least, that are scored before the threshold is looked at again
constexpr std::size_t kFirstCells = 2;   // around a query's own place, and at least twice the rows that it wants;
constexpr std::size_t kWiden = 4;        // then so many times more, and again
constexpr std::size_t kLongList = 1024;  // candidates, of which a sample tells the cutoff:
constexpr std::size_t kSampled = 256;
constexpr double kCrowded = 0.6;     // of the rows left by screening: scoring all of them is cheaper
constexpr std::size_t kHits = 4096;  // taken over together, before they leave the first cache

// The largest float32 that is not above `value`.
float round_down(double value) {
  const float rounded = static_cast<float>(value);
  return static_cast<double>(rounded) <= value ? rounded : std::nextafter(rounded, -kInfinity);
}

std::size_t first_width(std::size_t wanted, std::size_t cell_rows) { return kFirstCells + 2 * wanted / cell_rows; }

// Room for what is first visited around a query's own place. Scores that bound from above only leave more rows to wait
// for a better threshold.
std::size_t list_capacity(const Screen& screen, std::size_t cell_rows, std::size_t wanted) {
  const std::size_t first = first_width(wanted, cell_rows) * cell_rows;
  return first + (screen.two_sided() ? 16 : std::min(14 * wanted, 2 * wanted + 2048) + 512);
}

}  // namespace

std::size_t BlockSearch::candidate_bytes(const Screen& screen, std::size_t cell_rows, std::size_t k) {
  return list_capacity(screen, cell_rows, k) * sizeof(Candidate);
}

void BlockSearch::search(const PlacedQueries& placed, std::size_t begin, std::size_t end, std::size_t cell_begin,
                         std::size_t cell_end, std::size_t shard, AnswerSink& sink) {
  start(placed, begin, end, {cell_begin, cell_end}, sink);
  add_unscreened();
  const std::size_t all = cell_end - cell_begin;
  for (std::size_t width = first_width(request_.k, layout_.cell_rows()); width < all / 2; width *= kWiden) {
    visit(width);
    score_some();
    if (screen_.two_sided()) find_crowded();
  }
  visit(all);
  score_candidates();
  hand_over(shard);
}

void BlockSearch::start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells,
                        AnswerSink& sink) {
  sink_ = &sink;
  const ScreenKernel& kernel = screen_.kernel();
  const std::size_t count = end - begin;
  const auto at = [](std::size_t i) { return static_cast<std::ptrdiff_t>(i); };
  queries_.assign(placed.queries.begin() + at(begin), placed.queries.begin() + at(end));
  scorer_.start(request_, queries_);
  errors_.resize(count);
  cutoffs_.assign((count + kernel.query_tile - 1) / kernel.query_tile * kernel.query_tile, kInfinity);
  std::fill_n(cutoffs_.begin(), count, -kInfinity);
  packed_cutoffs_.resize(cutoffs_.size() * kernel.cutoff_bytes);
  for (std::size_t q = 0; q < cutoffs_.size(); ++q) kernel.set_cutoff(packed_cutoffs_.data(), q, cutoffs_[q]);
  packed_.resize(cutoffs_.size() * kernel.query_bytes(screen_.packed_dim()));
  screen_.pack_queries(scorer_.queries(), scorer_.squared_norms(), count, packed_.data(), errors_.data());

  cells_ = cells;
  cell_visits_.start(placed, begin, end, cells);
  crowded_.assign(cell_visits_.tiles(), false);
  looked_for_.resize(count);

  scored_first_ = std::max(request_.k, kGroup);
  capacity_ = list_capacity(screen_, layout_.cell_rows(), request_.k) + unscreened_.size();
  candidates_.resize(count * capacity_);
  lists_.resize(count);
  best_.resize(count, TopK(request_.k, rows_.ids));
  for (std::size_t q = 0; q < count; ++q) {
    lists_[q] = {candidates_.data() + q * capacity_, 0};
    best_[q].clear();
  }

  hits_.resize(std::max(kHits, 2 * kernel.query_tile * kernel.row_tile));
  task_.queries = packed_.data();
  task_.query_count = count;
  task_.rows = screen_.packed_rows();
  task_.row_count = rows_.count;
  task_.dim = screen_.packed_dim();
  task_.cutoffs = packed_cutoffs_.data();
  task_.hits = hits_.data();
  task_.hit_count = 0;
  task_.hit_capacity = hits_.size();
  task_.take_hits = [](void* context) { static_cast<BlockSearch*>(context)->take_hits(); };
  task_.context = this;
  screened_rows_ = 0;
}

// Rows that the screen says nothing about may be the best of all.
void BlockSearch::add_unscreened() {
  for (const std::uint32_t place : unscreened_) {
    if (!cells_.contains(place / layout_.cell_rows())) continue;
    for (CandidateList& list : lists_) list.candidates[list.size++] = {kInfinity, place};
  }
}

// So many cells around each query's own, without those visited before.
void BlockSearch::visit(std::size_t width) {
  cell_visits_.widen(width);
  compared_.assign(cell_visits_.tiles(), 0);
  left_.assign(queries_.size(), 0);
  for (const std::size_t run : cell_visits_.runs()) {
    ThreadPool::check_interrupt();
    exchange_thresholds();
    list_visits(cell_visits_.enter(run, looked_for_));
    task_.visits = visits_.data();
    task_.visit_count = visits_.size();
    task_.query_tiles = query_tiles_.data();
    screen_.kernel().screen(task_);
  }
  take_hits();
}

// What one shard has found spares the others work.
void BlockSearch::exchange_thresholds() {
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    sink_->raise_threshold(queries_[q], still_wanted(q));
    raise_cutoff(q, sink_->threshold(queries_[q]) * screen_.score_scale() - errors_[q]);
    looked_for_[q] = still_wanted(q);
  }
}

// A similarity below which nothing is looked for any more, by the cutoff and a little less for its rounding.
double BlockSearch::still_wanted(std::size_t q) const {
  return (static_cast<double>(cutoffs_[q]) + errors_[q]) / screen_.score_scale() - 0x1p-40;
}

// Lists what the kernel has to compare; crowded queries score it at once.
void BlockSearch::list_visits(Window cells) {
  const ScreenKernel& kernel = screen_.kernel();
  const std::size_t tiles = layout_.cell_rows() / kernel.row_tile;
  const std::size_t last_tile = (rows_.count + kernel.row_tile - 1) / kernel.row_tile;
  visits_.clear();
  query_tiles_.clear();
  for (std::size_t cell = cells.begin; cell < cells.end; ++cell) {
    const auto first = static_cast<std::uint32_t>(query_tiles_.size());
    const std::size_t rows = std::min(layout_.cell_rows(), rows_.count - cell * layout_.cell_rows());
    for (std::size_t tile = 0; tile < cell_visits_.tiles(); ++tile) {
      if (!cell_visits_.wants(cell, tile)) continue;
      if (crowded_[tile]) {
        score_cell(cell, tile);
        continue;
      }
      query_tiles_.push_back(static_cast<std::uint32_t>(tile));
      const std::size_t queries = std::min(kernel.query_tile, queries_.size() - tile * kernel.query_tile);
      compared_[tile] += queries * rows;
      screened_rows_ += queries * rows;
    }
    const auto last = static_cast<std::uint32_t>(query_tiles_.size());
    if (first == last) continue;
    for (std::size_t tile = cell * tiles; tile < std::min((cell + 1) * tiles, last_tile); ++tile) {
      visits_.push_back({static_cast<std::uint32_t>(tile), first, last});
    }
  }
}

// Scores all rows of a cell for each query of a tile.
void BlockSearch::score_cell(std::size_t cell, std::size_t query_tile) {
  const std::size_t first = cell * layout_.cell_rows();
  run_.distinct.clear();
  run_.ends.clear();
  run_.members.clear();
  for (std::size_t place = first; place < std::min(first + layout_.cell_rows(), rows_.count); ++place) {
    if (is_unscreened(static_cast<std::uint32_t>(place))) continue;
    const std::uint32_t row = layout_.order()[place];
    if (run_.distinct.empty() || !layout_.repeats(place)) {
      scorer_.fetch(row);
      run_.distinct.push_back(row);
      run_.ends.push_back(run_.members.size());
    }
    run_.members.push_back(row);
    ++run_.ends.back();
  }
  const std::size_t per_tile = screen_.kernel().query_tile;
  for (std::size_t q = query_tile * per_tile; q < std::min((query_tile + 1) * per_tile, queries_.size()); ++q) {
    scorer_.score_run(q, run_, request_, queries_[q], best_[q]);
    raise_cutoff(q, best_[q].threshold() * screen_.score_scale() - errors_[q]);
  }
}

// Finds queries whose rows are closer to each other than two-sided scores can tell. (Rows that one-sided scores leave
// need not be close: they are far from their bounds, above all near the query, and cheaper screened than scored.)
// Of rows without any order, a share of k / seen are better than the best of those that were seen before.
void BlockSearch::find_crowded() {
  const std::size_t per_tile = screen_.kernel().query_tile;
  for (std::size_t tile = 0; tile < cell_visits_.tiles(); ++tile) {
    const std::size_t seen = cell_visits_.visited(tile) * layout_.cell_rows();
    if (seen == 0) continue;
    const double better = std::min(1.0, static_cast<double>(request_.k) / static_cast<double>(seen));
    const double natural = std::min(4.0 * better, (1.0 + better) / 2.0);
    const std::size_t first = tile * per_tile, last = std::min(first + per_tile, queries_.size());
    std::size_t left = 0;
    for (std::size_t q = first; q < last; ++q) left += left_[q];
    const double share = static_cast<double>(left) / static_cast<double>(compared_[tile]);
    if (share > std::max(kCrowded, natural)) crowded_[tile] = true;
  }
}

// Raises the thresholds before more cells are visited.
void BlockSearch::score_some() {
  if (screen_.two_sided()) {
    for (std::size_t q = 0; q < queries_.size(); ++q) exclude(q);
  } else {
    score_pairs([this](std::size_t) { return scored_first_ + unscreened_.size(); });
  }
}

// A score that at least `rank` of a list have, and not many more.
double BlockSearch::screened_at(std::size_t q, std::size_t rank) {
  const CandidateList& list = lists_[q];
  if (list.size >= kLongList) {
    // What a sample says is checked in one pass, which is much cheaper than an exact selection.
    const double share = static_cast<double>(kSampled) / static_cast<double>(list.size);
    const double mean = static_cast<double>(rank) * share;
    const auto at = static_cast<std::size_t>(mean + 1.5 * std::sqrt(mean * (1.0 - mean / kSampled)) + 1.0);
    if (at < kSampled) {
      selection_.resize(kSampled);
      for (std::size_t i = 0; i < kSampled; ++i) selection_[i] = list.candidates[i * list.size / kSampled].score;
      const float score = select(at);
      const auto reaches = [score](const Candidate& candidate) { return candidate.score >= score; };
      const auto count = std::count_if(list.candidates, list.candidates + list.size, reaches);
      if (static_cast<std::size_t>(count) >= rank) return static_cast<double>(score);
    }
  }
  selection_.resize(list.size);
  for (std::size_t i = 0; i < list.size; ++i) selection_[i] = list.candidates[i].score;
  return static_cast<double>(select(rank));
}

// The rank-th best of the selection.
float BlockSearch::select(std::size_t rank) {
  const auto at = selection_.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(selection_.begin(), at, selection_.end(), std::greater<>());
  return *at;
}

// Moves the kernel's hits to the queries' lists.
void BlockSearch::take_hits() {
  for (const Hit* hit = hits_.data(); hit != hits_.data() + task_.hit_count; ++hit) {
    // A list that was full may have raised the cutoff meanwhile.
    if (!(hit->score >= cutoffs_[hit->query])) continue;
    if (hit->score == Screen::kUnscreened && is_unscreened(hit->row)) continue;
    ++left_[hit->query];
    CandidateList& list = lists_[hit->query];
    list.candidates[list.size] = {hit->score, hit->row};
    if (++list.size == capacity_) make_room(hit->query);
  }
  task_.hit_count = 0;
}

void BlockSearch::score_candidates() {
  if (!screen_.two_sided()) {
    // The likeliest rows first: the threshold that they give excludes most of the others.
    score_pairs([this](std::size_t) { return scored_first_ + unscreened_.size(); });
  }
  score_pairs([this](std::size_t q) { return lists_[q].size; });
}

void BlockSearch::hand_over(std::size_t shard) {
  for (std::size_t q = 0; q < queries_.size(); ++q) sink_->put(queries_[q], shard, best_[q]);
  if (request_.statistics == nullptr) return;
  request_.statistics->scored_rows += scorer_.scored_rows();
  request_.statistics->screened_rows += screened_rows_;
}

// Excluding by the screened scores alone is the cheap way, where they allow it, and nearly always enough.
// Where they bound from above only, scoring the likeliest raises the threshold, and the others wait:
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
    keep(q, [&](const Candidate& candidate) { return request_.admits(queries_[q], layout_.order()[candidate.place]); });
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

void BlockSearch::tighten(std::size_t q) {
  best_[q].tighten();
  raise_cutoff(q, best_[q].threshold() * screen_.score_scale() - errors_[q]);
}

// Scores the rows of the list with the best scores, as many as are wanted.
void BlockSearch::score_likeliest(std::size_t q) {
  take_likeliest(q, scored_first_);
  score_taken(q, 0, taken_.size());
}

// Scores the list's rows, the likeliest first, until the others are excluded by what was found.
void BlockSearch::score_list(std::size_t q) {
  take_likeliest(q, lists_[q].size);
  // Scores that lie within their error of each other do not tell which rows are likelier.
  if (screen_.two_sided()) return score_taken(q, 0, taken_.size());
  std::sort(taken_.begin(), taken_.end(), by_score);
  std::size_t group = scored_first_;
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
    for (const Candidate& taken : taken_) pairs_.push_back({static_cast<std::uint32_t>(q), taken.place});
  }
  ThreadPool::check_interrupt();
  scorer_.score(pairs_, layout_.order(), best_);
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
  for (std::size_t i = begin; i < end; ++i) batch_.push_back(layout_.order()[taken_[i].place]);
  scorer_.score_scattered(q, batch_, best_[q]);
  tighten(q);
}

}  // namespace latentknn
