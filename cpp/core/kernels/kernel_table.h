// What every instruction set offers to the rest of the core. Only pointers and counts cross this
// boundary, so no inline function compiled for one instruction set can leak into another's callers.
// Freestanding headers only, here and in all of kernels/.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace latentknn {

// The rows of one query that screening could not exclude, with their approximate similarities.
struct CandidateList {
  float* scores;
  uint32_t* rows;
  size_t size;
  size_t capacity;
};

// One block of packed queries against a run of packed rows.
struct ScreenTask {
  const void* queries;  // packed by pack_*, in tiles of query_tile
  size_t query_count;
  const void* rows;   // packed by pack_*, in tiles of row_tile; rows[0] is row 0 of the database
  size_t tile_begin;  // run of row tiles to visit
  size_t tile_end;
  size_t row_count;  // rows of the database; later ones in the last tile are padding
  size_t dim;
  float* cutoffs;        // per query, padded to query_tile with +infinity: scores below are excluded
  CandidateList* lists;  // per query
  void (*overflow)(void* context, size_t query);  // called when a list is full; must make room and may
  void* context;                                  // raise the query's cutoff
};

// How one screening arithmetic lays out its operands, and its fused kernel.
struct ScreenKernel {
  size_t query_tile;
  size_t row_tile;
  size_t (*packed_bytes)(size_t dim);  // bytes of one packed vector, padding of its dimensions included
  // Packs `count` consecutive vectors, each times its scale, into tiles of `tile`; missing vectors of the
  // last tile become zeros. `out` points at the first of those tiles.
  void (*pack)(const float* vectors, size_t count, size_t dim, const double* scales, size_t tile, void* out);
  void (*screen)(const ScreenTask& task);
  // The same tiles without the screening: out[i * stride + j] += product of packed query i and packed row
  // j, for all of query_tiles * query_tile queries and row_tiles * row_tile rows.
  void (*add_products)(const void* queries, size_t query_tiles, const void* rows, size_t row_tiles, size_t dim,
                       float* out, size_t stride);
};

struct KernelTable {
  const char* name;
  ScreenKernel fp32;
  ScreenKernel int16;
  double int16_gain;  // how many times faster than fp32 its tile runs, measured
  // Rule 1 of the contract: out[i] = S(query, base + rows[i] * dim). `query` holds dim float64 values,
  // padded with zeros to a multiple of eight.
  void (*dot_products)(const double* query, const float* base, const uint32_t* rows, size_t count, size_t dim,
                       double* out);
  // out[i] = S(v, v) of consecutive vectors.
  void (*squared_norms)(const float* vectors, size_t count, size_t dim, double* out);
};

// Null where the compiler's target does not have the instruction set.
const KernelTable* baseline_kernels();
const KernelTable* avx2_kernels();
const KernelTable* avx512_kernels();
const KernelTable* neon_kernels();

}  // namespace latentknn
