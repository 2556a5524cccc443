#include "search/range_answers.h"

#include <algorithm>
#include <string>

namespace latentknn {
namespace {

constexpr std::size_t kQueriesPerTask = 64;
constexpr std::size_t kLeastMemory = std::size_t{1} << 12, kMostMemory = std::size_t{1} << 20;  // float64 of a block

// Returns a similarity as it is written: -0 becomes +0.
float rounded(double score) { return static_cast<float>(score) + 0.0f; }

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

void RangeAnswers::put(std::size_t query, std::size_t part, std::size_t count, AlignedBuffer<ScoredRow>& rows) {
  if (count == 0) return;
  query += first_query_;
  Piece piece{};
  if (!counts_only()) {
    sort(rows, parts_[part]);
    piece = room_for(part, count);
    for (std::size_t i = 0; i < count; ++i) {
      piece.scores[i] = rows[i].score;
      piece.rows[i] = rows[i].row;
    }
  }
  const std::lock_guard lock(locks_[query % kLocks]);
  counts_[query] += count;
  if (!counts_only()) pieces_[query].push_back(piece);
}

void RangeAnswers::sort(AlignedBuffer<ScoredRow>& rows, const Rows& of) const {
  if (wanted_ == Wanted::by_similarity) {
    ContractOrder(of.ids).sort(rows);
  } else {
    // Positions ascend as rows do.
    sort_rows(
        rows, [](const ScoredRow& a, const ScoredRow& b) { return a.row < b.row; },
        [](const ScoredRow& row) { return static_cast<double>(row.row); });
  }
}

RangeAnswers::Piece RangeAnswers::room_for(std::size_t part, std::size_t count) {
  // A row takes one and a half float64.
  const std::size_t size = count + (count + 1) / 2;
  const std::lock_guard lock(memory_mutex_);
  if (memory_.empty() || memory_.back().size() - used_ < size) {
    const std::size_t last = memory_.empty() ? 0 : memory_.back().size();
    AlignedBuffer<double> more;
    more.resize(std::max(size, std::clamp(2 * last, kLeastMemory, kMostMemory)));
    memory_.push_back(std::move(more));
    used_ = 0;
  }
  double* const scores = memory_.back().data() + used_;
  used_ += size;
  return {part, count, scores, reinterpret_cast<std::uint32_t*>(scores + count)};
}

// Merges the pieces of a query, neighbours first, so that each row moves only once for each doubling of their length.
void RangeAnswers::merge(const std::vector<Piece>& pieces, std::vector<Found>& all) const {
  std::vector<std::ptrdiff_t> begins{0};
  all.clear();
  for (const Piece& piece : pieces) {
    const Rows& rows = parts_[piece.part];
    for (std::size_t i = 0; i < piece.count; ++i) {
      all.push_back({piece.scores[i], rows.id(piece.rows[i]), rows.position(piece.rows[i])});
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

void RangeAnswers::write_piece(const Piece& piece, std::size_t at, const RangeArrays& arrays) const {
  const Rows& rows = parts_[piece.part];
  for (std::size_t i = 0; i < piece.count; ++i) arrays.similarities[at + i] = rounded(piece.scores[i]);
  for (std::size_t i = 0; i < piece.count; ++i) arrays.positions[at + i] = rows.position(piece.rows[i]);
  for (std::size_t i = 0; i < piece.count && arrays.ids != nullptr; ++i) arrays.ids[at + i] = rows.id(piece.rows[i]);
  if (arrays.scores64 != nullptr) std::copy_n(piece.scores, piece.count, arrays.scores64 + at);
}

void RangeAnswers::write(const RangeArrays& arrays, std::size_t threads, const ThreadPool::Poll& poll) const {
  const std::size_t queries = counts_.size(), tasks = (queries + kQueriesPerTask - 1) / kQueriesPerTask;
  std::vector<std::size_t> begins(queries + 1, 0);
  for (std::size_t query = 0; query < queries; ++query) begins[query + 1] = begins[query] + counts_[query];
  const auto task = [&](std::size_t index) {
    std::vector<Found> all;
    for (std::size_t query = index * kQueriesPerTask; query < std::min((index + 1) * kQueriesPerTask, queries);
         ++query) {
      ThreadPool::check_interrupt();
      const std::vector<Piece>& pieces = pieces_[query];
      std::size_t at = begins[query];
      if (pieces.size() == 1) {
        write_piece(pieces[0], at, arrays);
        continue;
      }
      merge(pieces, all);
      for (const Found& found : all) {
        arrays.similarities[at] = rounded(found.score);
        if (arrays.ids != nullptr) arrays.ids[at] = found.id;
        arrays.positions[at] = found.position;
        if (arrays.scores64 != nullptr) arrays.scores64[at] = found.score;
        ++at;
      }
    }
  };
  constexpr double kWritten = 32.0;  // the work of writing a row, in multiply-adds
  ThreadPool::shared().run_sized(kWritten * static_cast<double>(begins[queries]), tasks, threads, task, poll);
}

}  // namespace latentknn
