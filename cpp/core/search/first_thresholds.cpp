#include "search/first_thresholds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "choice/costs.h"
#include "platform/thread_pool.h"
#include "search/value_of_rank.h"

namespace latentknn {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
constexpr std::size_t kMaximaBytes = std::size_t{512} << 10;  // bytes of maxima that are found together
constexpr std::size_t kFewMaxima = 4;                         // maxima for each neighbour: k rows hardly share so many
// The least number of maxima for each neighbour. If there were fewer, the lowest of all would often be the threshold.
constexpr std::size_t kFewestMaxima = 2;

// Of m neighbours, a search lists c m log(n / r) rows in vain after r rows were compared. It costs least where
// r = c m times the cost of listing over that of comparing. This is the measured best of c times the cost of listing.
constexpr double kListed = 1500.0;

std::size_t rows_to_compare(const Screen& screen, std::size_t rank) {
  return static_cast<std::size_t>(kListed / costs::compared_row(screen.kernel(), screen.packed_dim()) *
                                  static_cast<double>(rank));
}

// Returns the largest number of rows of a maximum that leaves several times as many maxima as neighbours.
std::size_t rows_of_maximum(std::size_t rows, std::size_t rank, std::size_t row_tile) {
  std::size_t each = MaximaTask::kFewest;
  while (2 * each <= row_tile && rows / (2 * each) >= kFewMaxima * rank) each *= 2;
  return each;
}

// Returns how many rows a query finds, with itself where it is a row.
std::size_t rank_in(const Search& search) { return search.request.k + (search.own_rows == nullptr ? 0 : 1); }

// Returns the least of the scores that reach `reached`. There may be a wide gap below it.
float least_of(const float* scores, std::size_t count, float reached) {
  // With one lane each step would wait for the one before.
  constexpr std::size_t kLanes = 16;
  float least[kLanes];
  std::fill_n(least, kLanes, std::numeric_limits<float>::infinity());
  const auto take = [&](float score, float& lane) { lane = score >= reached && score < lane ? score : lane; };
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(scores[i + lane], least[lane]);
  }
  for (; i < count; ++i) take(scores[i], least[0]);
  return *std::min_element(least, least + kLanes);
}

// Transposes a (rows, columns) matrix, some rows at a time, so that whole lines of the cache are written.
void transpose(const float* matrix, std::size_t rows, std::size_t columns, float* out) {
  constexpr std::size_t kRows = 16;
  for (std::size_t first = 0; first < rows; first += kRows) {
    const std::size_t end = std::min(first + kRows, rows);
    for (std::size_t column = 0; column < columns; ++column) {
      for (std::size_t row = first; row < end; ++row) out[column * rows + row] = matrix[row * columns + column];
    }
  }
}

const Screen& first_screen(const Ladder& ladder) { return *ladder.screens[ladder.begins_on]; }

}  // namespace

bool FirstThresholds::possible(const Search& search, const Ladder& ladder, std::size_t shards) {
  if (!first_screen(ladder).finds_maxima() || ladder.begins_on < ladder.whole) return false;
  if (search.request.allowed != nullptr || search.only_behind) return false;
  if (search.rows.count / shards / MaximaTask::kFewest < kFewestMaxima * rank_in(search)) return false;
  // Where comparing is dear, too few rows would be compared.
  if (rows_to_compare(first_screen(ladder), rank_in(search)) / MaximaTask::kFewest < rank_in(search)) return false;
  const double* const known = search.request.at_least;
  const auto is_finite = [](double value) { return std::isfinite(value); };
  return known == nullptr || std::none_of(known, known + search.queries.count(), is_finite);
}

FirstThresholds::FirstThresholds(const Search& search, const Ladder& ladder, const Layout& layout)
    : search_(search),
      layout_(layout),
      row_tiles_(layout.cell_rows() / first_screen(ladder).kernel().row_tile),
      rank_(rank_in(search)),
      most_(rows_to_compare(first_screen(ladder), rank_) / layout.cell_rows()) {}

