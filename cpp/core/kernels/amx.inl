// Screening in 8-bit integers by tile registers, which hold 16 lines of 64 bytes each. The including file defines
// Tiles, which stands for the registers, SixteenNumbers, and what finds hits by signs: SignBytes, narrow(),
// clear_signs() and put_positions().
//
// Products. One instruction adds to a tile of 16 x 16 sums the products of 16 rows with 16 queries in 64 dimensions.
// The left operand has a row on each line, in 64 dimensions; the right one has four dimensions of all 16 queries on
// each line. Both operands are signed. A block is 2 x 2 tiles of sums, 32 rows and two tiles of queries, which need not
// stand side by side; where a visit has an odd number of query tiles, the last block is 2 x 1.
//
// Sums. All sums of a query begin at minus its cutoff: a load of stride 0 spreads one line of cutoffs over the tile.
// With the row's start added, a sum is the score less the cutoff, and the row is a hit where its sign bit is clear. The
// lines of four rows are narrowed to 64 bytes that keep their signs, so a block is dismissed by the AND of 16 vectors.
//
// Hits. Few blocks have none, and where they are nobody can predict. So all positions of clear signs are put one
// behind the other without a branch, and one loop makes hits of them.
//
// Bound. A score lies within -2^30 and 2^30 (int8_screen.h, "Sums of 32 bits"). A cutoff is clamped to these numbers.
// No comparison with a score changes by that. So the difference lies within -2^31 and 2^31 without these ends, and its
// sign is right; sums that wrap on the way there do no harm, as 32-bit sums are modulo 2^32. Operands are at most 127,
// so the products alone reach 2,000 x 127^2 < 2^25 in 2,000 dimensions, and stay below 2^30 up to 66,000.
//
// Order. The sums of a block are stored when its products are made, and looked at when those of the next one are: the
// processor makes products while it stores and looks. No tile holds anything across a call of take_hits(), which may
// use tile registers as it likes, so they are configured again after it. The rows of the next visit are fetched
// meanwhile: their tiles would have to wait for memory.

#include "table.inl"

// The operands. Rows are in groups of 64 dimensions, which is a line of a tile register. Queries are in groups of four.
// Both are signed, so that queries need no offset.
struct Int8 {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  // In hundreds of dimensions; storing and looking at a block's sums bounds it in 64 (costs::compared_row).
  static constexpr double kGain = 21.0;
  using Number = int32_t;
  using Element = int8_t;
  static constexpr size_t kGroup = 64;
  static constexpr size_t kQueryGroup = 4;
  static constexpr size_t kStartBytes = sizeof(int32_t);
  static constexpr int kQueryLargest = 127;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

struct TileScreen : Packing<Int8, 16, 32> {
  using Packed = Packing<Int8, 16, 32>;
  using Numbers = Int8;
  static constexpr size_t kLines = 16;                                       // lines of a tile register
  static constexpr size_t kLineBytes = 64;                                   // bytes of a line
  static constexpr size_t kTileBytes = kLines * kLineBytes;                  // bytes of a tile register
  static constexpr size_t kBlockRows = Packed::kRows;                        // rows of a block
  static constexpr size_t kRows = 2 * kBlockRows;                            // rows of a row tile, which is two blocks
  static constexpr size_t kBlockScores = kBlockRows * 2 * Packed::kQueries;  // scores of the largest block
  static constexpr size_t kWordRows = 4;                                     // rows whose signs are a vector of bytes
  static constexpr size_t kFetched = 2 * kLineBytes;  // bytes of rows that a step fetches; more is no faster
  // Half an L2 cache of the processors that have AMX. Rows come from memory more slowly than they are multiplied.
  static constexpr size_t kBlockBytes = size_t{1} << 20;
  static constexpr float kLargest = 0x1p30f;  // bound of scores

