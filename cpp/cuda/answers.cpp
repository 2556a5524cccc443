#include "answers.h"

#include <algorithm>
#include <utility>

#include "platform/float_environment.h"
#include "platform/thread_pool.h"

namespace latentknn::cuda {
namespace {

constexpr std::size_t kNeighboursPerTask = 4096;  // some 20 microseconds of work
constexpr double kWorkPerNeighbour = 200.0;       // in multiply-adds; most of it is the first use of memory

}  // namespace

// The memory of a thread that merges two lists.
struct Answers::Scratch {
  std::vector<std::int64_t> positions, best_positions;
  std::vector<double> best_scores;
};

Answers::Answers(const AnswerArrays& arrays, std::size_t queries, std::size_t k, std::size_t rows, const RowIds& ids,
                 std::size_t threads)
    : arrays_(arrays),
      k_(k),
      rows_(rows),
      ids_(ids),
      threads_(threads),
      failed_(queries),
      widths_(queries),
      scores_(arrays.scores64) {}

void Answers::merge(const BatchAnswers& found, std::size_t rows, const Numbering& numbering) {
  const std::lock_guard lock(mutex_);
  if (rows < rows_ && scores_ == nullptr) {
    own_scores_.resize(failed_.size() * k_);
    scores_ = own_scores_.data();
  }
  for (std::size_t i = 0; i < found.count; ++i) {
    finite_ = finite_ && found.failed[i] != kNotFinite;
    if (found.failed[i] != 0) failed_[found.first + i] = 1;
  }
  const std::size_t queries_per_task = std::max<std::size_t>(kNeighboursPerTask / found.k, 1);
  const auto task = [&](std::size_t number) {
    const DefaultFloatEnvironment environment;
    Scratch scratch;
    const std::size_t begin = number * queries_per_task, end = std::min(begin + queries_per_task, found.count);
    for (std::size_t i = begin; i < end; ++i) {
      if (failed_[found.first + i] != 0) continue;
      merge(found.first + i, found.scores + i * found.k, found.numbers + i * found.k, found.k, numbering, scratch);
    }
  };
  const double work = kWorkPerNeighbour * static_cast<double>(found.count * found.k);
  const std::size_t tasks = (found.count + queries_per_task - 1) / queries_per_task;
  ThreadPool::shared().run_sized(work, tasks, threads_, task, nullptr);
}

void Answers::merge(std::size_t query, const double* scores, const std::uint32_t* rows, std::size_t k,
                    const Numbering& numbering, Scratch& scratch) {
  std::int64_t* positions = arrays_.positions + query * k_;
  const std::size_t known = std::exchange(widths_[query], std::min(widths_[query] + k, k_));
  if (known == 0) {
    numbering.find_positions(rows, k, positions);
    if (scores_ != nullptr) std::copy_n(scores, k, scores_ + query * k_);
  } else {
    double* known_scores = scores_ + query * k_;
    scratch.positions.resize(k);
    numbering.find_positions(rows, k, scratch.positions.data());
    scratch.best_scores.clear();
    scratch.best_positions.clear();
    for (std::size_t own = 0, other = 0; own + other < widths_[query];) {
      const bool takes_own = other == k || (own < known && before(known_scores[own], positions[own], scores[other],
                                                                  scratch.positions[other]));
      scratch.best_scores.push_back(takes_own ? known_scores[own] : scores[other]);
      scratch.best_positions.push_back(takes_own ? positions[own++] : scratch.positions[other++]);
    }
    std::copy(scratch.best_scores.begin(), scratch.best_scores.end(), known_scores);
    std::copy(scratch.best_positions.begin(), scratch.best_positions.end(), positions);
    scores = known_scores;
  }
  for (std::size_t i = 0; i < widths_[query]; ++i) {
    arrays_.similarities[query * k_ + i] = static_cast<float>(scores[i]) + 0.0f;  // no minus zero
  }
  ids_.look_up(positions, widths_[query], arrays_.ids + query * k_);
}

std::vector<std::size_t> Answers::failed() const {
  if (!finite_) throw NotFinite("a query is infinite or not a number");
  std::vector<std::size_t> queries;
  for (std::size_t query = 0; query < failed_.size(); ++query) {
    if (failed_[query] != 0) queries.push_back(query);
  }
  return queries;
}

// Compares ids only if scores are equal: ids are far apart in memory.
bool Answers::before(double score, std::int64_t position, double other_score, std::int64_t other_position) const {
  if (score != other_score) return score > other_score;
  return ids_[position] < ids_[other_position];
}

}  // namespace latentknn::cuda
