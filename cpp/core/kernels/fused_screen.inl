// The fused loop of screening, written once for all instruction sets and arithmetics. It compares a tile of scores
// with the cutoffs of its queries while the scores are still in registers, and appends only scores that reach them
// to the hits. No score matrix exists.
//
// The scores of an arithmetic are float, int16_t or int32_t: its Number. The including file defines FloatScores, and
// ShortScores or LongScores. Each has Number, Score (a vector of Numbers), Hits, spread(), maximum(), reaches(),
// either(), any() and bits().

#include "tile.inl"

// The loop needs every register, so this function is kept out of it. Where hits are rare, most queries of a tile have
// none. Where they are not, whether a query has one or two is hard to predict. Two are written then for each query, and
// the next query's hits go over those that were none.
template <class Arithmetic>
__attribute__((noinline)) void append_hits(ScreenTask& task, size_t first_query, size_t first_row,
                                           const typename Tile<Arithmetic>::Scores& scores) {
  using T = Tile<Arithmetic>;
  using Number = typename Arithmetic::Number;
  if (task.hit_capacity - task.hit_count < T::kQueries * T::kRows) task.take_hits(task.context);
  constexpr size_t kTogether = 64 / T::kLanes;  // vectors whose hits are bits of one number
  constexpr size_t kMasks = (T::kVectors + kTogether - 1) / kTogether;
  constexpr size_t kMany = T::kQueries * kMasks / 2;  // hits of a tile that are not rare
  const Number* const cutoffs = static_cast<const Number*>(task.cutoffs) + first_query;
  const size_t queries_left = task.query_count - first_query, rows_left = task.row_count - first_row;
  const size_t queries = queries_left < T::kQueries ? queries_left : T::kQueries;
  uint64_t masks[T::kQueries][kMasks] = {};
  size_t count = 0;
  for (size_t q = 0; q < queries; ++q) {
    const auto cutoff = Arithmetic::spread(cutoffs[q]);
    for (size_t v = 0; v < T::kVectors; ++v) {
      const uint64_t bits = Arithmetic::bits(Arithmetic::reaches(scores.of[q][v], cutoff));
      masks[q][v / kTogether] |= bits << v % kTogether * T::kLanes;
    }
    for (size_t m = 0; m < kMasks; ++m) {
      const size_t first = m * kTogether * T::kLanes;
      if (rows_left < first + 64) masks[q][m] &= rows_left > first ? (uint64_t{1} << (rows_left - first)) - 1 : 0;
      count += static_cast<size_t>(__builtin_popcountll(masks[q][m]));
    }
  }
  Hit* hit = task.hits + task.hit_count;
  for (size_t q = 0; q < queries; ++q) {
    for (size_t m = 0; m < kMasks; ++m) {
      uint64_t hits = masks[q][m];
      const auto write_next = [&](Hit* to) {
        const size_t row = m * kTogether * T::kLanes + static_cast<size_t>(hits == 0 ? 0 : __builtin_ctzll(hits));
        Number score;
        __builtin_memcpy(&score, reinterpret_cast<const char*>(&scores.of[q][0]) + row * sizeof score, sizeof score);
        *to = {static_cast<float>(score), static_cast<uint32_t>(task.first_row + first_row + row),
               static_cast<uint32_t>(first_query + q)};
        hits &= hits - 1;
      };
      const size_t of_query = static_cast<size_t>(__builtin_popcountll(hits));
      size_t written = 0;
      if (count >= kMany) {
        write_next(hit);
        write_next(hit + 1);
        written = 2;
      }
      for (; written < of_query; ++written) write_next(hit + written);
      hit += of_query;
    }
  }
  task.hit_count = static_cast<size_t>(hit - task.hits);
}

inline void store_cutoff(float* cutoff, float value) { *cutoff = value; }

inline void store_cutoff(int32_t* cutoff, float value) {
  const float up = __builtin_ceilf(value);
  *cutoff = up >= 0x1p31f ? int32_t{0x7fffffff} : up > -0x1p31f ? static_cast<int32_t>(up) : -0x7fffffff - 1;
}

inline void store_cutoff(int16_t* cutoff, float value) {
  const float up = __builtin_ceilf(value);
  *cutoff = up >= 32767.0f ? int16_t{32767} : up > -32768.0f ? static_cast<int16_t>(up) : int16_t{-32768};
}

