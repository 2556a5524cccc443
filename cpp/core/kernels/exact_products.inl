// Computes rule 1 of the contract. There are eight float64 partial sums; product j is added to sum j mod 8 in
// increasing j, then p[l] += p[l + w] for w = 4, 2, 1. A product of two float32 is exact in float64, so fused and
// separate multiply-add give the same bits; a padding product of +0 never changes a sum.
//
// The including file defines Double (a vector of float64), kDoubles (its length), HalfFloat (kDoubles float32),
// widen(HalfFloat) -> Double and kTransposedRows. Where that is not 0, it also defines
// sum_transposed(const Double (&)[kTransposedRows][8 / kDoubles]) -> Double, which sums so many rows at once.

constexpr size_t kParts = 8 / kDoubles;

struct PartialSums {
  Double parts[kParts];
};

inline __attribute__((always_inline)) void accumulate(PartialSums& sums, const double* query, const float* vector) {
#pragma GCC unroll 8
  for (size_t p = 0; p < kParts; ++p) {
    HalfFloat x;
    Double q;
    __builtin_memcpy(&x, vector + p * kDoubles, sizeof x);
    __builtin_memcpy(&q, query + p * kDoubles, sizeof q);
    sums.parts[p] += q * widen(x);
  }
}

inline __attribute__((always_inline)) void accumulate_squares(PartialSums& sums, const float* vector) {
#pragma GCC unroll 8
  for (size_t p = 0; p < kParts; ++p) {
    HalfFloat x;
    __builtin_memcpy(&x, vector + p * kDoubles, sizeof x);
    sums.parts[p] += widen(x) * widen(x);
  }
}

inline __attribute__((always_inline)) double reduce(const PartialSums& sums) {
  double p[8];
  __builtin_memcpy(p, sums.parts, sizeof p);
  for (size_t width = 4; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) p[lane] += p[lane + width];
  }
  return p[0];
}

// Reads the last dim mod 8 elements through a zero-padded copy.
inline __attribute__((always_inline)) void accumulate_tail(PartialSums& sums, const double* query, const float* vector,
                                                           size_t dim, size_t done) {
  if (done == dim) return;
  float padded[8] = {};
  for (size_t j = done; j < dim; ++j) padded[j - done] = vector[j];
  accumulate(sums, query + done, padded);
}

template <size_t N>
inline __attribute__((always_inline)) void products_of(const double* query, const float* const (&vectors)[N],
                                                       size_t dim, double* out) {
  PartialSums sums[N] = {};
  size_t j = 0;
  for (; j + 8 <= dim; j += 8) {
#pragma GCC unroll 8
    for (size_t i = 0; i < N; ++i) accumulate(sums[i], query + j, vectors[i] + j);
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < N; ++i) accumulate_tail(sums[i], query, vectors[i], dim, j);
  if constexpr (N == kTransposedRows) {
    Double parts[N][kParts];
#pragma GCC unroll 8
    for (size_t i = 0; i < N; ++i) {
      for (size_t p = 0; p < kParts; ++p) parts[i][p] = sums[i].parts[p];
    }
    const Double reduced = sum_transposed(parts);
    __builtin_memcpy(out, &reduced, sizeof reduced);
  } else {
#pragma GCC unroll 8
    for (size_t i = 0; i < N; ++i) out[i] = reduce(sums[i]);
  }
}

void dot_products(const double* query, const float* base, const uint32_t* rows, size_t count, size_t dim, double* out) {
  constexpr size_t kGroup = kExactRows;
  size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    const float* vectors[kGroup];
    for (size_t g = 0; g < kGroup; ++g) vectors[g] = base + rows[i + g] * dim;
    products_of<kGroup>(query, vectors, dim, out + i);
  }
  for (; i < count; ++i) {
    const float* const vectors[1] = {base + rows[i] * dim};
    products_of<1>(query, vectors, dim, out + i);
  }
}

void squared_norms(const float* vectors, size_t count, size_t dim, double* out) {
  for (size_t i = 0; i < count; ++i, vectors += dim) {
    PartialSums sums = {};
    size_t j = 0;
    for (; j + 8 <= dim; j += 8) accumulate_squares(sums, vectors + j);
    if (j < dim) {
      float padded[8] = {};
      for (size_t l = 0; j + l < dim; ++l) padded[l] = vectors[j + l];
      accumulate_squares(sums, padded);
    }
    out[i] = reduce(sums);
  }
}
