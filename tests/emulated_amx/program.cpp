// Compares tiles in registers with plain sums and with tiles in memory, on a processor without an operating system.
// The console is port 0xe9, and the word "Shutdown" on port 0x8900 ends the emulator.
#include "kernels/kernel_table.h"

// What compilers and kernels take from libraries.
extern "C" {
void* memset(void* to, int value, size_t count) {
  for (volatile char* p = static_cast<char*>(to); count-- > 0;) *p++ = static_cast<char>(value);
  return to;
}
void* memcpy(void* to, const void* from, size_t count) {
  volatile char* p = static_cast<char*>(to);
  for (const char* q = static_cast<const char*>(from); count-- > 0;) *p++ = *q++;
  return to;
}
double rint(double x) {
  asm("vroundsd $4, %0, %0, %0" : "+x"(x));
  return x;
}
double sqrt(double x) {
  asm("vsqrtsd %0, %0, %0" : "+x"(x));
  return x;
}
float ceilf(float x) {
  asm("vroundss $2, %0, %0, %0" : "+x"(x));
  return x;
}
}

namespace {

using namespace latentknn;

constexpr size_t kDims[] = {1, 5, 63, 64, 65, 130, 200, 300};
constexpr size_t kMostDims = 300, kMostRows = 150, kMostQueries = 64;
constexpr size_t kPaddedDims = 320, kPaddedRows = 192;
constexpr float kInfinity = __builtin_inff();

void put(uint16_t port, char c) { asm volatile("outb %0, %1" : : "a"(c), "Nd"(port)); }
void print(const char* text) {
  while (*text != 0) put(0xe9, *text++);
}
void print(uint64_t number) {
  char digits[24];
  size_t count = 0;
  do digits[count++] = static_cast<char>('0' + number % 10);
  while ((number /= 10) != 0);
  while (count > 0) put(0xe9, digits[--count]);
}

uint32_t seed = 12345;
uint32_t next() {
  seed = seed * 1664525u + 1013904223u;
  return seed >> 8;
}

float row_elements[kMostRows * kMostDims], query_elements[kMostQueries * kMostDims], cutoffs[kMostQueries];
double ones[kMostRows];
int32_t starts[kMostRows];
size_t row_count, query_count, dim;

int64_t score(size_t query, size_t row) {
  int64_t sum = starts[row];
  for (size_t j = 0; j < dim; ++j) {
    sum += static_cast<int64_t>(row_elements[row * dim + j]) * static_cast<int64_t>(query_elements[query * dim + j]);
  }
  return sum;
}

// What one kernel finds.
struct Found {
  Hit hits[kMostRows * kMostQueries];
  size_t count;
  Hit room[1024];
  ScreenTask task;
  alignas(64) char rows[kPaddedRows * (kPaddedDims + 4)];
  alignas(64) char queries[kMostQueries * kPaddedDims];
  int32_t packed_cutoffs[kMostQueries];

  static void take(void* context) {
    Found& found = *static_cast<Found*>(context);
    for (size_t i = 0; i < found.task.hit_count; ++i) found.hits[found.count++] = found.room[i];
    found.task.hit_count = 0;
  }

