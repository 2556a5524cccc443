#include "search/block_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "choice/costs.h"
#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kGroup = 8;        // rows at least that are scored before the threshold is looked at again
constexpr std::size_t kFirstCells = 2;   // cells first visited around a query's own place, beside twice its k rows
constexpr std::size_t kWiden = 4;        // how many times more cells each further visit takes
constexpr std::size_t kTrimmed = 64;     // candidates by which a list grows at least before it is shortened
constexpr double kCrowded = 0.6;         // share left by the last rung above which scoring all rows is cheaper
constexpr std::size_t kHits = 4096;      // hits taken over together, before they leave the first cache
constexpr std::size_t kTriedRuns = 4;    // runs of cells on which rungs are tried
constexpr std::size_t kTriedCells = 2;   // cells of each such run
constexpr std::size_t kTriedAmong = 64;  // cells that a visit takes at least for rungs to be tried
constexpr double kSpared = 0.03;  // share of the comparisons to come that scoring may cost for a better threshold

std::size_t first_width(std::size_t wanted, std::size_t cell_rows) { return kFirstCells + 2 * wanted / cell_rows; }

// Room for what is first visited around a query's own place, and for what waits for a better threshold.
std::size_t list_capacity(std::size_t cell_rows, std::size_t wanted) {
  return first_width(wanted, cell_rows) * cell_rows + std::min(14 * wanted, 4 * wanted + 2048) + 512;
}

// What may be left by nature: of rows without any order, a share of k / seen are better than the best of those that
// were seen before.
double natural_share(std::size_t k, std::size_t seen) {
  const double better = std::min(1.0, static_cast<double>(k) / static_cast<double>(seen));
  return std::min(4.0 * better, (1.0 + better) / 2.0);
}

}  // namespace

std::size_t BlockSearch::candidate_bytes(std::size_t cell_rows, std::size_t k) {
  return list_capacity(cell_rows, k) * CandidateLists::kCandidateBytes;
}

BlockSearch::BlockSearch(const KernelTable& kernels, const Ladder& ladder, const Layout& layout, const Rows& rows,
                         const SearchRequest& request)
    : layout_(layout),
      rows_(rows),
      request_(request),
      query_tile_(ladder.cheapest().kernel().query_tile),
      left_cost_(costs::left_row(rows.dim)),
      scored_cost_(costs::scored_row(rows.dim)),
      unscreened_(ladder.unscreened_places()),
      scorer_(kernels, rows),
      cell_visits_(layout, query_tile_),
      ladder_first_(ladder.first),
      first_whole_(ladder.whole),
      first_rung_(ladder.first),
      lists_(kernels) {
  for (const std::unique_ptr<Screen>& screen : ladder.screens) {
    rungs_.emplace_back(kernels, *screen, layout, rows);
  }
  std::size_t tile = 0;
  for (const std::unique_ptr<Screen>& screen : ladder.screens) tile = std::max(tile, screen->kernel().row_tile);
  hits_.resize(std::max(kHits, 2 * query_tile_ * tile));
  if (unscreened_.empty()) return;
  is_unscreened_.resize(rows.count);
  for (const std::uint32_t place : unscreened_) is_unscreened_[place] = true;
}

void BlockSearch::search(const PlacedQueries& placed, std::size_t begin, std::size_t end, std::size_t cell_begin,
                         std::size_t cell_end, std::size_t shard, AnswerSink& sink) {
  start(placed, begin, end, {cell_begin, cell_end}, sink);
  score_unscreened();
  const std::size_t all = cell_end - cell_begin;
  for (std::size_t width = first_width(request_.k, layout_.cell_rows()); width < all / 2; width *= kWiden) {
    visit(width);
    score_some(std::min(all, width * kWiden) * layout_.cell_rows());
    climb();
  }
  visit(all);
  score_candidates();
  hand_over(shard);
}