std::size_t FirstThresholds::raise(const CellVisits& visits, Window cells, TileLadder& ladder) {
  // The last cell of all may have fewer rows.
  cells.end = std::min(cells.end, search_.rows.count / layout_.cell_rows());
  // A block may begin on a finer rung than the search.
  const Rung& rung = ladder.rung(ladder.rung_of(0));
  if (cells.begin >= cells.end || !rung.finds_maxima()) return 0;
  const std::size_t width = std::min(most_, cells.end - cells.begin), rows = width * layout_.cell_rows();
  const std::size_t each = rows_of_maximum(rows, rank_, rung.kernel().row_tile);
  if (rows / each < rank_) return 0;
  const std::size_t tile_bytes = ladder.end(0) * (rows / each) * sizeof(float);
  const std::size_t together = std::max<std::size_t>(1, kMaximaBytes / tile_bytes);
  for (std::size_t tile = 0; tile < ladder.tiles(); tile += together) {
    ThreadPool::check_interrupt();
    raise_batch(visits, cells, ladder, {tile, std::min(tile + together, ladder.tiles()), width, each});
  }
  return width;
}

void FirstThresholds::raise_batch(const CellVisits& visits, Window cells, TileLadder& ladder, Batch batch) {
  const Rung& rung = ladder.rung(ladder.rung_of(batch.begin));
  const std::size_t count = batch.width * layout_.cell_rows() / batch.rows_each,
                    first_query = ladder.first(batch.begin);
  const std::size_t query_tile = rung.kernel().query_tile, tile_size = query_tile * count;
  visit_cells(visits, cells, batch);
  maxima_.resize((batch.end - batch.begin) * tile_size);
  std::fill_n(maxima_.data(), (batch.end - batch.begin) * tile_size, kLowest);
  MaximaTask task{};
  task.visits = visits_.data();
  task.visit_count = visits_.size();
  task.query_tiles = query_tiles_.data();
  task.rows_each = batch.rows_each;
  task.first_query = first_query;
  task.first_row_tiles = first_row_tiles_.data();
  task.maxima = maxima_.data();
  task.maxima_each = count;
  rung.find_maxima(task);
  maxima_by_query_.resize(tile_size);
  for (std::size_t tile = batch.begin; tile < batch.end; ++tile) {
    transpose(maxima_.data() + (tile - batch.begin) * tile_size, count, query_tile, maxima_by_query_.data());
    for (std::size_t q = ladder.first(tile); q < ladder.end(tile); ++q) {
      raise_query(q, rung, maxima_by_query_.data() + (q - ladder.first(tile)) * count, count, ladder);
    }
  }
}

// Raises the threshold of a query by its maxima on a rung.
void FirstThresholds::raise_query(std::size_t q, const Rung& rung, const float* maxima, std::size_t count,
                                  TileLadder& ladder) const {
  const float reached = value_of_rank(rank_, rung.least_score(q), rung.greatest_score(q), [&](float least) {
    return search_.kernels.count_at_least(maxima, count, least);
  });
  // Scores that say nothing about their rows may be among those that reach less.
  if (!(reached > Screen::kUnscreened)) return;
  ladder.raise_threshold(q, static_cast<double>(rung.candidate(q, least_of(maxima, count, reached), 0).lower));
}

// Visits the cells around the places of the tiles. Tiles are in the order of their places, so that those which visit a
// cell follow each other.
void FirstThresholds::visit_cells(const CellVisits& visits, Window cells, Batch batch) {
  const auto begin_of = [&](std::size_t tile) {
    return std::min(visits.around_tile(tile, batch.width).begin, cells.end - batch.width);
  };
  query_tiles_.resize(batch.end);
  first_row_tiles_.resize(batch.end);
  for (std::size_t tile = batch.begin; tile < batch.end; ++tile) {
    query_tiles_[tile] = static_cast<std::uint32_t>(tile);
    first_row_tiles_[tile] = static_cast<std::uint32_t>(begin_of(tile) * row_tiles_);
  }
  visits_.clear();
  std::size_t from = batch.begin, to = batch.begin;
  for (std::size_t cell = begin_of(batch.begin); cell < begin_of(batch.end - 1) + batch.width; ++cell) {
    while (to < batch.end && begin_of(to) <= cell) ++to;
    while (from < to && begin_of(from) + batch.width <= cell) ++from;
    for (std::size_t i = 0; i < row_tiles_ && from < to; ++i) {
      visits_.push_back({static_cast<std::uint32_t>(cell * row_tiles_ + i), static_cast<std::uint32_t>(from),
                         static_cast<std::uint32_t>(to)});
    }
  }
}

}  // namespace latentknn
