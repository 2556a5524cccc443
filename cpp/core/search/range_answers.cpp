#include "search/range_answers.h"

#include <algorithm>
#include <string>

namespace latentknn {
namespace {

constexpr std::size_t kQueriesPerTask = 64;

}  // namespace

struct RangeAnswers::FoundOrder {
  Wanted wanted;
  bool operator()(const Found& a, const Found& b) const {
    if (wanted == Wanted::by_position) return a.position < b.position;
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  }
};

RangeAnswers::RangeAnswers(std::size_t queries, Wanted wanted, std::uint64_t most)
    : wanted_(wanted), most_(most), counts_(queries, 0), pieces_(wanted == Wanted::counts ? 0 : queries) {}

std::size_t RangeAnswers::add_part(const Rows& rows) {
  parts_.push_back(rows);
  return parts_.size() - 1;
}

void RangeAnswers::note(std::size_t more) {
  const std::uint64_t noted = noted_.fetch_add(more, std::memory_order_relaxed) + more;
  if (noted > most_) {
    throw TooManyFound("more than " + std::to_string(most_) + " rows are in range");
  }
}

void RangeAnswers::put(std::size_t query, std::size_t part, std::size_t count, std::vector<ScoredRow>& rows) {
  if (count == 0) return;
  query += first_query_;
  if (!counts_only()) sort(rows, parts_[part]);
  const std::lock_guard lock(locks_[query % kLocks]);
  counts_[query] += count;
  if (!counts_only()) pieces_[query].push_back({part, std::vector<ScoredRow>(rows)});
}

void RangeAnswers::sort(std::vector<ScoredRow>& rows, const Rows& of) const {
  if (wanted_ == Wanted::by_similarity) {
    sort_rows(rows, [](const ScoredRow& row) { return -row.score; }, ContractOrder(of.ids));
  } else {
    // Positions ascend as rows do.
    sort_rows(
        rows, [](const ScoredRow& row) { return static_cast<double>(row.row); },
        [](const ScoredRow& a, const ScoredRow& b) { return a.row < b.row; });
  }
}

// Merges the pieces of a query, neighbours first, so that each row moves only once for each doubling of their length.
void RangeAnswers::merge(const std::vector<Piece>& pieces, std::vector<Found>& all) const {
  std::vector<std::ptrdiff_t> begins{0};
  all.clear();
  for (const Piece& piece : pieces) {
    const Rows& rows = parts_[piece.part];
    for (const ScoredRow& found : piece.rows) {
      all.push_back({found.score, rows.id(found.row), rows.position(found.row)});
    }
    begins.push_back(static_cast<std::ptrdiff_t>(all.size()));
  }
  for (std::size_t step = 1; step < pieces.size(); step *= 2) {
    for (std::size_t i = 0; i + step < pieces.size(); i += 2 * step) {
      ThreadPool::check_interrupt();
      std::inplace_merge(all.begin() + begins[i], all.begin() + begins[i + step],
                         all.begin() + begins[std::min(i + 2 * step, pieces.size())], FoundOrder{wanted_});
    }
  }
}

void RangeAnswers::write(const RangeArrays& arrays, std::size_t threads, const ThreadPool::Poll& poll) {
  const std::size_t queries = counts_.size(), tasks = (queries + kQueriesPerTask - 1) / kQueriesPerTask;
  std::vector<std::size_t> begins(queries + 1, 0);
  for (std::size_t query = 0; query < queries; ++query) begins[query + 1] = begins[query] + counts_[query];
  const auto write_one = [&](std::size_t at, double score, std::int64_t id, std::int64_t position) {
    arrays.similarities[at] = static_cast<float>(score) + 0.0f;  // turns -0 into +0
    arrays.ids[at] = id;
    arrays.positions[at] = position;
    if (arrays.scores64 != nullptr) arrays.scores64[at] = score;
  };
  const auto task = [&](std::size_t index) {
    std::vector<Found> all;
    for (std::size_t query = index * kQueriesPerTask; query < std::min((index + 1) * kQueriesPerTask, queries);
         ++query) {
      ThreadPool::check_interrupt();
      const std::vector<Piece> pieces = std::move(pieces_[query]);
      std::size_t at = begins[query];
      if (pieces.size() == 1) {
        const Rows& rows = parts_[pieces[0].part];
        for (const ScoredRow& found : pieces[0].rows) {
          write_one(at++, found.score, rows.id(found.row), rows.position(found.row));
        }
        continue;
      }
      merge(pieces, all);
      for (const Found& found : all) write_one(at++, found.score, found.id, found.position);
    }
  };
  constexpr double kWritten = 32.0;  // the work of writing a row, in multiply-adds
  ThreadPool::shared().run_sized(kWritten * static_cast<double>(begins[queries]), tasks, threads, task, poll);
}

}  // namespace latentknn
