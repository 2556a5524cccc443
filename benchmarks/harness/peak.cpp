// Measures what the machine gives at most on the given number of threads: register-only loops of float32 fused
// multiply-add and of 16-bit and 8-bit integer multiply-add, in Gop/s, two operations a multiply-add; and reading
// memory from one end to the other, in GB/s. Built by benchmarks/harness/machine.py for the machine it runs on.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>
#include <vector>

namespace {

constexpr int kSums = 12;
constexpr long kSteps = 40000000;
constexpr int kRounds = 5;
constexpr long kBytesRead = 1L << 28;  // a thread; far more than a cache holds

#if defined(__AVX512F__)
using Float = __m512;
using Int = __m512i;
Float multiply_add(Float sum, Float a, Float b) { return _mm512_fmadd_ps(a, b, sum); }
Int multiply_add(Int sum, Int a, Int b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }
#if defined(__AVX512VNNI__)
Int multiply_add_bytes(Int sum, Int a, Int b) { return _mm512_dpbusd_epi32(sum, a, b); }
#else
Int multiply_add_bytes(Int sum, Int a, Int b) { return _mm512_add_epi16(sum, _mm512_maddubs_epi16(a, b)); }
#endif
#else
using Float = __m256;
using Int = __m256i;
Float multiply_add(Float sum, Float a, Float b) { return _mm256_fmadd_ps(a, b, sum); }
Int multiply_add(Int sum, Int a, Int b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
#if defined(__AVXVNNI__)
Int multiply_add_bytes(Int sum, Int a, Int b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }
#else
Int multiply_add_bytes(Int sum, Int a, Int b) { return _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b)); }
#endif
#endif

// What a loop repeats: its vectors, and their multiply-add.
struct Fp32 {
  using Vector = Float;
  static constexpr double kOperations = 2.0 * sizeof(Float) / 4;
  static Float step(Float sum, Float a, Float b) { return multiply_add(sum, a, b); }
};
struct Int16 {
  using Vector = Int;
  static constexpr double kOperations = 2.0 * sizeof(Int) / 2;
  static Int step(Int sum, Int a, Int b) { return multiply_add(sum, a, b); }
};
struct Int8 {
  using Vector = Int;
  static constexpr double kOperations = 2.0 * sizeof(Int);
  static Int step(Int sum, Int a, Int b) { return multiply_add_bytes(sum, a, b); }
};

template <class Arithmetic>
void loop() {
  using Vector = typename Arithmetic::Vector;
  Vector sums[kSums] = {};
  Vector a = {}, b = {};
  for (long step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] = Arithmetic::step(sums[i], a, b);
      asm volatile("" : "+v"(sums[i]), "+v"(a), "+v"(b));
    }
  }
}

struct Words {
  Int words;
};

// Adds up memory vector by vector; the arithmetic is faster than the memory is.
void read(const std::vector<Words>& memory) {
  const long vectors = static_cast<long>(memory.size());
  Int sums[kSums] = {};
  for (long start = 0; start + kSums <= vectors; start += kSums) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] = sums[i] + memory[start + i].words;
      asm volatile("" : "+v"(sums[i]));
    }
  }
}

// Runs work(thread) on all threads a few times and returns the fewest seconds it took.
template <class Work>
double fewest_seconds(int threads, Work work) {
  double fewest = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const auto began = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) workers.emplace_back(work, i);
    for (std::thread& worker : workers) worker.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    fewest = std::min(fewest, took.count());
  }
  return fewest;
}

template <class Arithmetic>
double arithmetic_rate(int threads) {
  const double seconds = fewest_seconds(threads, [](int) { loop<Arithmetic>(); });
  return threads * static_cast<double>(kSteps) * kSums * Arithmetic::kOperations / seconds / 1e9;
}

double read_rate(int threads) {
  // Filled with ones: the kernel maps untouched memory to one page of zeros, which would stay in the cache.
  const std::vector<Words> ones(kBytesRead / sizeof(Words), Words{Int{} + 1});
  const std::vector<std::vector<Words>> memory(threads, ones);
  const double seconds = fewest_seconds(threads, [&](int thread) { read(memory[thread]); });
  return threads * static_cast<double>(kBytesRead) / seconds / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  std::printf("{\"fp32\": %.1f, \"int16\": %.1f, \"int8\": %.1f, \"read\": %.1f}\n", arithmetic_rate<Fp32>(threads),
              arithmetic_rate<Int16>(threads), arithmetic_rate<Int8>(threads), read_rate(threads));
}
