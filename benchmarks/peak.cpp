// Measures what the processor's arithmetic units give at most: register-only loops of float32 fused
// multiply-add and of 16-bit integer multiply-add, on the given number of threads. Prints Gop/s, two
// operations a multiply-add. Built by benchmarks/peak.py for the machine it runs on.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kSums = 12;
constexpr long kSteps = 40000000;

#if defined(__AVX512F__)
using Float = __m512;
using Int = __m512i;
Float multiply_add(Float sum, Float a, Float b) { return _mm512_fmadd_ps(a, b, sum); }
Int multiply_add(Int sum, Int a, Int b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }
#else
using Float = __m256;
using Int = __m256i;
Float multiply_add(Float sum, Float a, Float b) { return _mm256_fmadd_ps(a, b, sum); }
Int multiply_add(Int sum, Int a, Int b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
#endif

template <class Vector>
void loop() {
  Vector sums[kSums] = {};
  Vector a = {}, b = {};
  for (long step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] = multiply_add(sums[i], a, b);
      asm volatile("" : "+v"(sums[i]), "+v"(a), "+v"(b));
    }
  }
}

template <class Vector>
double best_rate(int threads, double operations_per_vector) {
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const auto began = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) workers.emplace_back(loop<Vector>);
    for (std::thread& worker : workers) worker.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    best = std::max(best, threads * static_cast<double>(kSteps) * kSums * operations_per_vector / took.count() / 1e9);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  std::printf("{\"fp32\": %.1f, \"int16\": %.1f}\n", best_rate<Float>(threads, 2.0 * sizeof(Float) / 4),
              best_rate<Int>(threads, 2.0 * sizeof(Int) / 2));
}
