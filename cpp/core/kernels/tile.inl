// A tile of screened scores, kept in registers, for any screening arithmetic. Both operands are stored
// group by group of dimensions across a tile, so that one step loads kVectors vectors of rows and
// broadcasts one group of every query.
//
// An Arithmetic has: Element, kGroup (dimensions of one step), Vector, Sum, load(), broadcast(),
// add_product(), to_float() and quantise(), which turns a scaled float64 into an Element. The including
// file also defines pin(), which tells the compiler that a sum is final in its register: left to itself,
// GCC 12 begins all products of a step before it adds them up, runs out of registers and spills the sums.

template <class Arithmetic>
struct Tile {
  using Element = typename Arithmetic::Element;
  using Sum = typename Arithmetic::Sum;
  static constexpr size_t kGroup = Arithmetic::kGroup;
  static constexpr size_t kQueries = kTileQueries;
  static constexpr size_t kVectors = kTileVectors;
  static constexpr size_t kRows = kVectors * kFloats;

  static size_t groups(size_t dim) { return (dim + kGroup - 1) / kGroup; }
  static size_t packed_bytes(size_t dim) { return groups(dim) * kGroup * sizeof(Element); }

  static inline __attribute__((always_inline)) void scores(const void* queries, const void* rows, size_t dim,
                                                           Float (&out)[kQueries][kVectors]) {
    const Element* q = static_cast<const Element*>(queries);
    const Element* x = static_cast<const Element*>(rows);
    Sum sums[kQueries][kVectors] = {};
    for (size_t step = groups(dim); step > 0; --step, q += kQueries * kGroup, x += kRows * kGroup) {
      typename Arithmetic::Vector row[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) row[v] = Arithmetic::load(x + v * kFloats * kGroup);
#pragma GCC unroll 16
      for (size_t i = 0; i < kQueries; ++i) {
        const typename Arithmetic::Vector group = Arithmetic::broadcast(q + i * kGroup);
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
      for (size_t v = 0; v < kVectors; ++v) out[i][v] = Arithmetic::to_float(sums[i][v]);
    }
  }

  // A strip of dimensions of a whole tile is quantised vector by vector, then written across the tile.
  static void pack(const float* vectors, size_t count, size_t dim, const double* scales, size_t tile, void* out) {
    constexpr size_t kStrip = 64;
    constexpr size_t kWidestTile = 64;
    Element strip[kWidestTile][kStrip];
    Element* packed = static_cast<Element*>(out);
    for (size_t first = 0; first < count; first += tile) {
      const size_t present = count - first < tile ? count - first : tile;
      for (size_t begin = 0; begin < dim; begin += kStrip) {
        const size_t width = dim - begin < kStrip ? dim - begin : kStrip;
        for (size_t i = 0; i < tile; ++i) {
          const float* vector = i < present ? vectors + (first + i) * dim + begin : nullptr;
          const double scale = i < present ? scales[first + i] : 0.0;
          for (size_t j = 0; j < kStrip; ++j) strip[i][j] = 0;
          for (size_t j = 0; i < present && j < width; ++j) {
            strip[i][j] = Arithmetic::quantise(static_cast<double>(vector[j]) * scale);
          }
        }
        for (size_t j = 0; j < width; j += kGroup) {
          for (size_t i = 0; i < tile; ++i) {
            for (size_t g = 0; g < kGroup; ++g) *packed++ = strip[i][j + g];
          }
        }
      }
    }
  }
};
