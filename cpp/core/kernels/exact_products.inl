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

// Writes the products of N rows.
template <size_t N>
inline __attribute__((always_inline)) void reduce_all(const PartialSums (&sums)[N], double* out) {
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
  reduce_all(sums, out);
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

// Adds up the products of N pairs. Where they are of one query, it is read once.
template <size_t N, bool kSameQuery>
inline __attribute__((always_inline)) void add_up_pairs(const PairTask& task, const Pair* pairs, PartialSums* sums) {
  const size_t dim = task.dim, whole = dim / 8 * 8, padded = (dim + 7) / 8 * 8;
  const double* queries[N];
  const float* rows[N];
  PartialSums own[N] = {};
#pragma GCC unroll 8
  for (size_t i = 0; i < N; ++i) {
    queries[i] = task.queries + pairs[kSameQuery ? 0 : i].query * padded;
    rows[i] = task.rows + pairs[i].row * dim;
  }
  for (size_t j = 0; j < whole; j += 8) {
#pragma GCC unroll 8
    for (size_t i = 0; i < N; ++i) accumulate(own[i], queries[i] + j, rows[i] + j);
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < N; ++i) {
    accumulate_tail(own[i], queries[i], rows[i], dim, whole);
    sums[i] = own[i];
  }
}

void similarities(const PairTask& task, double* out) {
  // The pointers of four pairs fit the general registers of every processor but few more.
  constexpr size_t kTogether = kExactRows < 4 ? kExactRows : 4;
  static_assert(kExactRows % kTogether == 0);
  for (size_t first = 0; first < task.count; first += kExactRows) {
    const size_t left = task.count - first, count = left < kExactRows ? left : kExactRows;
    // What is missing of the last pairs is filled up with the last one.
    Pair pairs[kExactRows];
    for (size_t i = 0; i < kExactRows; ++i) pairs[i] = task.pairs[first + (i < count ? i : count - 1)];
    PartialSums sums[kExactRows];
    for (size_t i = 0; i < kExactRows; i += kTogether) {
      uint32_t different = 0;
      for (size_t j = 1; j < kTogether; ++j) different |= pairs[i].query ^ pairs[i + j].query;
      if (different == 0) {
        add_up_pairs<kTogether, true>(task, pairs + i, sums + i);
      } else {
        add_up_pairs<kTogether, false>(task, pairs + i, sums + i);
      }
    }
    double products[kExactRows], norms[kExactRows], found[kExactRows];
    reduce_all(sums, products);
    for (size_t i = 0; i < kExactRows; ++i) norms[i] = task.query_norms[pairs[i].query] * task.row_norms[pairs[i].row];
    for (size_t i = 0; i < kExactRows; ++i) {
      const double quotient = products[i] / __builtin_sqrt(norms[i]);
      const double low = quotient < -1.0 ? -1.0 : quotient, clipped = low > 1.0 ? 1.0 : low;
      // The product of two norms is zero only if one of them is: they are zero or at least 2^-298.
      found[i] = norms[i] > 0.0 ? clipped : 0.0;
    }
    __builtin_memcpy(out + first, found, count * sizeof(double));
  }
}
