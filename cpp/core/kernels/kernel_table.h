// The table of functions that every instruction set offers to the rest of the core. Only pointers and counts cross
// this boundary, so no inline function compiled for one instruction set can leak into another's callers. Files of
// kernels/ include freestanding headers only.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace latentknn {

// A row that screening has not excluded.
struct Hit {
  float score;     // score in the screen's units
  uint32_t row;    // place of the row: TilePairs::first_row plus its number in the packed rows
  uint32_t query;  // index of the query in its block
};

// A tile of rows, and the tiles of queries that it is compared with: TilePairs::query_tiles from begin to end.
struct TileVisit {
  uint32_t row_tile;
  uint32_t begin;
  uint32_t end;
};

// Packed queries, packed rows, and the pairs of their tiles that are multiplied.
struct TilePairs {
  const void* queries;  // packed by pack_*, in tiles of query_tile
  size_t query_count;
  const void* rows;  // packed by pack_*, in tiles of row_tile
  size_t row_count;  // rows beyond these in the last tile are padding
  size_t first_row;  // place of the first packed row, from which hits count
  const TileVisit* visits;
  size_t visit_count;
  const uint32_t* query_tiles;
  size_t dim;
};

// A comparison of a block of packed queries with some of the packed rows.
struct ScreenTask : TilePairs {
  const void* cutoffs;  // one per query, stored by set_cutoff: lower scores are excluded
  Hit* hits;            // rows that are left, in the order of their tiles
  size_t hit_count;
  size_t hit_capacity;  // at least the number of scores of a tile
  // Called with `context` when the next tile may not fit: it must empty the hits, and may raise cutoffs.
  void (*take_hits)(void* context);
  void* context;
};

// A search for the highest scores: one of each query among each few of the packed rows, none of which is padding.
struct MaximaTask : TilePairs {
  static constexpr size_t kFewest = 16;
  // Rows of a maximum: kFewest, or a larger power of two that divides row_tile.
  size_t rows_each;
  // The query whose maxima come first. It is the first one of a tile.
  size_t first_query;
  // Each tile of queries has a row tile here, whose maxima are its first.
  const uint32_t* first_row_tiles;
  // Maxima (tiles of queries, maxima of a query, queries of a tile). A higher one replaces what is there.
  float* maxima;
  size_t maxima_each;
};

// The arithmetics that rows can be screened in, from the finest to the fastest.
enum class Arithmetic { fp32, int16, int8 };
constexpr const char* kArithmeticNames[] = {"fp32", "int16", "int8"};
constexpr size_t kArithmetics = sizeof kArithmeticNames / sizeof *kArithmeticNames;

// The layout of operands in one arithmetic, and its fused kernel.
struct ScreenKernel {
  const char* name;  // name of the arithmetic
  double gain;       // measured speed of its tile, relative to fp32
  // These matter where rows have starts (see pack_rows). query_largest is the largest integer of a query; that of a row
  // is 127. A score is the row's start plus the product, modulo 2^16 where `wraps` is set.
  int query_largest;
  bool wraps;
  size_t dim_step;                    // dimensions that are multiplied at once: vectors are padded to multiples of it
  size_t query_tile;                  // queries of a tile; the same in all arithmetics of a table
  size_t row_tile;                    // rows of a tile; divides the largest row_tile of the table
  size_t block_bytes;                 // bytes of packed queries that are best compared with each row together
  size_t (*query_bytes)(size_t dim);  // bytes of one packed vector, padding of its dimensions included
  size_t (*row_bytes)(size_t dim);
  // Packs `count` consecutive vectors, each times its scale, into tiles of query_tile or row_tile; missing
  // vectors of the last tile become zeros. `out` points at the first of those tiles. Where the arithmetic has starts,
  // the scores of a row begin with its start; elsewhere `starts` is ignored.
  void (*pack_queries)(const float* vectors, size_t count, size_t dim, const double* scales, void* out);
  void (*pack_rows)(const float* vectors, size_t count, size_t dim, const double* scales, const int32_t* starts,
                    void* out);
  size_t cutoff_bytes;  // bytes of a query's cutoff
  // Stores a cutoff that excludes no score of at least `value`.
  void (*set_cutoff)(void* cutoffs, size_t query, float value);
  void (*screen)(ScreenTask& task);
  // Null where the instruction set has no kernel for it.
  void (*maxima)(const MaximaTask& task);
};