void BlockSearch::start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells,
                        AnswerSink& sink) {
  sink_ = &sink;
  const std::size_t count = end - begin;
  const auto at = [](std::size_t i) { return static_cast<std::ptrdiff_t>(i); };
  queries_.assign(placed.queries.begin() + at(begin), placed.queries.begin() + at(end));
  scorer_.start(request_, queries_);
  cells_ = cells;
  cell_visits_.start(placed, begin, end, cells);

  scored_first_ = std::max(request_.k, kGroup);
  lists_.start(count, list_capacity(layout_.cell_rows(), request_.k));
  thresholds_.assign(count, -kInfinity);
  best_.resize(count, TopK(request_.k, rows_.ids));
  for (std::size_t q = 0; q < count; ++q) best_[q].clear();

  task_.hits = hits_.data();
  task_.hit_count = 0;
  task_.hit_capacity = hits_.size();
  task_.take_hits = [](void* context) { static_cast<BlockSearch*>(context)->take_hits(); };
  task_.context = this;
  screened_rows_ = 0;
  finer_rows_ = 0;

  for (Rung& rung : rungs_) rung.start(scorer_.queries(), scorer_.squared_norms(), count);
  rung_of_.assign(cell_visits_.tiles(), 0);
  compared_.assign(cell_visits_.tiles(), 0);
  left_.assign(count, 0);
  for (std::size_t tile = 0; tile < cell_visits_.tiles(); ++tile) stand_on(tile, first_rung_);
  for (std::size_t q = 0; q < count; ++q) limit(q, first_width(request_.k, layout_.cell_rows()) * layout_.cell_rows());
}

// Rows that a screen says nothing about may be the best of all.
void BlockSearch::score_unscreened() {
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    batch_.clear();
    for (const std::uint32_t place : unscreened_) {
      const std::uint32_t row = layout_.order()[place];
      if (cells_.contains(place / layout_.cell_rows()) && request_.admits(queries_[q], row)) batch_.push_back(row);
    }
    scorer_.score_scattered(q, batch_, best_[q]);
  }
}

void BlockSearch::hand_over(std::size_t shard) {
  for (std::size_t q = 0; q < queries_.size(); ++q) sink_->put(queries_[q], shard, best_[q]);
  if (request_.statistics == nullptr) return;
  request_.statistics->scored_rows += scorer_.scored_rows();
  request_.statistics->screened_rows += screened_rows_;
  request_.statistics->finer_rows += finer_rows_;
}

// --- Visits -------------------------------------------------------------------------------------------------

// So many cells around each query's own, without those visited before.
void BlockSearch::visit(std::size_t width) {
  cell_visits_.widen(width);
  if (width >= kTriedAmong) choose_rungs();
  compared_.assign(cell_visits_.tiles(), 0);
  left_.assign(queries_.size(), 0);
  for (const std::size_t run : cell_visits_.runs()) {
    ThreadPool::check_interrupt();
    exchange_thresholds();
    want(cell_visits_.enter(run, thresholds_));
    for (std::size_t rung = 0; rung < rungs_.size(); ++rung) compare_on(rung);
  }
}

// What one shard has found spares the others work.
void BlockSearch::exchange_thresholds() {
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    sink_->raise_threshold(queries_[q], thresholds_[q]);
    raise_threshold(q, sink_->threshold(queries_[q]));
  }
}

// Tells the rungs what they have to compare; tiles that are on none score it at once.
void BlockSearch::want(Window cells) {
  for (std::size_t cell = cells.begin; cell < cells.end; ++cell) {
    for (std::size_t tile = 0; tile < cell_visits_.tiles(); ++tile) {
      if (!cell_visits_.wants(cell, tile)) continue;
      if (rung_of_[tile] == rungs_.size()) {
        score_cell(cell, tile);
      } else {
        rungs_[rung_of_[tile]].want(cell, tile);
        compared_[tile] += layout_.rows_in(cell) * queries_of(tile);
      }
    }
  }
}

// Scores all rows of a cell for each query of a tile.
void BlockSearch::score_cell(std::size_t cell, std::size_t tile) {
  const std::size_t first = cell * layout_.cell_rows();
  run_.distinct.clear();
  run_.ends.clear();
  run_.members.clear();
  for (std::size_t place = first; place < std::min(first + layout_.cell_rows(), rows_.count); ++place) {
    if (!is_unscreened_.empty() && is_unscreened_[place]) continue;
    const std::uint32_t row = layout_.order()[place];
    if (run_.distinct.empty() || !layout_.repeats(place)) {
      scorer_.fetch(row);
      run_.distinct.push_back(row);
      run_.ends.push_back(run_.members.size());
    }
    run_.members.push_back(row);
    ++run_.ends.back();
  }
  for (std::size_t q = tile * query_tile_; q < tile * query_tile_ + queries_of(tile); ++q) {
    scorer_.score_run(q, run_, request_, queries_[q], best_[q]);
    raise_threshold(q, best_[q].threshold());
  }
}

