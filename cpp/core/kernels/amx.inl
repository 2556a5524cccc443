// Screening in 8-bit integers by tile registers, which hold 16 lines of 64 bytes each. The including file defines
// Tiles, which stands for the registers, SixteenNumbers, and signs(), which returns their sign bits.
//
// Products. One instruction adds to a tile of 16 x 16 sums the products of 16 rows with 16 queries in 64 dimensions.
// The left operand has a row on each line, in 64 dimensions; the right one has four dimensions of all 16 queries on
// each line. Both operands are signed. A block is 2 x 2 tiles of sums, 32 rows and two tiles of queries, which need not
// stand side by side; where a visit has an odd number of query tiles, the last block is 2 x 1.
//
// Sums. All sums of a query begin at minus its cutoff: a load of stride 0 spreads one line of cutoffs over the tile.
// With the row's start added, a sum is the score less the cutoff, and the row is a hit where its sign bit is clear. So
// a block is dismissed by the AND of its lines.
//
// Bound. A score lies within -2^30 and 2^30 (int8_screen.h, "Sums of 32 bits"). A cutoff is clamped to these numbers.
// No comparison with a score changes by that. So the difference lies within -2^31 and 2^31 without these ends, and its
// sign is right; sums that wrap on the way there do no harm, as 32-bit sums are modulo 2^32. Operands are at most 127,
// so the products alone reach 2,000 x 127^2 < 2^25 in 2,000 dimensions, and stay below 2^30 up to 66,000.
//
// Order. The sums of a block are stored when its products are made, and looked at when those of the next one are: the
// processor makes products while it stores and looks. No tile holds anything across a call of take_hits(), which may
// use tile registers as it likes, so they are configured again after it.

#include "table.inl"

// The operands. Rows are in groups of 64 dimensions, which is a line of a tile register. Queries are in groups of four.
// Both are signed, so that queries need no offset.
struct Int8 {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  // This is assumed: nobody has measured it. A register-only loop of tile products had 29 times the rate of a float32
  // product, a rough screen by tiles 40 % of that. Loads, stores and additions of a block bound it in 64 dimensions.
  static constexpr double kGain = 8.0;
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
  static constexpr float kLargest = 0x1p30f;                                 // bound of scores

  using Line = SixteenNumbers;

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
    const size_t query_bytes = Packed::query_bytes(task.dim), row_bytes = Packed::row_bytes(task.dim);
    const size_t steps = groups(task.dim);
    const char* const queries = static_cast<const char*>(task.queries);
    const char* const rows = static_cast<const char*>(task.rows);
    const int32_t* const minus_cutoffs = static_cast<const int32_t*>(task.cutoffs);
    Tiles tiles;
    tiles.configure();
    Block blocks[2];
    Block* block = &blocks[0];
    const Block* last = nullptr;
    for (const TileVisit* visit = task.visits; visit != task.visits + task.visit_count; ++visit) {
      const size_t begin = visit->row_tile * kRows;
      const size_t end = begin + kRows < task.row_count ? begin + kRows : task.row_count;
      for (size_t first_row = begin; first_row < end; first_row += kBlockRows) {
        for (uint32_t i = visit->begin; i < visit->end; i += 2) {
          block->starts = rows + first_row * row_bytes;
          block->first_row = first_row;
          block->query_tiles = visit->end - i < 2 ? 1 : 2;
          const char* columns[2] = {};
          for (size_t c = 0; c < block->query_tiles; ++c) {
            block->queries[c] = task.query_tiles[i + c] * kQueries;
            columns[c] = queries + block->queries[c] * query_bytes;
            __builtin_memcpy(&block->minus_cutoffs[c], minus_cutoffs + block->queries[c], sizeof(Line));
          }
          const char* const elements = block->starts + kBlockRows * Int8::kStartBytes;
          if (block->query_tiles == 2) {
            multiply_two(tiles, *block, elements, columns[0], columns[1], steps);
          } else {
            multiply_one(tiles, *block, elements, columns[0], steps);
          }
          if (last != nullptr) take(tiles, task, *last);
          last = block;
          block = block == &blocks[0] ? &blocks[1] : &blocks[0];
        }
      }
    }
    if (last != nullptr) take(tiles, task, *last);
    // Where take_hits() throws, the registers stay configured: switches between threads then save them, and no more.
    tiles.release();
  }

 private:
  // Registers 0 to 3 have sums, 4 and 5 rows, 6 and 7 queries.
  static void multiply_two(Tiles& tiles, Block& block, const char* rows, const char* left, const char* right,
                           size_t steps) {
    tiles.load<0>(&block.minus_cutoffs[0], 0);
    tiles.load<1>(&block.minus_cutoffs[1], 0);
    tiles.load<2>(&block.minus_cutoffs[0], 0);
    tiles.load<3>(&block.minus_cutoffs[1], 0);
    for (; steps > 0; --steps, rows += 2 * kTileBytes, left += kTileBytes, right += kTileBytes) {
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

  static void multiply_one(Tiles& tiles, Block& block, const char* rows, const char* queries, size_t steps) {
    tiles.load<0>(&block.minus_cutoffs[0], 0);
    tiles.load<2>(&block.minus_cutoffs[0], 0);
    for (; steps > 0; --steps, rows += 2 * kTileBytes, queries += kTileBytes) {
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

  // Looks for hits in a block.
  static void take(Tiles& tiles, ScreenTask& task, const Block& block) {
    Line all = Line{} - 1;
    if (block.query_tiles == 2) {
#pragma GCC unroll 32
      for (size_t row = 0; row < kBlockRows; ++row) {
        const int32_t start = start_of(block, row);
        all &= (block.sums[row][0] + start) & (block.sums[row][1] + start);
      }
    } else {
#pragma GCC unroll 32
      for (size_t row = 0; row < kBlockRows; ++row) all &= block.sums[row][0] + start_of(block, row);
    }
    if (signs(all) != 0xffff) [[unlikely]]
      append_hits(tiles, task, block);
  }

  __attribute__((noinline)) static void append_hits(Tiles& tiles, ScreenTask& task, const Block& block) {
    if (task.hit_capacity - task.hit_count < kBlockScores) {
      task.take_hits(task.context);
      tiles.configure();
    }
    const size_t rows_left = task.row_count - block.first_row;
    Hit* hit = task.hits + task.hit_count;
    for (size_t row = 0; row < kBlockRows && row < rows_left; ++row) {
      for (size_t c = 0; c < block.query_tiles; ++c) {
        const Line sums = block.sums[row][c] + start_of(block, row);
        for (unsigned hits = ~signs(sums) & 0xffff; hits != 0; hits &= hits - 1) {
          const size_t lane = static_cast<size_t>(__builtin_ctz(hits)), query = block.queries[c] + lane;
          if (query >= task.query_count) break;
          *hit++ = {static_cast<float>(sums[lane] - block.minus_cutoffs[c][lane]),
                    static_cast<uint32_t>(task.first_row + block.first_row + row), static_cast<uint32_t>(query)};
        }
      }
    }
    task.hit_count = static_cast<size_t>(hit - task.hits);
  }
};