// A query and a row, by their numbers.
struct Pair {
  uint32_t query;
  uint32_t row;
};

// Pairs whose similarities are wanted, in any order.
struct PairTask {
  const double* queries;  // each padded with zeros to a multiple of eight
  const double* query_norms;
  const float* rows;
  const double* row_norms;
  size_t dim;
  const Pair* pairs;
  size_t count;
};

// A multiplication of lines of numbers by a matrix. Each group has `size` lines, which stand `stride` lines apart;
// groups fill all of `size` * `groups` lines. A line of `out` is the sum of the lines of its group, each times an
// element of a line of the matrix.
struct LineTask {
  static constexpr size_t kLine = 16;
  const float* matrix;  // (size, size), symmetric
  size_t size;
  size_t stride;
  size_t groups;
  // Lines (size * groups, kLine). `out` does not overlap `in`.
  const float* in;
  float* out;
};

// The reach of a query q: cells whose centre c and angle m have c q + base >= cosine cos m - sine sin m.
struct Reach {
  float cosine;
  float sine;
  float base;
};

// A row with an upper bound of its similarity to a query, as lists have it.
struct Listed {
  float upper;
  uint32_t place;
};

struct KernelTable {
  const char* name;
  ScreenKernel screens[kArithmetics];  // indexed by arithmetic; fp32 is always there
  // Multiplies fp32 tiles without screening: out[i * stride + j] += product of packed query i and packed row j, for
  // all of query_tiles * query_tile queries and row_tiles * row_tile rows.
  void (*add_products)(const void* queries, size_t query_tiles, const void* rows, size_t row_tiles, size_t dim,
                       float* out, size_t stride);
  void (*multiply_lines)(const LineTask& task);
  // Sets marks[g * count + j] to whether any query of tile g reaches cell j. It takes the products of queries and
  // centres, (query_tiles * query_tile, count), and the cosines and sines of the cells' angles.
  void (*mark_reached)(const float* products, const Reach* reaches, size_t query_tiles, const float* cosines,
                       const float* sines, size_t count, uint8_t* marks);
  // Counts the values that are at least `least`.
  size_t (*count_at_least)(const float* values, size_t count, float least);
  // Counts the rows whose bounds are at least `least`.
  size_t (*count_listed)(const Listed* rows, size_t count, float least);
  // Computes rule 1 of the contract: out[i] = S(query, base + rows[i] * dim). `query` holds dim float64 values, padded
  // with zeros to a multiple of eight.
  void (*dot_products)(const double* query, const float* base, const uint32_t* rows, size_t count, size_t dim,
                       double* out);
  // Computes the similarities of pairs by rule 1 of the contract.
  void (*similarities)(const PairTask& task, double* out);
  // Computes out[i] = S(v, v) of consecutive vectors.
  void (*squared_norms)(const float* vectors, size_t count, size_t dim, double* out);

  const ScreenKernel& of(Arithmetic arithmetic) const { return screens[static_cast<size_t>(arithmetic)]; }
  bool has(Arithmetic arithmetic) const { return of(arithmetic).screen != nullptr; }
};

// Each returns null where the compiler's target does not have the instruction set.
const KernelTable* baseline_kernels();
const KernelTable* avx2_kernels();
const KernelTable* avx_vnni_kernels();
const KernelTable* avx512_kernels();
const KernelTable* avx512_vnni_kernels();
const KernelTable* amx_kernels();
const KernelTable* amx_stand_in_kernels();  // only where there are tests
const KernelTable* neon_kernels();
const KernelTable* neon_dotprod_kernels();
const KernelTable* neon_i8mm_kernels();

}  // namespace latentknn
