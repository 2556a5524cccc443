// The search of one block of queries in one shard of the database: a screen leaves candidates, which are
// then scored exactly.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned_buffer.h"
#include "block_scorer.h"
#include "screening/screen.h"
#include "search_request.h"
#include "top_k.h"

namespace latentknn {

class BlockSearch {
 public:
  BlockSearch(const KernelTable& kernels, const Screen& screen, const Rows& rows, const SearchRequest& request)
      : screen_(screen),
        rows_(rows),
        request_(request),
        scorer_(kernels, rows),
        unscreened_(screen.unscreened_rows()) {}

  // Finds the best rows of tiles [tile_begin, tile_end) for each of the request's queries named in
  // `queries`, and hands them over.
  void search(std::vector<std::size_t> queries, std::size_t tile_begin, std::size_t tile_end, std::size_t shard,
              AnswerSink& sink);

  // Bytes of the candidate lists of one query.
  static std::size_t candidate_bytes(const Screen& screen, std::size_t k);

 private:
  struct Candidate {
    float score;  // screened
    std::uint32_t row;
  };
  static bool by_score(const Candidate& a, const Candidate& b) { return a.score > b.score; }
  struct CandidateList {
    Candidate* candidates;
    std::size_t size;
  };

  // Some of the tiles, spread evenly over all.
  struct Pass {
    std::size_t step;  // every so manyth
    std::size_t skip;  // but none whose number this divides; 0: none left out
  };

  std::vector<std::size_t> search_in(const std::vector<Pass>& passes, std::size_t tile_begin, std::size_t tile_end,
                                     std::size_t shard, AnswerSink& sink);
  void start();
  void add_unscreened(std::size_t tile_begin, std::size_t tile_end);
  void visit(const Pass& pass, std::size_t tile_begin, std::size_t tile_end);
  void guess_cutoffs(double seen);
  void score_candidates();
  std::vector<std::size_t> hand_over(std::size_t shard, AnswerSink& sink);

  void take_hits();
  bool is_unscreened(std::uint32_t row) const {
    return std::binary_search(unscreened_.begin(), unscreened_.end(), row);
  }
  double screened_at(std::size_t q, std::size_t rank);
  template <class Keep>
  void keep(std::size_t q, const Keep& wanted);
  void make_room(std::size_t q);
  void exclude(std::size_t q);
  void raise_cutoff(std::size_t q, double value);
  double proven_cutoff(std::size_t q) const;
  void tighten(std::size_t q);
  void score_likeliest(std::size_t q);
  void score_list(std::size_t q);
  template <class Few>
  void score_pairs(const Few& few);
  void take_likeliest(std::size_t q, std::size_t few);
  void score_taken(std::size_t q, std::size_t begin, std::size_t end);
  std::size_t first_group(std::size_t q) const;

  const Screen& screen_;
  const Rows& rows_;
  const SearchRequest& request_;
  std::vector<std::size_t> queries_;  // of the request
  BlockScorer scorer_;
  std::vector<std::uint32_t> unscreened_;
  std::vector<double> errors_;
  AlignedBuffer<char> packed_;
  std::vector<float> cutoffs_;
  AlignedBuffer<char> packed_cutoffs_;  // as the kernel takes them
  std::vector<float> guesses_;          // cutoffs that nothing has proven yet
  ScreenTask task_{};
  std::vector<Hit> hits_;
  std::size_t capacity_ = 0;  // of a list
  AlignedBuffer<Candidate> candidates_;
  std::vector<CandidateList> lists_;
  std::vector<TopK> best_;
  std::vector<float> selection_;
  std::vector<Candidate> taken_;
  std::vector<std::uint32_t> batch_;
  std::vector<BlockScorer::Pair> pairs_;
};

}  // namespace latentknn