  using Line = SixteenNumbers;
  typedef float FloatLine __attribute__((vector_size(sizeof(Line))));
  alignas(64) static constexpr int32_t kZeros[16] = {};

  // Sums, and what they mean.
  struct Block {
    alignas(64) Line sums[kBlockRows][2];  // by row and tile of queries
    Line minus_cutoffs[2];
    const char* starts;  // starts of the rows
    size_t first_row;    // number of the first row
    size_t queries[2];   // first queries of the tiles
    size_t query_tiles;  // tiles of queries, one or two
  };

  static void set_cutoff(void* cutoffs, size_t query, float value) {
    const float up = __builtin_ceilf(value);
    static_cast<int32_t*>(cutoffs)[query] = -static_cast<int32_t>(up >= kLargest   ? kLargest
                                                                  : up > -kLargest ? up
                                                                                   : -kLargest);
  }

  static void pack_rows(const float* vectors, size_t count, size_t dim, const double* scales, const int32_t* starts,
                        void* out) {
    char* to = static_cast<char*>(out);
    for (size_t first = 0; first < (count + kRows - 1) / kRows * kRows; first += kBlockRows) {
      pack_row_tile(vectors, first, count, dim, scales, starts, to + first * row_bytes(dim));
    }
  }

  static void screen(ScreenTask& task) {
    Tiles tiles;
    tiles.configure();
    multiply(task, static_cast<const int32_t*>(task.cutoffs), tiles,
             [&](const Block& block) __attribute__((always_inline)) { take(tiles, task, block); });
    // Where take_hits() throws, the registers stay configured: switches between threads then save them, and no more.
    tiles.release();
  }

  static void maxima(const MaximaTask& task) {
    Tiles tiles;
    tiles.configure();
    multiply(task, nullptr, tiles, [&](const Block& block) __attribute__((always_inline)) { put_maxima(task, block); });
    tiles.release();
  }

 private:
  // Rows that are fetched into the cache step by step.
  struct Ahead {
    const char* next;
    size_t step;  // bytes from one fetch to the next, at most kFetched

    void fetch() {
      for (size_t i = 0; i < kFetched; i += kLineBytes) __builtin_prefetch(next + i, 0, 2);
      next += step;
    }
  };

  // Spreads the fetching of some rows over the steps of a visit.
  static Ahead rows_ahead(const TileVisit& visit, const char* rows, size_t bytes, size_t steps) {
    const size_t turns = (visit.end - visit.begin + 1) / 2 * (kRows / kBlockRows) * steps;
    const size_t each = (bytes / turns + kLineBytes - 1) / kLineBytes * kLineBytes;
    return {rows, each < kFetched ? each : kFetched};
  }

