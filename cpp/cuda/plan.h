// How a search is cut into pieces that fit a device; host arithmetic only.
#pragma once

#include <cstddef>
#include <vector>

namespace latentknn::cuda {

// Tiles of rows, counted in the order of their screening, that are screened with the same cutoffs.
struct Stage {
  std::size_t begin;
  std::size_t end;
};

// Neighbours that one pass finds; more need another pass, which goes on behind the last.
inline constexpr std::size_t kMostNeighbours = 2048;

// Candidates of a query that a list holds.
std::size_t list_capacity(std::size_t k);

// Candidates of a query that are left for exact scoring, at most.
std::size_t ranking_capacity(std::size_t k);

// The first stage fills the lists, without cutoffs. Each further one is so long that, with rows in no order, about a
// quarter of a list is filled anew.
std::vector<Stage> stages(std::size_t tiles, std::size_t k);

// Tile i of the order is tile i * stride % tiles of the rows: those of a stage come from everywhere, so that rows that
// are sorted, by class for one, are screened as well as others. No tile comes twice.
std::size_t tile_stride(std::size_t tiles);

// Batches of queries that a device searches for at the same time.
inline constexpr std::size_t kBatchesSideBySide = 2;

// Queries of a batch, of `count` in all, on a device with so many free bytes; at least 1.
std::size_t queries_at_once(std::size_t free_bytes, std::size_t count, std::size_t k, std::size_t dim);

// Of the memory of a device that a database may use, what rows leave to searches.
std::size_t memory_for_searches(std::size_t memory);

// Bytes of rows that are brought to a device at a time, where the database is larger than the devices, or gathered for
// a search among some: two of those brought, one gathered and the batches of queries share what is left to searches.
std::size_t bytes_brought(std::size_t memory);

}  // namespace latentknn::cuda