void BlockSearch::compare_on(std::size_t rung) {
  hits_from_ = rung;
  const std::size_t pairs = rungs_[rung].compare(task_);
  take_hits();
  if (trying_) return;
  screened_rows_ += pairs;
  if (rung > ladder_first_) finer_rows_ += pairs;
}

// Moves the kernel's hits to the queries' lists.
void BlockSearch::take_hits() {
  const Rung& rung = rungs_[hits_from_];
  const bool check = !is_unscreened_.empty();
  const double* const thresholds = thresholds_.data();
  std::size_t* const left = left_.data();
  for (const Hit *hit = hits_.data(), *end = hit + task_.hit_count; hit != end; ++hit) {
    const std::size_t q = hit->query;
    const Candidate candidate = rung.candidate(q, hit->score, hit->row);
    // A list that was full may have raised the threshold meanwhile.
    if (!(static_cast<double>(candidate.upper) >= thresholds[q])) continue;
    if (check && is_unscreened_[hit->row]) continue;
    ++left[q];
    if (!trying_ && lists_.add(q, candidate)) make_room(q);
  }
  task_.hit_count = 0;
}

// --- Rungs --------------------------------------------------------------------------------------------------

std::size_t BlockSearch::queries_of(std::size_t tile) const {
  return std::min(query_tile_, queries_.size() - tile * query_tile_);
}

void BlockSearch::stand_on(std::size_t tile, std::size_t rung) {
  rung_of_[tile] = rung;
  if (rung == rungs_.size()) return;
  rungs_[rung].pack_queries(thresholds_);
  for (std::size_t q = tile * query_tile_; q < tile * query_tile_ + queries_of(tile); ++q) {
    rungs_[rung].set_threshold(q, thresholds_[q]);
  }
}

// Of a tile's pairs that were compared in this visit, the share that screening has left.
double BlockSearch::left_share(std::size_t tile) const {
  std::size_t left = 0;
  for (std::size_t q = 0; q < queries_of(tile); ++q) left += left_[tile * query_tile_ + q];
  return compared_[tile] == 0 ? 0.0 : static_cast<double>(left) / static_cast<double>(compared_[tile]);
}

// Takes tiles a rung up for which what was left costs more than telling it apart. On the last rung, rows that are
// closer to each other than scores can tell are scored cell by cell, where scores bound from both sides. (Rows that are
// only bounded from above need not be close: they are far from their bounds, above all near the query. So nobody climbs
// from a subspace here.)
void BlockSearch::climb() {
  std::size_t highest = 0, climbed = 0;
  const auto cost = [this](std::size_t rung) { return rungs_[rung].cost_per_row(static_cast<double>(query_tile_)); };
  for (std::size_t tile = 0; tile < cell_visits_.tiles(); ++tile) {
    const std::size_t seen = cell_visits_.visited(tile) * layout_.cell_rows();
    const std::size_t rung = rung_of_[tile];
    if (seen == 0 || rung == rungs_.size() || rung < first_whole_) continue;
    const double excess = left_share(tile) - natural_share(request_.k, seen);
    const bool last = rung + 1 == rungs_.size();
    const bool up = last ? crowded(tile) : excess * left_cost_ > cost(rung + 1) - cost(rung);
    if (!up) continue;
    stand_on(tile, rung + 1);
    ++climbed;
    highest = std::max(highest, rung + 1);
  }
  // The next block begins where this one would have done better to begin.
  if (2 * climbed > cell_visits_.tiles()) first_rung_ = std::min(highest, rungs_.size() - 1);
}

// Whether a tile's rows are closer to each other than its rung can tell.
bool BlockSearch::crowded(std::size_t tile) const {
  const std::size_t seen = cell_visits_.visited(tile) * layout_.cell_rows();
  return seen > 0 && bounded_below(tile * query_tile_) &&
         left_share(tile) > std::max(kCrowded, natural_share(request_.k, seen));
}

// Whether another rung may be better for a tile: a cheaper one that it has not tried, or a finer one.
bool BlockSearch::doubtful(std::size_t tile) const {
  const std::size_t rung = rung_of_[tile];
  if (rung == rungs_.size()) return false;
  if (rung > 0) return true;
  return rungs_.size() > 1 &&
         left_share(tile) * left_cost_ > rungs_[1].cost_per_row(kInfinity) - rungs_[0].cost_per_row(kInfinity);
}