// The kernel of an arithmetic, for table_of().
template <class Each>
struct Fused : Tile<Each> {
  using T = Tile<Each>;
  using Number = typename Each::Number;
  using Numbers = Each;
  static constexpr size_t kBlockBytes = size_t{256} << 10;  // a part of an L2 cache

  static void set_cutoff(void* cutoffs, size_t query, float value) {
    store_cutoff(static_cast<Number*>(cutoffs) + query, value);
  }

  static void screen(ScreenTask& task) {
    const size_t query_bytes = T::query_bytes(task.dim);
    const size_t row_bytes = T::row_bytes(task.dim);
    const char* const queries = static_cast<const char*>(task.queries);
    const char* const rows = static_cast<const char*>(task.rows);
    for (const TileVisit* visit = task.visits; visit != task.visits + task.visit_count; ++visit) {
      const size_t first_row = visit->row_tile * T::kRows;
      for (size_t i = visit->begin; i < visit->end; ++i) {
        const size_t query = task.query_tiles[i] * T::kQueries;
        const Number* const cutoffs = static_cast<const Number*>(task.cutoffs) + query;
        typename T::Scores scores;
        T::compute(queries + query * query_bytes, rows + first_row * row_bytes, task.dim, scores);
        typename Each::Hits hits{};
#pragma GCC unroll 16
        for (size_t q = 0; q < T::kQueries; ++q) {
          typename Each::Score best = scores.of[q][0];
#pragma GCC unroll 8
          for (size_t v = 1; v < T::kVectors; ++v) best = Each::maximum(best, scores.of[q][v]);
          hits = Each::either(hits, Each::reaches(best, Each::spread(cutoffs[q])));
        }
        if (!Each::any(hits)) [[likely]]
          continue;
        // append_hits() gets a copy, so that the scores themselves need never be in memory.
        const typename T::Scores copy = scores;
        append_hits<Each>(task, query, first_row, copy);
      }
    }
  }
};

void mark_reached(const float* products, const Reach* reaches, size_t query_tiles, const float* cosines,
                  const float* sines, size_t count, uint8_t* marks) {
  for (size_t tile = 0; tile < query_tiles; ++tile, products += kTileQueries * count, marks += count) {
    const Reach* const reach = reaches + tile * kTileQueries;
    for (size_t j = 0; j < count; ++j) {
      float most = -1.0f;
      for (size_t q = 0; q < kTileQueries; ++q) {
        const float inside =
            products[q * count + j] + reach[q].base - reach[q].cosine * cosines[j] + reach[q].sine * sines[j];
        most = most > inside ? most : inside;
      }
      marks[j] = most >= 0.0f ? 1 : 0;
    }
  }
}

size_t count_at_least(const float* values, size_t count, float least) {
  uint32_t reaching = 0;
  for (size_t i = 0; i < count; ++i) reaching += values[i] >= least ? 1 : 0;
  return reaching;
}

size_t count_listed(const Listed* rows, size_t count, float least) {
  uint32_t reaching = 0;
  for (size_t i = 0; i < count; ++i) reaching += rows[i].upper >= least ? 1 : 0;
  return reaching;
}

void add_products(const void* queries, size_t query_tiles, const void* rows, size_t row_tiles, size_t dim, float* out,
                  size_t stride) {
  using T = Tile<Fp32>;
  const size_t bytes = T::query_bytes(dim);
  for (size_t x = 0; x < row_tiles; ++x) {
    for (size_t q = 0; q < query_tiles; ++q) {
      T::Scores scores;
      T::compute(static_cast<const char*>(queries) + q * T::kQueries * bytes,
                 static_cast<const char*>(rows) + x * T::kRows * bytes, dim, scores);
      for (size_t i = 0; i < T::kQueries; ++i) {
        float* line = out + (q * T::kQueries + i) * stride + x * T::kRows;
        for (size_t v = 0; v < T::kVectors; ++v) {
          float values[T::kLanes];
          __builtin_memcpy(values, &scores.of[i][v], sizeof values);
          for (size_t lane = 0; lane < T::kLanes; ++lane) line[v * T::kLanes + lane] += values[lane];
        }
      }
    }
  }
}
