#include "search/rung.h"

#include <limits>

#include "choice/costs.h"
#include "platform/rounding.h"

namespace latentknn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

void Rung::start(const float* queries, const double* squared_norms, std::size_t count) {
  queries_ = queries;
  squared_norms_ = squared_norms;
  count_ = count;
  packed_ = false;
  wanted_.clear();
  query_tiles_.clear();
}

void Rung::pack_queries(const std::vector<double>& thresholds) {
  if (packed_) return;
  packed_ = true;
  const ScreenKernel& kernel = screen_.kernel();
  const std::size_t padded = (count_ + kernel.query_tile - 1) / kernel.query_tile * kernel.query_tile;
  per_score_ = 1.0 / screen_.score_scale();
  bounds_.resize(count_);
  packed_queries_.resize(padded * kernel.query_bytes(screen_.packed_dim()));
  screen_.pack_queries(queries_, squared_norms_, count_, packed_queries_.data(), bounds_.data());
  // Turning the bounds into similarities costs some roundings of 2^-53; candidate(), width() and set_threshold() allow
  // for them.
  for (ScoreBound& bound : bounds_) bound = {bound.above * per_score_, bound.width * per_score_};
  cutoffs_.resize(padded * kernel.cutoff_bytes);
  for (std::size_t q = count_; q < padded; ++q) kernel.set_cutoff(cutoffs_.data(), q, kInfinity);
  for (std::size_t q = 0; q < count_; ++q) set_threshold(q, thresholds[q]);
}

double Rung::cost_per_row(double together) const {
  const double packing = screen_.keeps_rows() ? 0.0 : costs::packed_row(rows_.dim) / together;
  return costs::compared_row(screen_.kernel(), screen_.packed_dim()) + packing;
}

void Rung::set_threshold(std::size_t q, double threshold) {
  if (!packed_) return;
  const double value = (threshold - bounds_[q].above - kRounding) * screen_.score_scale();
  screen_.kernel().set_cutoff(cutoffs_.data(), q,
                              value > -std::numeric_limits<double>::max() ? round_down(value) : -kInfinity);
}

void Rung::find_maxima(MaximaTask& task) const {
  task.queries = packed_queries_.data();
  task.query_count = count_;
  task.rows = screen_.packed_rows();
  task.row_count = rows_.count;
  task.first_row = 0;
  task.dim = screen_.packed_dim();
  kernel().maxima(task);
}

void Rung::want(std::size_t cell, std::size_t query_tile) {
  const auto end = static_cast<std::uint32_t>(query_tiles_.size());
  if (wanted_.empty() || wanted_.back().cell != cell) wanted_.push_back({cell, end, end});
  query_tiles_.push_back(static_cast<std::uint32_t>(query_tile));
  ++wanted_.back().end;
}

std::size_t Rung::compare(ScreenTask& task) {
  const ScreenKernel& kernel = screen_.kernel();
  const std::size_t tiles = layout_.cell_rows() / kernel.row_tile;
  task.queries = packed_queries_.data();
  task.query_count = count_;
  task.dim = screen_.packed_dim();
  task.cutoffs = cutoffs_.data();
  task.query_tiles = query_tiles_.data();
  std::size_t pairs = 0;
  visits_.clear();
  const auto compare_visits = [&](const void* rows, std::size_t first_row, std::size_t row_count) {
    task.rows = rows;
    task.first_row = first_row;
    task.row_count = row_count;
    task.visits = visits_.data();
    task.visit_count = visits_.size();
    kernel.screen(task);
    visits_.clear();
  };
  for (const Wanted& wanted : wanted_) {
    const std::size_t rows = layout_.rows_in(wanted.cell);
    const std::size_t first_tile = screen_.keeps_rows() ? wanted.cell * tiles : 0;
    for (std::size_t tile = 0; tile * kernel.row_tile < rows; ++tile) {
      visits_.push_back({static_cast<std::uint32_t>(first_tile + tile), wanted.begin, wanted.end});
    }
    for (std::uint32_t i = wanted.begin; i < wanted.end; ++i) {
      pairs += rows * std::min(kernel.query_tile, count_ - query_tiles_[i] * kernel.query_tile);
    }
    if (!screen_.keeps_rows()) {
      compare_visits(packed_cell(wanted.cell), wanted.cell * layout_.cell_rows(), rows);
    }
  }
  if (screen_.keeps_rows() && !visits_.empty()) compare_visits(screen_.packed_rows(), 0, rows_.count);
  wanted_.clear();
  query_tiles_.clear();
  return pairs;
}

const void* Rung::packed_cell(std::size_t cell) {
  const std::size_t rows = layout_.rows_in(cell);
  const std::uint32_t* const order = layout_.order().data() + cell * layout_.cell_rows();
  gathered_.resize(layout_.cell_rows() * rows_.dim);
  gathered_norms_.resize(layout_.cell_rows());
  for (std::size_t i = 0; i < rows; ++i) {
    std::copy_n(rows_.values + order[i] * rows_.dim, rows_.dim, gathered_.data() + i * rows_.dim);
    gathered_norms_[i] = rows_.squared_norms[order[i]];
  }
  packed_rows_.resize(layout_.cell_rows() * screen_.kernel().row_bytes(screen_.packed_dim()));
  screen_.pack_cell(gathered_.data(), gathered_norms_.data(), rows, packed_rows_.data());
  return packed_rows_.data();
}

}  // namespace latentknn
