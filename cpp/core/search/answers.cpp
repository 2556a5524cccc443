#include "search/answers.h"

namespace latentknn {

bool write_answer(const Search& search, std::size_t query, const std::vector<ScoredRow>& best) {
  const AnswerArrays& arrays = search.request.answers;
  const double at_least = search.at_least(query);
  for (std::size_t i = 0; i < search.request.k; ++i) {
    const std::size_t at = query * search.request.k + i;
    if (i >= best.size() || best[i].score < at_least) {
      write_none(arrays, at);
      continue;
    }
    const ScoredRow& found = best[i];
    arrays.similarities[at] = static_cast<float>(found.score) + 0.0f;  // turns -0 into +0
    arrays.positions[at] = search.rows.position(found.row);
    arrays.ids[at] = search.rows.id(found.row);
    if (arrays.scores64 != nullptr) arrays.scores64[at] = found.score;
  }
  return search.guesses == nullptr ||
         (best.size() >= search.request.k && best[search.request.k - 1].score >= search.guesses[query]);
}

Answers::Answers(const Search& search, std::size_t shards)
    : search_(search),
      shards_(shards),
      thresholds_(shards > 1 ? search.queries.count() : 0),
      refuted_(search.queries.count()) {
  if (shards_ > 1) partial_.resize(search.queries.count() * shards_);
  for (std::atomic<double>& threshold : thresholds_) threshold = -std::numeric_limits<double>::infinity();
}

void Answers::raise_threshold(std::size_t query, double value) {
  if (shards_ == 1) return;
  double known = thresholds_[query].load(std::memory_order_relaxed);
  while (known < value && !thresholds_[query].compare_exchange_weak(known, value, std::memory_order_relaxed)) {
  }
}

void Answers::put(std::size_t query, std::size_t shard, TopK& best) {
  if (shards_ == 1) {
    refuted_[query] = !write_answer(search_, query, best.sorted());
  } else {
    partial_[query * shards_ + shard] = best.sorted();
  }
}

void Answers::merge() {
  if (shards_ == 1) return;
  TopK best(search_.request.k, search_.rows.ids);
  for (std::size_t query = 0; query < search_.queries.count(); ++query) {
    best.clear();
    for (std::size_t shard = 0; shard < shards_; ++shard) {
      for (const ScoredRow& found : partial_[query * shards_ + shard]) best.push(found.score, found.row);
    }
    refuted_[query] = !write_answer(search_, query, best.sorted());
  }
}

std::vector<std::size_t> Answers::refuted() const {
  std::vector<std::size_t> queries;
  for (std::size_t query = 0; query < refuted_.size(); ++query) {
    if (refuted_[query] != 0) queries.push_back(query);
  }
  return queries;
}

}  // namespace latentknn
