// Packs vectors across tiles, one group of dimensions after another: the group of each vector of the tile, then the
// next group of each. A tile of rows begins with the starts of its rows, where the arithmetic has starts.
//
// An Arithmetic has Element, quantise(), which turns a scaled float64 into an element, kGroup (dimensions of a group),
// kStartBytes (bytes of a row's start), kQueryCopies (copies of a query's group, side by side) and kQueryOffset (added
// to a query's elements; the rows' starts make up for it). Where groups of queries are smaller than those of rows, it
// has kQueryGroup; both are padded to multiples of kGroup dimensions.

template <class Arithmetic>
constexpr size_t query_group() {
  if constexpr (requires { Arithmetic::kQueryGroup; }) {
    return Arithmetic::kQueryGroup;
  } else {
    return Arithmetic::kGroup;
  }
}

template <class Arithmetic, size_t kTileQueries_, size_t kTileRows_>
struct Packing {
  using Element = typename Arithmetic::Element;
  static constexpr size_t kGroup = Arithmetic::kGroup;
  static constexpr size_t kQueries = kTileQueries_;
  static constexpr size_t kRows = kTileRows_;
  static constexpr size_t kQueryStep = Arithmetic::kQueryCopies * kGroup;  // elements that a step takes of a query

  static size_t groups(size_t dim) { return (dim + kGroup - 1) / kGroup; }
  static size_t query_bytes(size_t dim) { return groups(dim) * kQueryStep * sizeof(Element); }
  static size_t row_bytes(size_t dim) { return groups(dim) * kGroup * sizeof(Element) + Arithmetic::kStartBytes; }

  static void pack_queries(const float* vectors, size_t count, size_t dim, const double* scales, void* out) {
    Element* packed = static_cast<Element*>(out);
    for (size_t first = 0; first < count; first += kQueries) {
      packed = pack_tile<kQueries, query_group<Arithmetic>(), Arithmetic::kQueryCopies>(
          vectors, first, count, dim, scales, packed, Arithmetic::kQueryOffset, nullptr);
    }
  }

  static void pack_rows(const float* vectors, size_t count, size_t dim, const double* scales, const int32_t* starts,
                        void* out) {
    char* to = static_cast<char*>(out);
    for (size_t first = 0; first < count; first += kRows, to += kRows * row_bytes(dim)) {
      pack_row_tile(vectors, first, count, dim, scales, starts, to);
    }
  }

  // Packs the tile of rows that begins with row `first`, which may be beyond the last one.
  static void pack_row_tile(const float* vectors, size_t first, size_t count, size_t dim, const double* scales,
                            const int32_t* starts, char* to) {
    int32_t sums[kRows] = {};
    char* const elements = to + kRows * Arithmetic::kStartBytes;
    pack_tile<kRows, kGroup, 1>(vectors, first, count, dim, scales, reinterpret_cast<Element*>(elements), 0, sums);
    if (Arithmetic::kStartBytes > 0) {
      for (size_t i = 0; i < kRows; ++i) {
        const int32_t start = first + i < count ? starts[first + i] : 0;
        const uint32_t stored = static_cast<uint32_t>(start - Arithmetic::kQueryOffset * sums[i]);
        __builtin_memcpy(to + i * Arithmetic::kStartBytes, &stored, Arithmetic::kStartBytes);  // the low bytes
      }
    }
  }

 private:
  // Quantises a strip of dimensions of a whole tile vector by vector, then writes it across the tile. Adds each
  // vector's elements to `sums`, where it is not null. Returns the end of the tile.
  template <size_t kTile, size_t kEachGroup, size_t kCopies>
  static Element* pack_tile(const float* vectors, size_t first, size_t count, size_t dim, const double* scales,
                            Element* packed, int offset, int32_t* sums) {
    constexpr size_t kStrip = 64;
    static_assert(kStrip % kGroup == 0 && kGroup % kEachGroup == 0);
    Element strip[kTile][kStrip];
    const size_t left = count > first ? count - first : 0;
    const size_t present = left < kTile ? left : kTile;
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
      for (size_t j = 0; j < groups(width) * kGroup; j += kEachGroup) {
        for (size_t i = 0; i < kTile; ++i) {
          for (size_t g = 0; g < kCopies * kEachGroup; ++g) {
            *packed++ = static_cast<Element>(strip[i][j + g % kEachGroup] + static_cast<Element>(offset));
          }
        }
      }
    }
    return packed;
  }
};