// Before many cells are visited: finds, for each tile, the rung that costs least, by what each leaves on a few cells.
void BlockSearch::choose_rungs() {
  std::vector<std::size_t> undecided;
  for (std::size_t tile = 0; tile < cell_visits_.tiles(); ++tile) {
    if (doubtful(tile)) undecided.push_back(tile);
  }
  if (undecided.empty()) return;
  exchange_thresholds();
  const std::vector<Pair> pairs = pairs_to_try(undecided);
  std::vector<double> least(cell_visits_.tiles(), kInfinity);
  for (std::size_t rung = 0; rung < rungs_.size() && !undecided.empty(); ++rung) {
    try_rung(rung, undecided, pairs);
    std::erase_if(undecided, [&](std::size_t tile) {
      const double cost = rungs_[rung].cost_per_row(together_) + left_share(tile) * left_cost_;
      if (compared_[tile] > 0 && cost < least[tile]) {
        least[tile] = cost;
        stand_on(tile, rung);
      }
      const std::size_t next = rung + 1;
      if (next == rungs_.size() && crowded(tile)) stand_on(tile, next);
      return next < rungs_.size() && rungs_[next].cost_per_row(together_) >= least[tile];
    });
  }
}

// A few of the cells that each of the tiles wants; and how many queries want a cell together.
std::vector<BlockSearch::Pair> BlockSearch::pairs_to_try(const std::vector<std::size_t>& tiles) {
  const std::vector<std::size_t>& runs = cell_visits_.runs();
  std::vector<Pair> pairs;
  std::size_t wants = 0, wanted = 0;
  for (std::size_t i = 0; i < kTriedRuns; ++i) {
    const Window cells = cell_visits_.enter(runs[(2 * i + 1) * runs.size() / (2 * kTriedRuns)], thresholds_);
    const std::size_t count = cells.end - cells.begin;
    for (const std::size_t tile : tiles) {
      std::size_t found = 0;
      for (std::size_t j = 0; j < count && found < kTriedCells; ++j) {
        const std::size_t cell = cells.begin + (i * 37 + j * 5) % count;
        if (!cell_visits_.wants(cell, tile)) continue;
        pairs.push_back({tile, cell});
        ++found;
      }
    }
    for (std::size_t cell = cells.begin; cell < cells.end; ++cell) {
      std::size_t by = 0;
      for (const std::size_t tile : tiles) by += cell_visits_.wants(cell, tile) ? queries_of(tile) : 0;
      wants += by;
      wanted += by > 0 ? 1 : 0;
    }
  }
  together_ =
      static_cast<double>(std::max<std::size_t>(1, wants)) / static_cast<double>(std::max<std::size_t>(1, wanted));
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.cell < b.cell; });
  return pairs;
}

// Counts what a rung leaves of the pairs of such tiles.
void BlockSearch::try_rung(std::size_t rung, const std::vector<std::size_t>& tiles, const std::vector<Pair>& pairs) {
  compared_.assign(cell_visits_.tiles(), 0);
  left_.assign(queries_.size(), 0);
  rungs_[rung].pack_queries(thresholds_);
  for (const std::size_t tile : tiles) {
    for (std::size_t q = tile * query_tile_; q < tile * query_tile_ + queries_of(tile); ++q) {
      rungs_[rung].set_threshold(q, thresholds_[q]);
    }
  }
  for (const Pair& pair : pairs) {
    if (!std::binary_search(tiles.begin(), tiles.end(), pair.tile)) continue;
    rungs_[rung].want(pair.cell, pair.tile);
    compared_[pair.tile] += queries_of(pair.tile) * layout_.rows_in(pair.cell);
  }
  trying_ = true;
  compare_on(rung);
  trying_ = false;
}

// --- Candidates ---------------------------------------------------------------------------------------------

// Whether the rung that a query stands on bounds similarities from below.
bool BlockSearch::bounded_below(std::size_t q) const {
  const std::size_t rung = rung_of_[q / query_tile_];
  return rung == rungs_.size() || rungs_[rung].bounds_below(q);
}

// Nothing below `similarity` is among the k best.
void BlockSearch::raise_threshold(std::size_t q, double similarity) {
  if (!(similarity > thresholds_[q])) return;
  thresholds_[q] = similarity;
  const std::size_t rung = rung_of_[q / query_tile_];
  if (rung < rungs_.size()) rungs_[rung].set_threshold(q, similarity);
}

