// Searches of a database of several parts. Each part is searched by itself, for what is at least as similar as the k
// best of the parts before, or as a range search asks; what is found in all parts is merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "parts/part.h"
#include "search/queries.h"
#include "search/range_answers.h"
#include "search/search.h"
#include "search/search_request.h"

namespace latentknn {

// The parts of a database as its searches see them.
struct PartSearch {
  const KernelTable& kernels;
  const std::vector<Part>& parts;
  std::size_t dim;
  const SearchRequest& request;  // its flags, where there are any, are by position
  SearchStatistics& statistics;

  // Searches all parts for queries. Throws std::invalid_argument unless there is one `allowed` flag a row and
  // 1 <= k <= the number of admitted rows; Interrupted.
  void search(const Queries& queries) const;

  // Searches for every row among all others; `request` has no flags. Throws what search() throws.
  void search_self() const;

  // Finds all rows that are in range of each query; the request's k is 0. Throws TooManyFound, Interrupted, and
  // std::invalid_argument unless there is one `allowed` flag a row.
  void search_range(const Queries& queries, RangeAnswers& answers) const;

  // Finds all rows that are in range of each row of the positions [first, last) and stand behind it. The request has no
  // flags; its at_least is by row. Throws what search_range() throws.
  void search_range_behind(std::size_t first, std::size_t last, RangeAnswers& answers) const;

  // Finds the k best of each query's own candidates, (queries, per_query) positions; see search/given_candidates.h.
  void score(const Queries& queries, const std::int64_t* positions, std::size_t per_query) const;

 private:
  struct Admitted;
  struct Batch;
  struct PartRequest;
  class BestSoFar;

  std::size_t size() const;
  std::vector<Admitted> admitted() const;
  void search_batch(const Batch& batch, const std::vector<Admitted>& admitted) const;
  std::vector<PartRequest> requests_of(const Batch& batch, const std::vector<Admitted>& admitted) const;
  void look_first(const Batch& batch, const std::vector<PartRequest>& requests, std::vector<double>& lowest) const;
  void search_part(const Batch& batch, const PartRequest& asked, const SearchRequest& of_part) const;
  void search_range_batch(const Batch& batch, const std::vector<PartRequest>& requests, RangeAnswers& answers) const;
  static bool screening_pays(const PartRequest& asked, std::size_t k);
  std::size_t batch_size() const;
};

}  // namespace latentknn