  void screen(const KernelTable& table) {
    const ScreenKernel& kernel = table.of(Arithmetic::int8);
    kernel.pack_rows(row_elements, row_count, dim, ones, starts, rows);
    kernel.pack_queries(query_elements, query_count, dim, ones, queries);
    const size_t tiles = (query_count + kernel.query_tile - 1) / kernel.query_tile;
    for (size_t q = 0; q < tiles * kernel.query_tile; ++q) {
      kernel.set_cutoff(packed_cutoffs, q, q < query_count ? cutoffs[q] : kInfinity);
    }
    uint32_t query_tiles[8];
    for (size_t i = 0; i < tiles; ++i) query_tiles[i] = static_cast<uint32_t>(tiles - 1 - i);
    TileVisit visits[8];
    size_t visit_count = 0;
    for (uint32_t tile = 0; tile * kernel.row_tile < row_count; ++tile) {
      visits[visit_count++] = {tile, 0, static_cast<uint32_t>(tiles)};
    }
    count = 0;
    task = {queries,
            query_count,
            rows,
            row_count,
            0,
            visits,
            visit_count,
            query_tiles,
            dim,
            packed_cutoffs,
            room,
            0,
            kernel.row_tile * kernel.query_tile,
            &take,
            this};
    kernel.screen(task);
    take(this);
  }
};
Found registers, memory;
int times[kMostRows * kMostQueries];
uint64_t cases, compared, wrong, different;

// Counts pairs whose score or whose place among the hits is not what plain sums say, and hits that the kernels differ
// in.
void compare() {
  registers.screen(*amx_kernels());
  memory.screen(*amx_stand_in_kernels());
  different += registers.count != memory.count ? 1 : 0;
  for (int& each : times) each = 0;
  for (size_t i = 0; i < registers.count; ++i) {
    const Hit &a = registers.hits[i], &b = memory.hits[i];
    if (i < memory.count && (a.score != b.score || a.row != b.row || a.query != b.query)) ++different;
    ++times[a.query * row_count + a.row];
    if (a.score != static_cast<float>(score(a.query, a.row))) ++wrong;
  }
  for (size_t q = 0; q < query_count; ++q) {
    for (size_t row = 0; row < row_count; ++row) {
      const bool reaches = static_cast<double>(score(q, row)) >= static_cast<double>(ceilf(cutoffs[q]));
      if (times[q * row_count + row] != (reaches ? 1 : 0)) ++wrong;
    }
  }
  compared += registers.count;
  ++cases;
}

// Whether the product of -1 and 1 is -1, and not 255.
bool has_signs() {
  row_count = query_count = dim = 1;
  row_elements[0] = -1.0f;
  query_elements[0] = 1.0f;
  starts[0] = 1000;
  cutoffs[0] = -kInfinity;
  registers.screen(*amx_kernels());
  return registers.hits[0].score == 999.0f;
}

// Kinds: any bytes, the ends of what bytes are, all zero, all 127; without signs the first is 0 to 127.
float element(int kind, bool any_sign) {
  const int byte = static_cast<int>(next() % 256) - 128;
  switch (kind) {
    case 0: return static_cast<float>(any_sign || byte >= 0 ? byte : -1 - byte);
    case 1: return byte < 0 ? (any_sign ? -128.0f : 0.0f) : 127.0f;
    case 2: return 0.0f;
    default: return 127.0f;
  }
}

void run() {
  for (double& each : ones) each = 1.0;
  const bool any_sign = has_signs();
  for (int kind = 0; kind < 4; ++kind) {
    for (const size_t width : kDims) {
      dim = width;
      row_count = 1 + next() % kMostRows;
      query_count = 1 + next() % kMostQueries;
      for (size_t i = 0; i < row_count * dim; ++i) row_elements[i] = element(kind, any_sign);
      for (size_t i = 0; i < query_count * dim; ++i) query_elements[i] = element(kind, any_sign);
      // Every third start brings scores to an end of what they may be.
      const auto room = (1 << 30) - 1 - static_cast<int32_t>(dim) * 128 * 128;
      for (size_t i = 0; i < row_count; ++i) {
        const auto small = static_cast<int32_t>(next() % 2000001) - 1000000;
        starts[i] = i % 3 > 0 ? small : small < 0 ? -room : room;
      }
      for (float& each : cutoffs) each = -kInfinity;
      compare();
      for (size_t q = 0; q < query_count; ++q) cutoffs[q] = static_cast<float>(score(q, next() % row_count));
      compare();
    }
  }
  print(any_sign ? "operands of both signs: " : "NO SIGNS in this emulator's products, operands without signs: ");
  print(cases);
  print(" cases, ");
  print(compared);
  print(" hits, ");
  print(wrong);
  print(" wrong, ");
  print(different);
  print(" different from the stand-in\n");
}

}  // namespace

extern "C" __attribute__((section(".text.first"))) void begin() {
  run();
  for (const char* letter = "Shutdown"; *letter != 0; ++letter) put(0x8900, *letter);
}
