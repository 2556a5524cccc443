// Screening in float32: both operands normalised, stored dimension by dimension across a tile, so that
// one step loads kVectors vectors of rows and broadcasts one element of every query.

struct Fp32Tile {
  static constexpr size_t kQueries = kFp32Queries;
  static constexpr size_t kVectors = kFp32Vectors;
  static constexpr size_t kRows = kVectors * kFloats;

  static size_t packed_bytes(size_t dim) { return dim * sizeof(float); }

  static inline __attribute__((always_inline)) void scores(const void* queries, const void* rows, size_t dim,
                                                           Float (&out)[kQueries][kVectors]) {
    const float* q = static_cast<const float*>(queries);
    const float* x = static_cast<const float*>(rows);
    Float sums[kQueries][kVectors] = {};
    for (size_t j = 0; j < dim; ++j, q += kQueries, x += kRows) {
      Float row[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) row[v] = load(x + v * kFloats);
#pragma GCC unroll 16
      for (size_t i = 0; i < kQueries; ++i) {
        const Float element = broadcast(q[i]);
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) sums[i][v] += element * row[v];
      }
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kQueries; ++i) {
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) out[i][v] = sums[i][v];
    }
  }

  static void pack(const float* vectors, size_t count, size_t dim, const double* scales, size_t tile, void* out) {
    float* packed = static_cast<float*>(out);
    for (size_t first = 0; first < count; first += tile, packed += dim * tile) {
      for (size_t i = 0; i < tile; ++i) {
        const bool padding = first + i >= count;
        const float* vector = padding ? nullptr : vectors + (first + i) * dim;
        const double scale = padding ? 0.0 : scales[first + i];
        for (size_t j = 0; j < dim; ++j) {
          packed[j * tile + i] = padding ? 0.0f : static_cast<float>(static_cast<double>(vector[j]) * scale);
        }
      }
    }
  }
};
