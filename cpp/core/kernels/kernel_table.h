// What every instruction set offers to the rest of the core. Only pointers and counts cross this
// boundary, so no inline function compiled for one instruction set can leak into another's callers.
// Freestanding headers only, here and in all of kernels/.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace latentknn {

// A row that screening could not exclude.
struct Hit {
  float score;     // in units of the screen
  uint32_t row;    // counted from ScreenTask::first_row: its place
  uint32_t query;  // of the block
};

// A tile of rows and the tiles of queries that it is compared with: a run of ScreenTask::query_tiles.
struct TileVisit {
  uint32_t row_tile;
  uint32_t begin;
  uint32_t end;
};

// One block of packed queries against some of the packed rows.
struct ScreenTask {
  const void* queries;  // packed by pack_*, in tiles of query_tile
  size_t query_count;
  const void* rows;  // packed by pack_*, in tiles of row_tile
  size_t row_count;  // later ones in the last tile are padding
  size_t first_row;  // what the first of the packed rows is called in the hits
  const TileVisit* visits;
  size_t visit_count;
  const uint32_t* query_tiles;
  size_t dim;
  const void* cutoffs;  // per query, by set_cutoff: scores below are excluded
  Hit* hits;            // what is left, in the order of the rows' tiles
  size_t hit_count;
  size_t hit_capacity;  // at least the scores of a tile
  // Called with `context` when the next tile may not fit: it must empty the hits, and may raise cutoffs.
  void (*take_hits)(void* context);
  void* context;
};

// Numbers that rows can be screened in: from those that tell the most apart to those that are multiplied the fastest.
enum class Arithmetic { fp32, int16, int8 };
constexpr const char* kArithmeticNames[] = {"fp32", "int16", "int8"};
constexpr size_t kArithmetics = sizeof kArithmeticNames / sizeof *kArithmeticNames;

// How one arithmetic lays out its operands, and its fused kernel.
struct ScreenKernel {
  const char* name;  // of the arithmetic
  double gain;       // how many times faster than that of fp32 its tile runs, measured
  // Where rows have starts (see pack_rows): the largest integer of a query; a row's is 127. A score is its row's start
  // and the product, modulo 2^16 where it wraps.
  int query_largest;
  bool wraps;
  size_t query_tile;                  // the same in all arithmetics of a table
  size_t row_tile;                    // divides the largest of the table
  size_t (*query_bytes)(size_t dim);  // bytes of one packed vector, padding of its dimensions included
  size_t (*row_bytes)(size_t dim);
  // Packs `count` consecutive vectors, each times its scale, into tiles of query_tile or row_tile; missing
  // vectors of the last tile become zeros. `out` points at the first of those tiles. Where the arithmetic
  // has starts, a row's is what its scores begin with; elsewhere `starts` is ignored.
  void (*pack_queries)(const float* vectors, size_t count, size_t dim, const double* scales, void* out);
  void (*pack_rows)(const float* vectors, size_t count, size_t dim, const double* scales, const int32_t* starts,
                    void* out);
  size_t cutoff_bytes;  // of one query's cutoff
  // Stores a cutoff that excludes no score of at least `value`.
  void (*set_cutoff)(void* cutoffs, size_t query, float value);
  void (*screen)(ScreenTask& task);
};

// What a query can reach: cells whose centre c and angle m have c q + base >= cosine cos m - sine sin m.
struct Reach {
  float cosine;
  float sine;
  float base;
};

struct KernelTable {
  const char* name;
  ScreenKernel screens[kArithmetics];  // by arithmetic; fp32 is always there
  // The fp32 tiles without the screening: out[i * stride + j] += product of packed query i and packed row j,
  // for all of query_tiles * query_tile queries and row_tiles * row_tile rows.
  void (*add_products)(const void* queries, size_t query_tiles, const void* rows, size_t row_tiles, size_t dim,
                       float* out, size_t stride);
  // marks[g * count + j]: whether any query of tile g reaches j, from products (query_tiles * query_tile, count)
  // of queries and centres, and the centres' cosines and sines.
  void (*mark_reached)(const float* products, const Reach* reaches, size_t query_tiles, const float* cosines,
                       const float* sines, size_t count, uint8_t* marks);
  // How many of the values are at least `least`.
  size_t (*count_at_least)(const float* values, size_t count, float least);
  // Rule 1 of the contract: out[i] = S(query, base + rows[i] * dim). `query` holds dim float64 values,
  // padded with zeros to a multiple of eight.
  void (*dot_products)(const double* query, const float* base, const uint32_t* rows, size_t count, size_t dim,
                       double* out);
  // out[i] = S(v, v) of consecutive vectors.
  void (*squared_norms)(const float* vectors, size_t count, size_t dim, double* out);

  const ScreenKernel& of(Arithmetic arithmetic) const { return screens[static_cast<size_t>(arithmetic)]; }
  bool has(Arithmetic arithmetic) const { return of(arithmetic).screen != nullptr; }
};

// Null where the compiler's target does not have the instruction set.
const KernelTable* baseline_kernels();
const KernelTable* avx2_kernels();
const KernelTable* avx512_kernels();
const KernelTable* avx512_vnni_kernels();
const KernelTable* neon_kernels();

}  // namespace latentknn
