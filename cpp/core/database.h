// A database is a list of parts, whose rows it searches and changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "choice/choose_screen.h"
#include "choice/strategy.h"
#include "parts/part.h"
#include "rows/convert.h"
#include "search/queries.h"
#include "search/range_answers.h"
#include "search/search_request.h"

namespace latentknn {

// How a database searches, and what its searches have done so far.
struct Explanation {
  const char* strategy;
  const char* arithmetic;  // arithmetic of the cheapest screen; float64 where there is no screen
  std::size_t rows;
  std::size_t screened_dims;
  std::size_t unscreened_rows;  // rows of packed parts that do not suit a screen: every search scores them
  std::vector<Consideration> considered;
  std::uint64_t queries;        // queries of all searches so far
  std::uint64_t screened_rows;  // pairs of a query and a row that were screened; the others were out of reach
  std::uint64_t finer_rows;     // pairs screened on finer rungs than the one that searches begin on
  std::uint64_t scored_rows;    // pairs that were scored exactly
};

// What a database is changed to: rows that go, and rows that come behind those that stay.
struct Change {
  const std::int64_t* gone = nullptr;  // their positions, in ascending order
  std::size_t gone_count = 0;
  Matrix rows{};
  // Ids of the new rows; null where each is the number of rows that ever came before. They are looked at after the rows
  // have been written.
  const std::int64_t* ids = nullptr;
};

// A copy shares the memory of rows, and its changes are its own. Several threads may search a database. A change needs
// it alone; so who changes while others search changes a copy, and then lets others search that.
class Database {
 public:
  Database(std::size_t dim, Strategy strategy);

  // Makes a database of the rows of others, at least one, of the same dimensions, in their order, whose memory it
  // shares; it is for searches. Where `numbered`, the ids of each are its positions, and here ids are positions again;
  // else ids stay, and are distinct. Throws std::invalid_argument for different dimensions, std::length_error beyond
  // 2^32 - 1 rows.
  Database(const std::vector<const Database*>& others, bool numbered);

  std::size_t dim() const { return dim_; }
  std::size_t size() const { return count_; }
  const char* isa() const { return kernels_->name; }
  // The name of the screen that compares most rows the fastest; before there are rows, of the strategy that was asked
  // for.
  const char* strategy() const;

  Explanation explain() const;

  // Makes a change, whole or not at all. Throws InvalidRow, std::bad_alloc, std::length_error beyond 2^32 - 1 rows,
  // std::invalid_argument for positions that are none or do not ascend, Interrupted.
  void change(const Change& change, std::size_t threads, const ThreadPool::Poll& poll);

  // Appends rows, all or none. Throws what change() throws.
  void add(const Matrix& rows, const std::int64_t* ids, std::size_t threads, const ThreadPool::Poll& poll) {
    change({nullptr, 0, rows, ids}, threads, poll);
  }

  // Packs all rows together, and frees the memory of removed ones. Throws std::bad_alloc and Interrupted, and leaves
  // everything as it was then.
  void compact(std::size_t threads, const ThreadPool::Poll& poll);

  // Copies `count` rows from position `first` on to `out`, (count, dim). Throws std::invalid_argument where there are
  // not so many, and Interrupted.
  void copy_rows(float* out, std::size_t first, std::size_t count, const ThreadPool::Poll& poll) const;

  // Whether the rows have other ids than their positions.
  bool has_own_ids() const { return own_ids_ || ever_added_ != static_cast<std::int64_t>(count_); }
  // Copies all ids to `out`, size() of them.
  void copy_ids(std::int64_t* out) const;

  // Fills the request's outputs. Throws InvalidRow, Interrupted, and std::invalid_argument unless there is one
  // `allowed` flag a row and 1 <= k <= the number of admitted rows.
  void search(const SearchRequest& request) const;

  // Searches for every row among all others; the outputs are made for size() queries.
  void search_self(const SearchRequest& request) const;

  // Finds, for each query, all rows whose similarity is at least the request's at_least; its k is 0. What is found is
  // to be written before the database changes. Throws InvalidRow, Interrupted, TooManyFound, and std::invalid_argument
  // unless there is one `allowed` flag a row.
  void search_range(const SearchRequest& request, RangeAnswers& answers) const;

  // Finds, for each row of the positions [first, last), all rows behind it whose similarity is at least the request's
  // at_least of the row. Throws std::invalid_argument where there are no such positions, and what search_range()
  // throws.
  void search_range_behind(std::size_t first, std::size_t last, const SearchRequest& request,
                           RangeAnswers& answers) const;

  // Finds the k best of each query's own candidates, (queries, per_query) positions, where negative numbers stand for
  // nothing. Throws std::invalid_argument where k is 0, a query has fewer than k, or a position is not one of a row.
  void score(const SearchRequest& request, const std::int64_t* positions, std::size_t per_query) const;

 private:
  PartMaker maker(std::size_t threads, const ThreadPool::Poll& poll) const;
  void remove(std::vector<Part>& parts, const Change& change) const;
  void append(std::vector<Part>& parts, const NewRows& rows, const PartMaker& maker) const;
  const Part* largest_packed() const;
  void check_positions(std::size_t first, std::size_t count) const;
  void add_to_counts(const SearchStatistics& search, std::size_t queries) const;

  std::size_t dim_;
  const KernelTable* kernels_;
  Strategy strategy_;
  std::vector<Part> parts_;      // in the order of their rows; only the last of a database may be unpacked
  std::size_t count_ = 0;        // rows that were not removed
  std::int64_t ever_added_ = 0;  // rows that ever came
  bool own_ids_ = false;         // whether some rows came with ids
  std::shared_ptr<SearchStatistics> statistics_;  // counts of searches among these rows; copies share them
};

// Counts the searches of this process by instruction set. Tests prove by it that they exercised each set.
std::vector<std::pair<std::string, std::uint64_t>> searches_by_isa();

}  // namespace latentknn
