#include "search/merged_answers.h"

namespace latentknn {
namespace {

// The answer of one query, read from its begin.
class Reader {
 public:
  Reader(const FoundRows& found, std::size_t query) : found_(found), at_(query * found.k), end_(at_ + found.k) {}

  bool ended() const { return at_ == end_ || found_.positions[at_] == AnswerArrays::kNone; }
  bool precedes(const Reader& other) const {
    if (other.ended()) return true;
    if (score() != other.score()) return score() > other.score();
    return id() < other.id();
  }
  double score() const { return found_.scores64[at_]; }
  std::int64_t id() const { return found_.ids[at_]; }
  std::int64_t position() const { return found_.positions[at_]; }
  void next() { ++at_; }

 private:
  const FoundRows& found_;
  std::size_t at_;
  std::size_t end_;
};

}  // namespace

void merge_answers(const FoundRows& first, const FoundRows& second, std::size_t queries, std::size_t k,
                   const AnswerArrays& merged) {
  for (std::size_t query = 0; query < queries; ++query) {
    Reader a(first, query), b(second, query);
    for (std::size_t at = query * k; at < (query + 1) * k; ++at) {
      if (a.ended() && b.ended()) {
        write_none(merged, at);
        continue;
      }
      Reader& best = !a.ended() && a.precedes(b) ? a : b;
      merged.similarities[at] = static_cast<float>(best.score()) + 0.0f;  // turns -0 into +0
      merged.positions[at] = best.position();
      merged.ids[at] = best.id();
      merged.scores64[at] = best.score();
      best.next();
    }
  }
}

}  // namespace latentknn
