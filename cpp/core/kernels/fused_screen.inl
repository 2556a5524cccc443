// The fused top-k loop, written once for all instruction sets and screening arithmetics: a tile of
// scores is compared with each query's cutoff while it is still in registers, and only what survives is
// appended to a list. No score matrix exists.
//
// The including file defines, in its own anonymous namespace: Float (a vector of float), kFloats (its
// length), load(), broadcast(), maximum(), Hits, reaches(), either(), any() and bits().

template <class Tile>
void append_hits(const ScreenTask& task, size_t query, size_t first_row, const Float (&scores)[Tile::kVectors]) {
  CandidateList& list = task.lists[query];
  for (size_t v = 0; v < Tile::kVectors; ++v) {
    unsigned hits = bits(reaches(scores[v], broadcast(task.cutoffs[query])));
    if (hits == 0) continue;
    float values[kFloats];
    __builtin_memcpy(values, &scores[v], sizeof values);
    for (; hits != 0; hits &= hits - 1) {
      const unsigned lane = static_cast<unsigned>(__builtin_ctz(hits));
      const size_t row = first_row + v * kFloats + lane;
      // An overflow may have raised the cutoff since the bits were taken.
      if (row >= task.row_count || !(values[lane] >= task.cutoffs[query])) continue;
      list.scores[list.size] = values[lane];
      list.rows[list.size] = static_cast<uint32_t>(row);
      if (++list.size == list.capacity) task.overflow(task.context, query);
    }
  }
}

template <class Tile>
void add_products(const void* queries, size_t query_tiles, const void* rows, size_t row_tiles, size_t dim, float* out,
                  size_t stride) {
  const size_t packed = Tile::packed_bytes(dim);
  for (size_t x = 0; x < row_tiles; ++x) {
    for (size_t q = 0; q < query_tiles; ++q) {
      Float scores[Tile::kQueries][Tile::kVectors];
      Tile::scores(static_cast<const char*>(queries) + q * Tile::kQueries * packed,
                   static_cast<const char*>(rows) + x * Tile::kRows * packed, dim, scores);
      for (size_t i = 0; i < Tile::kQueries; ++i) {
        float* line = out + (q * Tile::kQueries + i) * stride + x * Tile::kRows;
        for (size_t v = 0; v < Tile::kVectors; ++v) {
          float values[kFloats];
          __builtin_memcpy(values, &scores[i][v], sizeof values);
          for (size_t lane = 0; lane < kFloats; ++lane) line[v * kFloats + lane] += values[lane];
        }
      }
    }
  }
}

template <class Tile>
void screen(const ScreenTask& task) {
  const size_t stride = Tile::packed_bytes(task.dim);
  const char* const queries = static_cast<const char*>(task.queries);
  const char* const rows = static_cast<const char*>(task.rows);
  for (size_t tile = task.tile_begin; tile < task.tile_end; ++tile) {
    const size_t first_row = tile * Tile::kRows;
    for (size_t query = 0; query < task.query_count; query += Tile::kQueries) {
      Float scores[Tile::kQueries][Tile::kVectors];
      Tile::scores(queries + query * stride, rows + first_row * stride, task.dim, scores);
      Hits hits{};
      for (size_t q = 0; q < Tile::kQueries; ++q) {
        Float best = scores[q][0];
        for (size_t v = 1; v < Tile::kVectors; ++v) best = maximum(best, scores[q][v]);
        hits = either(hits, reaches(best, broadcast(task.cutoffs[query + q])));
      }
      if (!any(hits)) [[likely]]
        continue;
      for (size_t q = 0; q < Tile::kQueries; ++q) append_hits<Tile>(task, query + q, first_row, scores[q]);
    }
  }
}
