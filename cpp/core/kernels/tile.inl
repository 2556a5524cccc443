// A tile of scores, kept in registers, for any arithmetic of screening. Both operands are stored across a tile, one
// group of dimensions after another, so that one step loads kVectors vectors of rows and broadcasts one group of
// every query.
//
// An Arithmetic has Element, kGroup (dimensions of one step), Vector, Sum, kLanes (rows of a Sum), load(), broadcast(),
// add_product(), start(), kStartBytes (bytes of a row's start), kQueryCopies (copies of a query's group, side by side),
// kQueryOffset (added to a query's elements; the rows' starts make up for it), Score, to_score() and quantise(), which
// turns a scaled float64 into an element. The including file also defines pin(), which tells the compiler that a sum
// is final in its register. Without it, GCC 12 begins all products of a step before it adds them up, runs out of
// registers and spills the sums.

template <class Arithmetic>
struct Tile {
  using Element = typename Arithmetic::Element;
  using Sum = typename Arithmetic::Sum;
  using Score = typename Arithmetic::Score;
  static constexpr size_t kGroup = Arithmetic::kGroup;
  static constexpr size_t kQueries = kTileQueries;
  static constexpr size_t kVectors = kTileVectors;
  static constexpr size_t kLanes = Arithmetic::kLanes;
  static constexpr size_t kRows = kVectors * kLanes;

  struct Scores {
    Score of[kQueries][kVectors];
  };

  static size_t groups(size_t dim) { return (dim + kGroup - 1) / kGroup; }
  static constexpr size_t kQueryStep = Arithmetic::kQueryCopies * kGroup;  // elements that a step takes of a query
  static size_t query_bytes(size_t dim) { return groups(dim) * kQueryStep * sizeof(Element); }
  static size_t row_bytes(size_t dim) { return groups(dim) * kGroup * sizeof(Element) + Arithmetic::kStartBytes; }

  static inline __attribute__((always_inline)) void compute(const void* queries, const void* rows, size_t dim,
                                                            Scores& scores) {
    const Element* q = static_cast<const Element*>(queries);
    Sum sums[kQueries][kVectors];
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; ++v) {
      const Sum start = Arithmetic::start(rows, v);
#pragma GCC unroll 16
      for (size_t i = 0; i < kQueries; ++i) {
        sums[i][v] = start;
        pin(sums[i][v]);
      }
    }
    const char* const elements = static_cast<const char*>(rows) + kRows * Arithmetic::kStartBytes;
    const Element* x = reinterpret_cast<const Element*>(elements);
    for (size_t step = groups(dim); step > 0; --step, q += kQueries * kQueryStep, x += kRows * kGroup) {
      typename Arithmetic::Vector row[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) row[v] = Arithmetic::load(x + v * kLanes * kGroup);
#pragma GCC unroll 16
      for (size_t i = 0; i < kQueries; ++i) {
        const typename Arithmetic::Vector group = Arithmetic::broadcast(q + i * kQueryStep);
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) {
          sums[i][v] = Arithmetic::add_product(sums[i][v], group, row[v]);
          pin(sums[i][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kQueries; ++i) {
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) scores.of[i][v] = Arithmetic::to_score(sums[i][v]);
    }
  }

  static void pack_queries(const float* vectors, size_t count, size_t dim, const double* scales, void* out) {
    Element* packed = static_cast<Element*>(out);
    for (size_t first = 0; first < count; first += kQueries) {
      packed = pack_tile<kQueries, Arithmetic::kQueryCopies>(vectors, first, count, dim, scales, packed,
                                                             Arithmetic::kQueryOffset, nullptr);
    }
  }

  static void pack_rows(const float* vectors, size_t count, size_t dim, const double* scales, const int32_t* starts,
                        void* out) {
    char* to = static_cast<char*>(out);
    for (size_t first = 0; first < count; first += kRows) {
      int32_t sums[kRows] = {};
      char* const elements = to + kRows * Arithmetic::kStartBytes;
      pack_tile<kRows, 1>(vectors, first, count, dim, scales, reinterpret_cast<Element*>(elements), 0, sums);
      if (Arithmetic::kStartBytes > 0) {
        for (size_t i = 0; i < kRows; ++i) {
          const int32_t start = first + i < count ? starts[first + i] : 0;
          const uint32_t stored = static_cast<uint32_t>(start - Arithmetic::kQueryOffset * sums[i]);
          __builtin_memcpy(to + i * Arithmetic::kStartBytes, &stored, Arithmetic::kStartBytes);  // the low bytes
        }
      }
      to += kRows * row_bytes(dim);
    }
  }

 private:
  // Quantises a strip of dimensions of a whole tile vector by vector, then writes it across the tile. Adds each
  // vector's elements to `sums`, where it is not null. Returns the end of the tile.
  template <size_t kTile, size_t kCopies>
  static Element* pack_tile(const float* vectors, size_t first, size_t count, size_t dim, const double* scales,
                            Element* packed, int offset, int32_t* sums) {
    constexpr size_t kStrip = 64;
    Element strip[kTile][kStrip];
    const size_t present = count - first < kTile ? count - first : kTile;
    for (size_t begin = 0; begin < dim; begin += kStrip) {
      const size_t width = dim - begin < kStrip ? dim - begin : kStrip;
      for (size_t i = 0; i < kTile; ++i) {
        const float* vector = i < present ? vectors + (first + i) * dim + begin : nullptr;
        const double scale = i < present ? scales[first + i] : 0.0;
        for (size_t j = 0; j < kStrip; ++j) strip[i][j] = 0;
        for (size_t j = 0; i < present && j < width; ++j) {
          strip[i][j] = Arithmetic::quantise(static_cast<double>(vector[j]) * scale);
        }
        for (size_t j = 0; sums != nullptr && Arithmetic::kStartBytes > 0 && j < width; ++j) {
          sums[i] += static_cast<int32_t>(strip[i][j]);
        }
      }
      for (size_t j = 0; j < width; j += kGroup) {
        for (size_t i = 0; i < kTile; ++i) {
          for (size_t g = 0; g < kCopies * kGroup; ++g) {
            *packed++ = static_cast<Element>(strip[i][j + g % kGroup] + static_cast<Element>(offset));
          }
        }
      }
    }
    return packed;
  }
};
