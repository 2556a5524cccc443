// The owned rows of an index and everything derived from them.
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

// How a database searches, and what that took so far.
struct Explanation {
  const char* strategy;
  const char* arithmetic;  // of the screen; float64: there is none
  std::size_t rows;
  std::size_t screened_dims;
  std::size_t unscreened_rows;  // that every search scores, as the screen does not suit them
  std::vector<Consideration> considered;
  std::uint64_t queries;        // of all searches so far
  std::uint64_t screened_rows;  // by those searches; the others were out of reach
  std::uint64_t finer_rows;     // of screened_rows: by finer screens than the one that searches begin on
  std::uint64_t scored_rows;    // exactly, by those searches
};

// Safe from several threads: searches run side by side, changes wait for them.
class Database {
 public:
  Database(std::size_t dim, Strategy strategy);

  std::size_t dim() const { return dim_; }
  // Never waits, so that it may be asked while a lock of the caller's is held.
  std::size_t size() const { return count_.load(); }
  const char* isa() const { return kernels_.name; }
  // The screen that compares the rows the fastest; before there are any, the strategy that was asked for.
  const char* strategy() const;

  Explanation explain() const;

  // Appends rows, all or none. `ids` is null as long as no row has an id of its own: the position is
  // the id then. Throws InvalidRow, std::bad_alloc, std::length_error beyond 2^32 - 1 rows, Interrupted.
  void add(const Matrix& rows, const std::int64_t* ids, std::size_t threads, const ThreadPool::Poll& poll);

  // Removes the rows whose flag is zero; the others keep their order and their ids. Throws
  // std::invalid_argument unless there is one flag a row.
  void keep(const std::uint8_t* flags, std::size_t flag_count, std::size_t threads);

  // Copies all rows, (count, dim) float32; false where the database holds another number of rows by now.
  bool copy_rows(float* out, std::size_t count) const;

  // Fills the request's outputs. Throws std::invalid_argument unless there is one `allowed` flag a row and
  // 1 <= k <= the number of admitted rows, InvalidRow, Interrupted.
  void search(const SearchRequest& request) const;

  // Every row against all others; `request.queries` is ignored but for its number of rows, which the
  // outputs are made for: false where the database holds another number by now.
  bool search_self(const SearchRequest& request) const;

  // The k best of each query's own candidates; see search/given_candidates.h.
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
  Ladder ladder_;                   // empty: no screening
  std::unique_ptr<Layout> layout_;  // of the rows, where they are screened; null before there are any
  std::vector<Consideration> considered_;
  std::size_t chosen_for_ = 0;  // rows that there were when the screen was chosen
  AlignedBuffer<float> values_;
  AlignedBuffer<double> squared_norms_;
  std::vector<std::int64_t> ids_;  // empty: positions
  std::atomic<std::size_t> count_{0};
  mutable SearchStatistics statistics_;
  mutable ForkAwareMutex mutex_;
};

// Searches of this process so far, by instruction set: tests prove by it that they exercised each.
std::vector<std::pair<std::string, std::uint64_t>> searches_by_isa();

}  // namespace latentknn