  // Makes the blocks of all pairs. Their sums begin at minus the cutoffs, or at zero where there are none.
  template <class Look>
  static inline __attribute__((always_inline)) void multiply(const TilePairs& pairs, const int32_t* minus_cutoffs,
                                                             Tiles& tiles, const Look& look) {
    const size_t query_bytes = Packed::query_bytes(pairs.dim), row_bytes = Packed::row_bytes(pairs.dim);
    const size_t steps = groups(pairs.dim);
    const char* const queries = static_cast<const char*>(pairs.queries);
    const char* const rows = static_cast<const char*>(pairs.rows);
    const TileVisit* const visits_end = pairs.visits + pairs.visit_count;
    Block blocks[2] = {};
    Block* block = &blocks[0];
    const Block* last = nullptr;
    for (const TileVisit* visit = pairs.visits; visit != visits_end; ++visit) {
      if (visit->begin == visit->end) continue;
      const TileVisit* const next = visit + 1 == visits_end ? visit : visit + 1;
      Ahead ahead = rows_ahead(*visit, rows + next->row_tile * kRows * row_bytes, kRows * row_bytes, steps);
      const size_t begin = visit->row_tile * kRows;
      const size_t end = begin + kRows < pairs.row_count ? begin + kRows : pairs.row_count;
      for (size_t first_row = begin; first_row < end; first_row += kBlockRows) {
        for (uint32_t i = visit->begin; i < visit->end; i += 2) {
          block->starts = rows + first_row * row_bytes;
          block->first_row = first_row;
          block->query_tiles = visit->end - i < 2 ? 1 : 2;
          const char* columns[2] = {};
          const void* begins[2] = {};
          for (size_t c = 0; c < block->query_tiles; ++c) {
            block->queries[c] = pairs.query_tiles[i + c] * kQueries;
            columns[c] = queries + block->queries[c] * query_bytes;
            // A load from the block's copy would wait behind all sums that are being stored.
            begins[c] = minus_cutoffs == nullptr ? kZeros : minus_cutoffs + block->queries[c];
            __builtin_memcpy(&block->minus_cutoffs[c], begins[c], sizeof(Line));
          }
          const char* const elements = block->starts + kBlockRows * Int8::kStartBytes;
          if (block->query_tiles == 2) {
            multiply_two(tiles, *block, begins, elements, columns[0], columns[1], steps, ahead);
          } else {
            multiply_one(tiles, *block, begins, elements, columns[0], steps, ahead);
          }
          if (last != nullptr) look(*last);
          last = block;
          block = block == &blocks[0] ? &blocks[1] : &blocks[0];
        }
      }
    }
    if (last != nullptr) look(*last);
  }

  // Registers 0 to 3 have sums, 4 and 5 rows, 6 and 7 queries.
  static void multiply_two(Tiles& tiles, Block& block, const void* const* begins, const char* rows, const char* left,
                           const char* right, size_t steps, Ahead& ahead) {
    tiles.load<0>(begins[0], 0);
    tiles.load<1>(begins[1], 0);
    tiles.load<2>(begins[0], 0);
    tiles.load<3>(begins[1], 0);
    for (; steps > 0; --steps, rows += 2 * kTileBytes, left += kTileBytes, right += kTileBytes) {
      ahead.fetch();
      tiles.load<4>(rows, kLineBytes);
      tiles.load<6>(left, kLineBytes);
      tiles.add_products<0, 4, 6>();
      tiles.load<7>(right, kLineBytes);
      tiles.add_products<1, 4, 7>();
      tiles.load<5>(rows + kTileBytes, kLineBytes);
      tiles.add_products<2, 5, 6>();
      tiles.add_products<3, 5, 7>();
    }
    tiles.store<0>(&block.sums[0][0], sizeof block.sums[0]);
    tiles.store<1>(&block.sums[0][1], sizeof block.sums[0]);
    tiles.store<2>(&block.sums[kLines][0], sizeof block.sums[0]);
    tiles.store<3>(&block.sums[kLines][1], sizeof block.sums[0]);
  }

  static void multiply_one(Tiles& tiles, Block& block, const void* const* begins, const char* rows, const char* queries,
                           size_t steps, Ahead& ahead) {
    tiles.load<0>(begins[0], 0);
    tiles.load<2>(begins[0], 0);
    for (; steps > 0; --steps, rows += 2 * kTileBytes, queries += kTileBytes) {
      ahead.fetch();
      tiles.load<4>(rows, kLineBytes);
      tiles.load<6>(queries, kLineBytes);
      tiles.add_products<0, 4, 6>();
      tiles.load<5>(rows + kTileBytes, kLineBytes);
      tiles.add_products<2, 5, 6>();
    }
    tiles.store<0>(&block.sums[0][0], sizeof block.sums[0]);
    tiles.store<2>(&block.sums[kLines][0], sizeof block.sums[0]);
  }

  static int32_t start_of(const Block& block, size_t row) {
    int32_t start;
    __builtin_memcpy(&start, block.starts + row * sizeof start, sizeof start);
    return start;
  }

