// The search of one block of queries in one shard of the database: a screen leaves candidates, which are
// then scored exactly.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "block_scorer.h"
#include "layout/cell_visits.h"
#include "layout/layout.h"
#include "layout/placed_queries.h"
#include "screening/screen.h"
#include "search_request.h"
#include "top_k.h"

namespace latentknn {

class BlockSearch {
 public:
  BlockSearch(const KernelTable& kernels, const Screen& screen, const Layout& layout, const Rows& rows,
              const SearchRequest& request)
      : screen_(screen),
        layout_(layout),
        rows_(rows),
        request_(request),
        scorer_(kernels, rows),
        cell_visits_(layout, screen.kernel().query_tile),
        unscreened_(screen.unscreened_places()) {}

  // Finds the best rows at the places of cells [cell_begin, cell_end) for queries [begin, end) of `placed`, and
  // hands them over.
  void search(const PlacedQueries& placed, std::size_t begin, std::size_t end, std::size_t cell_begin,
              std::size_t cell_end, std::size_t shard, AnswerSink& sink);

  // Bytes of the candidate lists of one query.
  static std::size_t candidate_bytes(const Screen& screen, std::size_t cell_rows, std::size_t k);

 private:
  struct Candidate {
    float score;  // screened
    std::uint32_t place;
  };
  static bool by_score(const Candidate& a, const Candidate& b) { return a.score > b.score; }
  struct CandidateList {
    Candidate* candidates;
    std::size_t size;
  };

  void start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells, AnswerSink& sink);
  void add_unscreened();
  void visit(std::size_t width);
  void list_visits(Window cells);
  void exchange_thresholds();
  double still_wanted(std::size_t q) const;
  void score_cell(std::size_t cell, std::size_t query_tile);
  void find_crowded();
  void score_some();
  void score_candidates();
  void hand_over(std::size_t shard);

  void take_hits();
  bool is_unscreened(std::uint32_t place) const {
    return std::binary_search(unscreened_.begin(), unscreened_.end(), place);
  }
  double screened_at(std::size_t q, std::size_t rank);
  float select(std::size_t rank);
  template <class Keep>
  void keep(std::size_t q, const Keep& wanted);
  void make_room(std::size_t q);
  void exclude(std::size_t q);
  void raise_cutoff(std::size_t q, double value);
  void tighten(std::size_t q);
  void score_likeliest(std::size_t q);
  void score_list(std::size_t q);
  template <class Few>
  void score_pairs(const Few& few);
  void take_likeliest(std::size_t q, std::size_t few);
  void score_taken(std::size_t q, std::size_t begin, std::size_t end);

  const Screen& screen_;
  const Layout& layout_;
  const Rows& rows_;
  const SearchRequest& request_;
  AnswerSink* sink_ = nullptr;
  std::vector<std::size_t> queries_;  // of the request
  BlockScorer scorer_;
  CellVisits cell_visits_;
  std::vector<std::uint32_t> unscreened_;
  std::vector<double> errors_;
  AlignedBuffer<char> packed_;
  std::vector<float> cutoffs_;
  AlignedBuffer<char> packed_cutoffs_;  // as the kernel takes them
  std::vector<double> looked_for_;      // of each query: similarities of at least so much, in this run
  std::vector<bool> crowded_;           // of each tile of queries: screening leaves too much
  std::vector<std::size_t> compared_;   // of each tile of queries: screened pairs of this visit,
  std::vector<std::size_t> left_;       // of each query: those of them that screening has left
  Window cells_{0, 0};                  // that are searched
  std::vector<TileVisit> visits_;
  std::vector<std::uint32_t> query_tiles_;
  std::uint64_t screened_rows_ = 0;
  ScreenTask task_{};
  std::vector<Hit> hits_;
  std::size_t capacity_ = 0;      // of a list
  std::size_t scored_first_ = 0;  // rows of a list: as many as are wanted, or a few more
  AlignedBuffer<Candidate> candidates_;
  std::vector<CandidateList> lists_;
  std::vector<TopK> best_;
  std::vector<float> selection_;
  std::vector<Candidate> taken_;
  std::vector<std::uint32_t> batch_;
  RowRun run_;
  std::vector<BlockScorer::Pair> pairs_;
};

}  // namespace latentknn
