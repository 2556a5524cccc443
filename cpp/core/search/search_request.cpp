#include "search/search_request.h"

namespace latentknn {

void write_answer(const SearchRequest& request, const Rows& rows, std::size_t query,
                  const std::vector<ScoredRow>& best) {
  for (std::size_t i = 0; i < request.k; ++i) {
    const std::size_t at = query * request.k + i;
    const ScoredRow& found = best[i];
    request.similarities[at] = static_cast<float>(found.score) + 0.0f;  // -0 becomes +0
    request.positions[at] = found.row;
    request.ids[at] = rows.ids == nullptr ? found.row : rows.ids[found.row];
    if (request.scores64 != nullptr) request.scores64[at] = found.score;
  }
}

AnswerSink::AnswerSink(const SearchRequest& request, const Rows& rows, std::size_t shards)
    : request_(request), rows_(rows), shards_(shards), thresholds_(shards > 1 ? request.queries.rows : 0) {
  if (shards_ > 1) partial_.resize(request.queries.rows * shards_);
  for (std::atomic<double>& threshold : thresholds_) threshold = -std::numeric_limits<double>::infinity();
}

void AnswerSink::raise_threshold(std::size_t query, double value) {
  if (shards_ == 1) return;
  double known = thresholds_[query].load(std::memory_order_relaxed);
  while (known < value && !thresholds_[query].compare_exchange_weak(known, value, std::memory_order_relaxed)) {
  }
}

void AnswerSink::put(std::size_t query, std::size_t shard, TopK& best) {
  if (shards_ == 1) {
    write_answer(request_, rows_, query, best.sorted());
  } else {
    partial_[query * shards_ + shard] = best.sorted();
  }
}

void AnswerSink::merge() {
  if (shards_ == 1) return;
  TopK best(request_.k, rows_.ids);
  for (std::size_t query = 0; query < request_.queries.rows; ++query) {
    best.clear();
    for (std::size_t shard = 0; shard < shards_; ++shard) {
      for (const ScoredRow& found : partial_[query * shards_ + shard]) best.push(found.score, found.row);
    }
    write_answer(request_, rows_, query, best.sorted());
  }
}

}  // namespace latentknn