  // Narrows the lines of four rows, which begin with `row`, for a tile of queries.
  static void narrow_lines(const Block& block, size_t row, size_t c, SignBytes& bytes) {
    Line lines[kWordRows];
#pragma GCC unroll 4
    for (size_t i = 0; i < kWordRows; ++i) lines[i] = block.sums[row + i][c] + start_of(block, row + i);
    narrow(lines, bytes);
  }

  static void take(Tiles& tiles, ScreenTask& task, const Block& block) {
    if (block.query_tiles == 2) {
      take<2>(tiles, task, block);
    } else {
      take<1>(tiles, task, block);
    }
  }

  // Looks for hits in a block of so many tiles of queries.
  template <size_t kTiles>
  static void take(Tiles& tiles, ScreenTask& task, const Block& block) {
    constexpr size_t kWords = kBlockRows / kWordRows * kTiles;
    SignBytes signs[kWords];
    SignBytes all = SignBytes{} - 1;
#pragma GCC unroll 16
    for (size_t word = 0; word < kWords; ++word) {
      narrow_lines(block, word / kTiles * kWordRows, word % kTiles, signs[word]);
      all &= signs[word];
    }
    if (clear_signs(all) == 0) return;
    if (task.hit_capacity - task.hit_count < kBlockScores) {
      task.take_hits(task.context);
      tiles.configure();
    }
    // By hit. Each word is written whole, and the next one behind its hits.
    uint8_t positions[kBlockScores + sizeof(SignBytes)], words[kBlockScores + sizeof(SignBytes)];
    size_t count = 0;
#pragma GCC unroll 16
    for (size_t word = 0; word < kWords; ++word) {
      __builtin_memset(words + count, static_cast<int>(word), sizeof(SignBytes));
      count += put_positions(clear_signs(signs[word]), positions + count);
    }
    const size_t rows_left = task.row_count - block.first_row;
    Hit* hit = task.hits + task.hit_count;
    const auto put = [&](size_t i) {
      const size_t c = words[i] % kTiles, row = words[i] / kTiles * kWordRows + positions[i] / 4 % kWordRows;
      const size_t lane = positions[i] / 16 * 4 + positions[i] % 4, query = block.queries[c] + lane;
      *hit = {static_cast<float>(block.sums[row][c][lane] + start_of(block, row) - block.minus_cutoffs[c][lane]),
              static_cast<uint32_t>(task.first_row + block.first_row + row), static_cast<uint32_t>(query)};
      hit += i < count && row < rows_left && query < task.query_count ? 1 : 0;
    };
    // Whether a block has one or two is hard to predict, so two are put, and the next hit goes over one that was none.
    put(0);
    put(1);
    for (size_t i = 2; i < count; ++i) put(i);
    task.hit_count = static_cast<size_t>(hit - task.hits);
  }

  static void put_maxima(const MaximaTask& task, const Block& block) {
    const size_t rows_each = task.rows_each < kBlockRows ? task.rows_each : kBlockRows;
    for (size_t c = 0; c < block.query_tiles; ++c) {
      const size_t first_tile = task.first_row_tiles[block.queries[c] / kQueries];
      float* const of_tile = task.maxima + (block.queries[c] - task.first_query) * task.maxima_each;
      for (size_t row = 0; row < kBlockRows; row += rows_each) {
        Line highest = block.sums[row][c] + start_of(block, row);
        for (size_t i = row + 1; i < row + rows_each; ++i) {
          const Line scores = block.sums[i][c] + start_of(block, i);
          highest = scores > highest ? scores : highest;
        }
        float* const to = of_tile + (block.first_row + row - first_tile * kRows) / task.rows_each * kQueries;
        FloatLine maxima;
        __builtin_memcpy(&maxima, to, sizeof maxima);
        const FloatLine scores = __builtin_convertvector(highest, FloatLine);
        maxima = scores > maxima ? scores : maxima;
        __builtin_memcpy(to, &maxima, sizeof maxima);
      }
    }
  }
};
