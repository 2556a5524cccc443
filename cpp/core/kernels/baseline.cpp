// The kernels for every processor, by the compiler's own vectors of 16 bytes: SSE2 on x86-64, plain NEON registers on
// AArch64, scalar code elsewhere. A tile is 4 queries x 8 rows, in 8 registers.
#include "kernel_table.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace latentknn {
namespace {

constexpr char kName[] = "baseline";
constexpr size_t kTileQueries = 4;
constexpr size_t kTileVectors = 2;

#include "baseline.inl"

typedef uint16_t WrappingShorts __attribute__((vector_size(16)));
typedef int8_t Bytes __attribute__((vector_size(8)));
using ShortScores = VectorScores<int16_t, Shorts, Shorts>;

// Multiplies 8-bit operands into 16-bit sums, which may wrap, as a score is modulo 2^16.
struct Int8 : ShortScores {
  static constexpr Arithmetic kArithmetic = Arithmetic::int8;
  static constexpr double kGain = 1.5;
  using Element = int8_t;
  using Vector = Shorts;
  using Sum = WrappingShorts;
  static constexpr size_t kGroup = 1;
  static constexpr size_t kStartBytes = sizeof(int16_t);
  static constexpr int kQueryLargest = 63;
  static constexpr int kQueryOffset = 0;
  static constexpr size_t kQueryCopies = 1;
  static Sum start(const void* rows, size_t vector) { return load_vector<Sum>(static_cast<const Sum*>(rows) + vector); }
  static Vector load(const Element* p) { return __builtin_convertvector(load_vector<Bytes>(p), Shorts); }
  static Vector broadcast(const Element* p) { return spread(*p); }
  static Sum add_product(Sum sum, Vector a, Vector b) { return sum + reinterpret_cast<Sum>(a * b); }
  static Score to_score(Sum sum) { return reinterpret_cast<Score>(sum); }
  static Element quantise(double x) { return static_cast<Element>(__builtin_rint(x)); }
};

#include "table.inl"

constexpr KernelTable kTable = table_of<Fused<Fp32>, Fused<Int16>, Fused<Int8>>();

}  // namespace

const KernelTable* baseline_kernels() { return &kTable; }

}  // namespace latentknn
