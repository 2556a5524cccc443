#include "search/merged_answers.h"

namespace latentknn {
namespace {

// The answer of one query, read from its begin.
class Reader {
 public:
  Reader(const FoundRows& found, std::size_t query) : found_(&found), at_(query * found.k), end_(at_ + found.k) {}

  bool ended() const { return at_ == end_ || found_->positions[at_] == AnswerArrays::kNone; }
  bool precedes(const Reader& other) const {
    if (score() != other.score()) return score() > other.score();
    return id() < other.id();
  }
  double score() const { return found_->scores64[at_]; }
  std::int64_t id() const { return found_->ids[at_]; }
  std::int64_t position() const { return found_->positions[at_]; }
  void next() { ++at_; }

 private:
  const FoundRows* found_;
  std::size_t at_;
  std::size_t end_;
};

}  // namespace

void merge_answers(const std::vector<FoundRows>& found, std::size_t begin, std::size_t end, std::size_t k,
                   const AnswerArrays& merged) {
  std::vector<Reader> readers;
  for (std::size_t query = begin; query < end; ++query) {
    readers.clear();
    for (const FoundRows& each : found) readers.emplace_back(each, query);
    for (std::size_t at = query * k; at < (query + 1) * k; ++at) {
      Reader* best = nullptr;
      for (Reader& reader : readers) {
        if (!reader.ended() && (best == nullptr || reader.precedes(*best))) best = &reader;
      }
      if (best == nullptr) {
        write_none(merged, at);
        continue;
      }
      merged.similarities[at] = static_cast<float>(best->score()) + 0.0f;  // turns -0 into +0
      merged.positions[at] = best->position();
      merged.ids[at] = best->id();
      if (merged.scores64 != nullptr) merged.scores64[at] = best->score();
      best->next();
    }
  }
}

}  // namespace latentknn
