#include "search/range_block.h"

namespace latentknn {
namespace {

constexpr std::size_t kTriedAmong = 64;  // cells from which rungs are tried before them

}  // namespace

void RangeBlock::search(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells,
                        std::size_t part) {
  start(placed, begin, end, cells);
  second_.start(queries_);
  score_unscreened(cells);
  const std::size_t all = cells.end - cells.begin;
  visits_.widen(all);
  if (all >= kTriedAmong) choice_.choose_rungs();
  compare_wanted([] {});
  second_.score_all();
  second_.hand_over(part);
  count_screened();
}

}  // namespace latentknn
