#include "search/exact_scorer.h"

#include <algorithm>

#include "search/rows_in_range.h"

namespace latentknn {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;  // bytes of rows that are scored together: half an L2 cache
constexpr std::size_t kAhead = 16;                           // rows that are fetched before they are needed
constexpr std::size_t kLine = 64 / sizeof(float);

}  // namespace

ExactScorer::ExactScorer(const Search& search)
    : search_(search), rows_(search.rows), padded_dim_((rows_.dim + 7) / 8 * 8) {}

void ExactScorer::start(const std::vector<std::size_t>& queries) {
  const std::size_t count = queries.size();
  squared_norms_.resize(count);
  wide_.assign(count * padded_dim_, 0.0);
  scored_rows_ = 0;
  for (std::size_t q = 0; q < count; ++q) {
    std::copy_n(search_.queries.vector(queries[q]), rows_.dim, wide_.data() + q * padded_dim_);
    squared_norms_[q] = search_.queries.squared_norms()[queries[q]];
  }
}

template <class Collected>
void ExactScorer::score(std::size_t query, const std::uint32_t* list, std::size_t count, Collected& best) {
  multiply(query, list, count);
  Threshold threshold(best.threshold());
  for (std::size_t i = 0; i < count; ++i) {
    const double row_norm = rows_.squared_norms[list[i]];
    if (threshold.excludes(products_[i], squared_norms_[query] * row_norm)) continue;
    best.push(similarity(products_[i], squared_norms_[query], row_norm), list[i]);
    threshold = Threshold(best.threshold());
  }
}

template <class Collected>
void ExactScorer::score_scattered(std::size_t query, const std::vector<std::uint32_t>& list, Collected& best) {
  std::size_t fetched = 0;
  for (std::size_t begin = 0; begin < list.size(); begin += kAhead) {
    const std::size_t end = std::min(begin + kAhead, list.size());
    for (; fetched < std::min(end + kAhead, list.size()); ++fetched) fetch(list[fetched]);
    score(query, list.data() + begin, end - begin, best);
  }
}

void ExactScorer::fetch(std::uint32_t row) const {
  const float* values = rows_.values + row * rows_.dim;
  for (std::size_t j = 0; j < rows_.dim; j += kLine) __builtin_prefetch(values + j, 0, 2);
  __builtin_prefetch(rows_.squared_norms + row, 0, 2);
}

void ExactScorer::read_cell(const Layout& layout, std::size_t cell, const PlaceSet& without, RowRun& run) const {
  const std::size_t first = cell * layout.cell_rows();
  run.distinct.clear();
  run.ends.clear();
  run.members.clear();
  for (std::size_t place = first; place < first + layout.rows_in(cell); ++place) {
    if (without.has(place)) continue;
    const std::uint32_t row = layout.order()[place];
    if (run.distinct.empty() || !layout.repeats(place)) {
      fetch(row);
      run.distinct.push_back(row);
      run.ends.push_back(run.members.size());
    }
    run.members.push_back(row);
    ++run.ends.back();
  }
}

template <class Collected>
void ExactScorer::score_run(std::size_t query, const RowRun& run, std::size_t asked, Collected& best) {
  multiply(query, run.distinct.data(), run.distinct.size());
  Threshold threshold(best.threshold());
  const bool all = search_.admits_all();
  const std::uint32_t* member = run.members.data();
  for (std::size_t i = 0; i < run.distinct.size(); ++i) {
    const double norms = squared_norms_[query] * rows_.squared_norms[run.distinct[i]];
    const std::uint32_t* const end = run.members.data() + run.ends[i];
    if (!threshold.excludes(products_[i], norms)) {
      const double score = similarity(products_[i], squared_norms_[query], rows_.squared_norms[run.distinct[i]]);
      for (; member != end; ++member) {
        if (all || search_.admits(asked, *member)) best.push(score, *member);
      }
      threshold = Threshold(best.threshold());
    }
    member = end;
  }
}

void ExactScorer::multiply(std::size_t query, const std::uint32_t* list, std::size_t count) {
  products_.resize(std::max(products_.size(), count));
  search_.kernels.dot_products(wide_.data() + query * padded_dim_, rows_.values, list, count, rows_.dim,
                               products_.data());
  scored_rows_ += count;
}

void ExactScorer::similarities(const Pair* pairs, std::size_t count, double* out) {
  search_.kernels.similarities(
      {wide_.data(), squared_norms_.data(), rows_.values, rows_.squared_norms, rows_.dim, pairs, count}, out);
  scored_rows_ += count;
}

template <class Collected>
void ExactScorer::score(const std::vector<PlacedPair>& pairs, const std::vector<std::uint32_t>& order,
                        std::vector<Collected>& best) {
  if (pairs.empty()) return;
  // This is a counting sort by chunks of places; within a chunk the pairs stay sorted by query.
  const std::size_t chunk = std::max<std::size_t>(1, kChunkBytes / (rows_.dim * sizeof(float)));
  const auto by_place = [](const PlacedPair& a, const PlacedPair& b) { return a.place < b.place; };
  const auto [least, most] = std::minmax_element(pairs.begin(), pairs.end(), by_place);
  const std::size_t first = least->place / chunk, last = most->place / chunk;
  ends_.assign(last - first + 2, 0);
  for (const PlacedPair& pair : pairs) ++ends_[pair.place / chunk - first + 1];
  for (std::size_t i = 1; i < ends_.size(); ++i) ends_[i] += ends_[i - 1];
  sorted_.resize(pairs.size());
  sorted_rows_.resize(pairs.size());
  for (const PlacedPair& pair : pairs) {
    const std::size_t at = ends_[pair.place / chunk - first]++;
    sorted_[at] = pair;
    sorted_rows_[at] = order[pair.place];
  }
  fetched_.resize(chunk, 0);
  std::size_t asked = 0;
  for (std::size_t begin = 0; begin < sorted_.size();) {
    const std::uint32_t query = sorted_[begin].query;
    std::size_t end = begin + 1;
    while (end < std::min(begin + kAhead, sorted_.size()) && sorted_[end].query == query) ++end;
    for (; asked < std::min(end + kAhead, sorted_.size()); ++asked) {
      const std::uint32_t place = sorted_[asked].place;
      const auto at = chunks_ + static_cast<std::uint32_t>(place / chunk - first + 1);
      if (fetched_[place % chunk] == at) continue;
      fetch(sorted_rows_[asked]);
      fetched_[place % chunk] = at;
    }
    score(query, sorted_rows_.data() + begin, end - begin, best[query]);
    begin = end;
  }
  chunks_ += static_cast<std::uint32_t>(last - first + 1);
}

template void ExactScorer::score(std::size_t, const std::uint32_t*, std::size_t, TopK&);
template void ExactScorer::score(std::size_t, const std::uint32_t*, std::size_t, RowsInRange&);
template void ExactScorer::score_scattered(std::size_t, const std::vector<std::uint32_t>&, TopK&);
template void ExactScorer::score_scattered(std::size_t, const std::vector<std::uint32_t>&, RowsInRange&);
template void ExactScorer::score_run(std::size_t, const RowRun&, std::size_t, TopK&);
template void ExactScorer::score_run(std::size_t, const RowRun&, std::size_t, RowsInRange&);
template void ExactScorer::score(const std::vector<PlacedPair>&, const std::vector<std::uint32_t>&, std::vector<TopK>&);

}  // namespace latentknn
