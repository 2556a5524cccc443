// A database owns the rows of an index and everything that is derived from them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "choice/choose_screen.h"
#include "choice/strategy.h"
#include "layout/layout.h"
#include "platform/aligned_buffer.h"
#include "platform/fork_aware_mutex.h"
#include "rows/convert.h"
#include "search/queries.h"
#include "search/search_request.h"

namespace latentknn {

// How a database searches, and what its searches have done so far.
struct Explanation {
  const char* strategy;
  const char* arithmetic;  // arithmetic of the cheapest screen; float64 where there is no screen
  std::size_t rows;
  std::size_t screened_dims;
  std::size_t unscreened_rows;  // rows that do not suit a screen: every search scores them
  std::vector<Consideration> considered;
  std::uint64_t queries;        // queries of all searches so far
  std::uint64_t screened_rows;  // pairs of a query and a row that were screened; the others were out of reach
  std::uint64_t finer_rows;     // pairs screened on finer rungs than the one that searches begin on
  std::uint64_t scored_rows;    // pairs that were scored exactly
};

// Several threads may use a database: searches go on side by side, and changes wait for them.
class Database {
 public:
  Database(std::size_t dim, Strategy strategy);

  std::size_t dim() const { return dim_; }
  // Never waits, so a caller may ask while it holds a lock of its own.
  std::size_t size() const { return count_.load(); }
  const char* isa() const { return kernels_.name; }
  // The name of the screen that compares rows the fastest; before there are rows, of the strategy that was asked for.
  const char* strategy() const;

  Explanation explain() const;

  // Appends rows, all or none. `ids` is null as long as no row has an id of its own; then a row's id is its position.
  // Throws InvalidRow, std::bad_alloc, std::length_error beyond 2^32 - 1 rows, Interrupted.
  void add(const Matrix& rows, const std::int64_t* ids, std::size_t threads, const ThreadPool::Poll& poll);

  // Removes the rows whose flag is zero; the others keep their order and their ids. Throws
  // std::invalid_argument unless there is one flag a row.
  void keep(const std::uint8_t* flags, std::size_t flag_count, std::size_t threads);

  // Copies `count` rows from row `first` on to `out`, (count, dim). Returns false where there are not so many by now.
  bool copy_rows(float* out, std::size_t first, std::size_t count) const;

  // Fills the request's outputs. Throws InvalidRow, Interrupted, and std::invalid_argument unless there is one
  // `allowed` flag a row and 1 <= k <= the number of admitted rows.
  void search(const SearchRequest& request) const;

  // Searches for every row among all others. Of `request.queries` only the number of rows counts, for which the
  // outputs are made. Returns false where the database holds another number of rows by now.
  bool search_self(const SearchRequest& request) const;

  // Finds the k best of each query's own candidates; see search/given_candidates.h.
  void score(const SearchRequest& request, const std::int64_t* positions, std::size_t per_query) const;

 private:
  void take_back(std::size_t count, bool had_ids);
  void derive(std::size_t first, std::size_t threads, const ThreadPool::Poll& poll);
  void choose(std::size_t threads, const ThreadPool::Poll& poll);
  bool pack(Ladder& ladder, const Layout& layout, std::size_t first, std::size_t threads,
            const ThreadPool::Poll& poll) const;
  static std::size_t admitted_rows(const Rows& rows, const SearchRequest& request, bool among_themselves);
  void search_among(const Rows& rows, const Queries& queries, const SearchRequest& request,
                    bool among_themselves) const;
  Rows view() const;

  std::size_t dim_;
  const KernelTable& kernels_;
  Strategy strategy_;
  Ladder ladder_;                   // empty where nothing is screened
  std::unique_ptr<Layout> layout_;  // places of the rows, where they are screened; null before there are rows
  std::vector<Consideration> considered_;
  std::size_t chosen_for_ = 0;  // number of rows when the screen was chosen
  AlignedBuffer<float> values_;
  AlignedBuffer<double> squared_norms_;
  std::vector<std::int64_t> ids_;  // empty where positions are the ids
  std::atomic<std::size_t> count_{0};
  mutable SearchStatistics statistics_;
  mutable ForkAwareMutex mutex_;
};

// Counts the searches of this process by instruction set. Tests prove by it that they exercised each set.
std::vector<std::pair<std::string, std::uint64_t>> searches_by_isa();

}  // namespace latentknn