// Excluding by bounds alone is the cheap way and often enough. Where it is not, scoring the likeliest raises the
// threshold, and the others wait: most will be excluded unscored. Where neither makes room, as too many lie within the
// width of their bounds, the rest is scored exactly.
void BlockSearch::make_room(std::size_t q) {
  exclude(q);
  if (!bounded_below(q) || lists_.size(q) > lists_.capacity() / 4 * 3) {
    score_likeliest(q);
    exclude(q);
  }
  if (lists_.size(q) > lists_.capacity() / 8 * 7) score_list(q);
  limit(q, lists_.size(q) + request_.k);
}

// A list with bounds from below is shortened whenever that may raise the threshold much; others wait until they are
// full.
void BlockSearch::limit(std::size_t q, std::size_t size) {
  lists_.set_limit(q, bounded_below(q) ? size + kTrimmed : lists_.capacity());
}

// Drops rows that are not admitted and, where bounds hold from below, rows that cannot be among the k best.
void BlockSearch::exclude(std::size_t q) {
  if (request_.allowed != nullptr || request_.exclude_self) {
    lists_.keep_places(q, [&](std::uint32_t place) { return request_.admits(queries_[q], layout_.order()[place]); });
  }
  if (bounded_below(q) && lists_.size(q) > request_.k) {
    raise_threshold(q, lists_.reached_by(q, request_.k, thresholds_[q]));
  }
  lists_.keep_above(q, thresholds_[q]);
}

// Raises the thresholds before so many rows more are visited.
void BlockSearch::score_some(std::size_t rows_to_come) {
  score_pairs([&](std::size_t q) {
    const std::size_t rung = std::min(rung_of_[q / query_tile_], rungs_.size() - 1);
    const double spared = kSpared * static_cast<double>(rows_to_come) * rungs_[rung].cost_per_row(kInfinity);
    const bool pays = static_cast<double>(request_.k) * scored_cost_ < spared;
    return bounded_below(q) && !pays ? 0 : scored_first_;
  });
}

void BlockSearch::score_candidates() {
  // The likeliest rows first: the threshold that they give excludes most of the others.
  score_pairs([this](std::size_t) { return scored_first_; });
  score_pairs([this](std::size_t q) { return lists_.size(q); });
}

// Scores the rows of the list with the best scores, as many as are wanted.
void BlockSearch::score_likeliest(std::size_t q) {
  lists_.take_likeliest(q, scored_first_, thresholds_[q], places_);
  score_places(q);
}

// Scores the list's rows, the likeliest first, until the others are excluded by what was found.
void BlockSearch::score_list(std::size_t q) {
  lists_.take_all(q, taken_);
  const auto higher = [](const Candidate& a, const Candidate& b) { return a.upper > b.upper; };
  const auto [most, least] = std::minmax_element(taken_.begin(), taken_.end(), higher);
  // Bounds that are wider than they are apart do not tell which rows are likelier.
  const bool apart = !bounded_below(q) || most->lower > least->upper;
  if (apart) std::sort(taken_.begin(), taken_.end(), higher);
  std::size_t group = apart ? scored_first_ : taken_.size();
  for (std::size_t begin = 0; begin < taken_.size() && static_cast<double>(taken_[begin].upper) >= thresholds_[q];) {
    const std::size_t end = std::min(begin + group, taken_.size());
    places_.clear();
    for (std::size_t i = begin; i < end; ++i) places_.push_back(taken_[i].place);
    score_places(q);
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
    const std::size_t count = few(q);
    if (count == 0) continue;
    lists_.take_likeliest(q, count, thresholds_[q], places_);
    for (const std::uint32_t place : places_) pairs_.push_back({static_cast<std::uint32_t>(q), place});
  }
  ThreadPool::check_interrupt();
  scorer_.score(pairs_, layout_.order(), best_);
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    best_[q].tighten();
    raise_threshold(q, best_[q].threshold());
  }
}

// Scores the rows at places_.
void BlockSearch::score_places(std::size_t q) {
  batch_.clear();
  for (const std::uint32_t place : places_) batch_.push_back(layout_.order()[place]);
  scorer_.score_scattered(q, batch_, best_[q]);
  best_[q].tighten();
  raise_threshold(q, best_[q].threshold());
}

}  // namespace latentknn
