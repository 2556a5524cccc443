#include "search/given_candidates.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "search/answers.h"
#include "search/exact_scorer.h"

namespace latentknn {

std::vector<std::int64_t> given_candidates(const std::int64_t* positions, std::size_t count, std::size_t row_count) {
  std::vector<std::int64_t> given;
  for (std::size_t i = 0; i < count; ++i) {
    if (positions[i] < 0) continue;
    if (static_cast<std::uint64_t>(positions[i]) >= row_count) {
      throw std::invalid_argument("position " + std::to_string(positions[i]) + " is not one of the " +
                                  std::to_string(row_count) + " rows");
    }
    given.push_back(positions[i]);
  }
  std::sort(given.begin(), given.end());
  given.erase(std::unique(given.begin(), given.end()), given.end());
  return given;
}

void score_candidates(const Search& search) {
  std::vector<std::uint32_t> all(search.rows.count);
  std::iota(all.begin(), all.end(), std::uint32_t{0});
  ExactScorer scorer(search);
  scorer.start({0});
  TopK best(search.request.k, search.rows.ids);
  scorer.score(0, all.data(), all.size(), best);
  write_answer(search, 0, best.sorted());
}

}  // namespace latentknn
