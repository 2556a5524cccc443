#include "search/candidate_lists.h"

#include <algorithm>
#include <limits>

#include "platform/rounding.h"
#include "search/value_of_rank.h"

namespace latentknn {

void CandidateLists::start(std::size_t queries, std::size_t capacity) {
  capacity_ = capacity;
  rows_.resize(queries * capacity);
  lists_.assign(queries, {0, static_cast<std::uint32_t>(capacity)});
  widths_.assign(queries, {0, 0.0, std::numeric_limits<double>::infinity()});
}

void CandidateLists::set_width(std::size_t q, double width) {
  Widths& widths = widths_[q];
  if (width == widths.now) return;
  const std::size_t added = lists_[q].size - widths.older_rows;
  if (added > 0) widths.older = widest(q);
  widths.older_rows = lists_[q].size;
  widths.now = width;
}

double CandidateLists::reached_by(std::size_t q, std::size_t rank, double known) const {
  const Widths& widths = widths_[q];
  const Listed* const listed = rows(q);
  const auto reaching = [&](float least) {
    const auto above = [least](double width) { return round_up(static_cast<double>(least) + width); };
    return kernels_.count_listed(listed, widths.older_rows, above(widths.older)) +
           kernels_.count_listed(listed + widths.older_rows, lists_[q].size - widths.older_rows, above(widths.now));
  };
  return std::max(known, static_cast<double>(bound_of_rank(rank, known, reaching)));
}

void CandidateLists::take_likeliest(std::size_t q, std::size_t few, double known, std::vector<std::uint32_t>& taken) {
  taken.clear();
  const Listed* const listed = rows(q);
  const std::size_t size = lists_[q].size;
  if (few >= size) {
    for (std::size_t i = 0; i < size; ++i) taken.push_back(listed[i].place);
    clear(q);
    return;
  }
  const float least =
      bound_of_rank(few, known, [&](float value) { return kernels_.count_listed(listed, size, value); });
  keep(q, [&](const Listed& row) {
    const bool likely = row.upper >= least;
    if (likely) taken.push_back(row.place);
    return !likely;
  });
}

double CandidateLists::take_all(std::size_t q, std::vector<Listed>& taken) {
  taken.assign(rows(q), rows(q) + lists_[q].size);
  const double width = widest(q);
  clear(q);
  return width;
}

double CandidateLists::widest(std::size_t q) const {
  const Widths& widths = widths_[q];
  return widths.older_rows > 0 ? std::max(widths.older, widths.now) : widths.now;
}

void CandidateLists::clear(std::size_t q) {
  lists_[q].size = 0;
  widths_[q].older_rows = 0;
}

}  // namespace latentknn
