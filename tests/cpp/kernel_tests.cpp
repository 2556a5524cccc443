// Tests the kernels of 8-bit integers by themselves: every score and every hit is compared with plain sums.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "checking.h"
#include "isa.h"
#include "platform/aligned_buffer.h"
#include "platform/tile_permission.h"

namespace {

using checking::check;
using latentknn::AlignedBuffer;
using latentknn::Arithmetic;
using latentknn::Hit;
using latentknn::KernelTable;
using latentknn::MaximaTask;
using latentknn::ScreenKernel;
using latentknn::ScreenTask;
using latentknn::TileVisit;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What the elements of rows and queries are: any, their ends alone, all zero, or all the same.
enum class Elements { any, ends, zero, equal };
constexpr Elements kElements[] = {Elements::any, Elements::ends, Elements::zero, Elements::equal};

// Integers as a screen would quantise them, with starts.
struct Operands {
  std::size_t rows, queries, dim;
  std::vector<float> row_elements, query_elements;
  std::vector<std::int32_t> starts;

  Operands(const ScreenKernel& kernel, std::size_t row_count, std::size_t query_count, std::size_t width, Elements kind,
           std::mt19937& random)
      : rows(row_count), queries(query_count), dim(width) {
    // Sums that wrap take pairs of products that must not saturate; all others take any byte.
    const int least_row = kernel.wraps ? -127 : -128, largest = kernel.query_largest;
    const int least_query = kernel.wraps ? -largest : -largest - 1;
    const auto element = [&](int least, int most) -> float {
      switch (kind) {
        case Elements::any: return static_cast<float>(least + static_cast<int>(random() % (most - least + 1)));
        case Elements::ends: return static_cast<float>(random() % 2 == 0 ? least : most);
        case Elements::zero: return 0.0f;
        case Elements::equal: return static_cast<float>(most);
      }
      return 0.0f;
    };
    for (std::size_t i = 0; i < rows * dim; ++i) row_elements.push_back(element(least_row, 127));
    for (std::size_t i = 0; i < queries * dim; ++i) query_elements.push_back(element(least_query, largest));
    for (std::size_t i = 0; i < rows; ++i) starts.push_back(start(kernel.wraps, i, random));
  }

  // The score of a pair as a kernel reports it, before it becomes a float32.
  std::int32_t score(bool wraps, std::size_t query, std::size_t row) const {
    std::int64_t sum = starts[row];
    for (std::size_t j = 0; j < dim; ++j) {
      sum += static_cast<std::int64_t>(row_elements[row * dim + j]) *
             static_cast<std::int64_t>(query_elements[query * dim + j]);
    }
    return wraps ? static_cast<std::int16_t>(static_cast<std::uint16_t>(sum)) : static_cast<std::int32_t>(sum);
  }

 private:
  // Starts are anywhere; every third one brings its row's scores to an end of what scores may be, as far as products
  // alone leave room.
  std::int32_t start(bool wraps, std::size_t row, std::mt19937& random) const {
    if (wraps) return static_cast<std::int32_t>(random() % 65536) - 32768;
    const auto room =
        static_cast<std::int32_t>((std::int64_t{1} << 30) - 1 - static_cast<std::int64_t>(dim) * 128 * 128);
    if (row % 3 == 0) return random() % 2 == 0 ? room : -room;
    return static_cast<std::int32_t>(random() % 2000001) - 1000000;
  }
};

// Operands packed for a kernel, with what it is asked for.
struct Packed {
  const ScreenKernel& kernel;
  const Operands& operands;
  AlignedBuffer<char> rows, queries, cutoffs;
  std::vector<float> values;  // cutoffs as they were asked for

  Packed(const ScreenKernel& used, const Operands& of) : kernel(used), operands(of) {
    const std::vector<double> ones(std::max(of.rows, of.queries), 1.0);
    const auto round_up = [](std::size_t n, std::size_t to) { return (n + to - 1) / to * to; };
    rows.resize(round_up(of.rows, kernel.row_tile) * kernel.row_bytes(of.dim));
    queries.resize(round_up(of.queries, kernel.query_tile) * kernel.query_bytes(of.dim));
    cutoffs.resize(round_up(of.queries, kernel.query_tile) * kernel.cutoff_bytes);
    std::fill_n(rows.data(), rows.size(), char{0x55});
    std::fill_n(queries.data(), queries.size(), char{0x55});
    kernel.pack_rows(of.row_elements.data(), of.rows, of.dim, ones.data(), of.starts.data(), rows.data());
    kernel.pack_queries(of.query_elements.data(), of.queries, of.dim, ones.data(), queries.data());
    ask_for(std::vector<float>(of.queries, -kInfinity));
  }

  void ask_for(const std::vector<float>& wanted) {
    values = wanted;
    const std::size_t padded = cutoffs.size() / kernel.cutoff_bytes;
    for (std::size_t q = 0; q < padded; ++q) {
      kernel.set_cutoff(cutoffs.data(), q, q < values.size() ? values[q] : kInfinity);
    }
  }

  std::size_t row_tiles() const { return rows.size() / kernel.row_bytes(operands.dim) / kernel.row_tile; }
  std::size_t query_tiles() const { return queries.size() / kernel.query_bytes(operands.dim) / kernel.query_tile; }

  // Whether a score must be a hit: the kernel rounds a cutoff up to a number of its own.
  bool reaches(std::size_t query, std::int32_t score) const {
    const double least = kernel.wraps ? -32768.0 : -2147483648.0, most = kernel.wraps ? 32767.0 : 2147483647.0;
    return static_cast<double>(score) >= std::clamp(std::ceil(static_cast<double>(values[query])), least, most);
  }
};

// The hits of a task with room for so many; `raise`, if there is one, is called whenever they are taken out.
struct Collected {
  std::vector<Hit> hits;
  std::vector<Hit> room;
  ScreenTask task{};
  Packed* raised = nullptr;

  std::vector<Hit>& screen(Packed& packed, const std::vector<TileVisit>& visits,
                           const std::vector<std::uint32_t>& tiles, std::size_t first_row, std::size_t capacity) {
    room.resize(capacity);
    task.queries = packed.queries.data();
    task.query_count = packed.operands.queries;
    task.rows = packed.rows.data();
    task.row_count = packed.operands.rows;
    task.first_row = first_row;
    task.visits = visits.data();
    task.visit_count = visits.size();
    task.query_tiles = tiles.data();
    task.dim = packed.operands.dim;
    task.cutoffs = packed.cutoffs.data();
    task.hits = room.data();
    task.hit_capacity = capacity;
    task.take_hits = [](void* context) { static_cast<Collected*>(context)->take(); };
    task.context = this;
    packed.kernel.screen(task);
    take();
    return hits;
  }

  void take() {
    hits.insert(hits.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(task.hit_count));
    task.hit_count = 0;
    if (raised == nullptr) return;
    std::vector<float> higher = raised->values;
    for (float& value : higher) value += 1000.0f;
    raised->ask_for(higher);
  }
};

// Every row tile, with every query tile.
std::vector<TileVisit> all_visits(const Packed& packed, std::vector<std::uint32_t>& tiles) {
  tiles.resize(packed.query_tiles());
  for (std::uint32_t i = 0; i < tiles.size(); ++i) tiles[i] = i;
  std::vector<TileVisit> visits;
  for (std::uint32_t i = 0; i < packed.row_tiles(); ++i)
    visits.push_back({i, 0, static_cast<std::uint32_t>(tiles.size())});
  return visits;
}

// Compares all hits of all pairs with plain sums, for the cutoffs that are set.
bool hits_are_right(Packed& packed) {
  std::vector<std::uint32_t> tiles;
  const std::vector<TileVisit> visits = all_visits(packed, tiles);
  Collected collected;
  const std::size_t capacity = packed.kernel.query_tile * packed.kernel.row_tile;
  const std::vector<Hit>& hits = collected.screen(packed, visits, tiles, 0, capacity);
  const Operands& of = packed.operands;
  std::vector<float> found(of.queries * of.rows, NAN);
  for (const Hit& hit : hits) {
    if (hit.query >= of.queries || hit.row >= of.rows) return false;
    float& score = found[hit.query * of.rows + hit.row];
    if (!std::isnan(score)) return false;
    score = hit.score;
  }
  for (std::size_t q = 0; q < of.queries; ++q) {
    for (std::size_t row = 0; row < of.rows; ++row) {
      const std::int32_t score = of.score(packed.kernel.wraps, q, row);
      const float reported = found[q * of.rows + row];
      if (packed.reaches(q, score) ? reported != static_cast<float>(score) : !std::isnan(reported)) return false;
    }
  }
  return true;
}

// Cutoffs that scores sit on, or that are a little above them, or that everything or nothing reaches.
std::vector<float> cutoffs_on_scores(const Packed& packed, std::mt19937& random) {
  const Operands& of = packed.operands;
  std::vector<float> values;
  for (std::size_t q = 0; q < of.queries; ++q) {
    const auto on = static_cast<float>(of.score(packed.kernel.wraps, q, random() % of.rows));
    const float choices[] = {on,       on + 0.25f, std::nextafter(on, kInfinity), on + 1.0f, kInfinity, 0x1p30f,
                             -0x1p30f, 0.0f};
    values.push_back(choices[random() % std::size(choices)]);
  }
  return values;
}

void for_each_int8_kernel(void (*test)(const std::string&, const ScreenKernel&)) {
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    const KernelTable& kernels = latentknn::select_kernels();
    if (kernels.has(Arithmetic::int8)) test(isa, kernels.of(Arithmetic::int8));
  }
  unsetenv("LATENTKNN_ISA");
}

void scores_are_plain_sums(const std::string& isa, const ScreenKernel& kernel) {
  std::mt19937 random(3);
  unsigned number = 0;
  for (const std::size_t dim : {1, 3, 4, 5, 8, 9, 63, 64, 65, 128, 200, 2000}) {
    for (const std::size_t rows : {1, 31, 32, 33, 64, 65, 150}) {
      for (const Elements kind : kElements) {
        if (!checking::chosen(++number)) continue;
        const Operands operands(kernel, rows, 1 + random() % 50, dim, kind, random);
        Packed packed(kernel, operands);
        const std::string what = isa + " dim " + std::to_string(dim) + " rows " + std::to_string(rows) + " queries " +
                                 std::to_string(operands.queries) + " kind " + std::to_string(static_cast<int>(kind));
        check(hits_are_right(packed), what + ": every score is reported");
        packed.ask_for(std::vector<float>(operands.queries, kInfinity));
        check(hits_are_right(packed), what + ": no score reaches infinity");
        for (int i = 0; i < 3; ++i) {
          packed.ask_for(cutoffs_on_scores(packed, random));
          check(hits_are_right(packed), what + ": a score on the cutoff is a hit, and one below is not");
        }
      }
    }
  }
}

// Visits of some tiles only, odd numbers of query tiles in any order, rows that begin at a place.
void only_what_is_visited_is_compared(const std::string& isa, const ScreenKernel& kernel) {
  std::mt19937 random(4);
  for (std::size_t trial = 0; trial < checking::scaled(20); ++trial) {
    const Operands operands(kernel, 100 + random() % 200, 40 + random() % 100, 1 + random() % 130, Elements::any,
                            random);
    Packed packed(kernel, operands);
    std::vector<std::uint32_t> tiles;
    std::vector<TileVisit> visits;
    std::vector<char> visited(packed.row_tiles() * packed.query_tiles());
    for (std::uint32_t row = 0; row < packed.row_tiles(); ++row) {
      if (random() % 3 == 0) continue;
      const auto begin = static_cast<std::uint32_t>(tiles.size());
      for (auto i = static_cast<std::uint32_t>(packed.query_tiles()); i-- > 0;) {
        if (random() % 2 == 0) continue;
        tiles.push_back(i);
        visited[row * packed.query_tiles() + i] = 1;
      }
      visits.push_back({row, begin, static_cast<std::uint32_t>(tiles.size())});
    }
    Collected collected;
    constexpr std::size_t kFirst = 1000;
    collected.screen(packed, visits, tiles, kFirst, 4 * kernel.query_tile * kernel.row_tile);
    std::vector<int> times(operands.rows * operands.queries);
    bool right = true;
    for (const Hit& hit : collected.hits) {
      const std::size_t row = hit.row - kFirst;
      right = right && row < operands.rows && hit.query < operands.queries &&
              hit.score == static_cast<float>(operands.score(kernel.wraps, hit.query, row));
      if (right) ++times[row * operands.queries + hit.query];
    }
    for (std::size_t row = 0; row < operands.rows; ++row) {
      for (std::size_t q = 0; q < operands.queries; ++q) {
        const std::size_t tile = row / kernel.row_tile * packed.query_tiles() + q / kernel.query_tile;
        right = right && times[row * operands.queries + q] == visited[tile];
      }
    }
    check(right, isa + ": a pair is compared once if its tiles visit each other, and else never");
  }
}

// Cutoffs rise whenever hits are taken out, as in a search.
void cutoffs_may_rise_meanwhile(const std::string& isa, const ScreenKernel& kernel) {
  std::mt19937 random(5);
  const Operands operands(kernel, 500, 90, 70, Elements::any, random);
  Packed packed(kernel, operands);
  const std::vector<float> begun(operands.queries, kernel.wraps ? -30000.0f : -200000.0f);
  packed.ask_for(begun);
  std::vector<std::uint32_t> tiles;
  const std::vector<TileVisit> visits = all_visits(packed, tiles);
  Collected collected;
  collected.raised = &packed;
  collected.screen(packed, visits, tiles, 0, 2 * kernel.query_tile * kernel.row_tile);
  std::vector<int> times(operands.rows * operands.queries);
  bool right = true;
  for (const Hit& hit : collected.hits) {
    const std::int32_t score = operands.score(kernel.wraps, hit.query, hit.row);
    right = right && hit.score == static_cast<float>(score) && hit.score >= begun[hit.query];
    ++times[hit.row * operands.queries + hit.query];
  }
  std::size_t left_out = 0;
  for (std::size_t row = 0; row < operands.rows; ++row) {
    for (std::size_t q = 0; q < operands.queries; ++q) {
      const bool reaches = packed.reaches(q, operands.score(kernel.wraps, q, row));
      const int found = times[row * operands.queries + q];
      right = right && (reaches ? found == 1 : found <= 1);
      left_out += found == 0 ? 1 : 0;
    }
  }
  check(right, isa + ": what reaches the last cutoffs is found once, with its score");
  check(left_out > 0, isa + ": cutoffs that rise leave something out");
}

// The maxima of some rows around each tile of queries, with plain sums, in calls for some tiles each.
void maxima_are_the_highest_scores(const std::string& isa, const ScreenKernel& kernel) {
  if (kernel.maxima == nullptr) return;
  std::mt19937 random(7);
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  for (std::size_t trial = 0; trial < checking::scaled(40); ++trial) {
    const std::size_t row_tiles = 1 + random() % 6;
    const Operands operands(kernel, row_tiles * kernel.row_tile, 1 + random() % 90, 1 + random() % 200,
                            kElements[trial % std::size(kElements)], random);
    const Packed packed(kernel, operands);
    std::size_t rows_each = MaximaTask::kFewest;
    while (2 * rows_each <= kernel.row_tile && random() % 2 == 0) rows_each *= 2;
    // Each tile of queries wants as many row tiles as the others, from another one on.
    const std::size_t width = 1 + random() % row_tiles, each_tile = kernel.row_tile / rows_each;
    const std::size_t first = random() % packed.query_tiles();
    std::vector<std::uint32_t> tiles(packed.query_tiles()), begins(packed.query_tiles());
    for (std::uint32_t i = 0; i < tiles.size(); ++i) {
      tiles[i] = i;
      begins[i] = static_cast<std::uint32_t>(random() % (row_tiles - width + 1));
    }
    std::vector<std::uint32_t> wanted;
    std::vector<TileVisit> visits;
    for (std::uint32_t row_tile = 0; row_tile < row_tiles; ++row_tile) {
      const auto begin = static_cast<std::uint32_t>(wanted.size());
      for (std::size_t i = first; i < tiles.size(); ++i) {
        if (row_tile >= begins[i] && row_tile < begins[i] + width) wanted.push_back(tiles[i]);
      }
      visits.push_back({row_tile, begin, static_cast<std::uint32_t>(wanted.size())});
    }
    const std::size_t each = width * each_tile + random() % 3;
    std::vector<float> maxima((tiles.size() - first) * kernel.query_tile * each, kNone);
    MaximaTask task{};
    task.queries = packed.queries.data();
    task.query_count = operands.queries;
    task.rows = packed.rows.data();
    task.row_count = operands.rows;
    task.visits = visits.data();
    task.visit_count = visits.size();
    task.query_tiles = wanted.data();
    task.dim = operands.dim;
    task.rows_each = rows_each;
    task.first_query = first * kernel.query_tile;
    task.first_row_tiles = begins.data();
    task.maxima = maxima.data();
    task.maxima_each = each;
    kernel.maxima(task);
    bool right = true;
    for (std::size_t q = task.first_query; q < operands.queries; ++q) {
      const std::size_t lane = q % kernel.query_tile;
      const float* const of_query = maxima.data() + (q - lane - task.first_query) * each + lane;
      for (std::size_t i = 0; i < each; ++i) {
        float highest = kNone;
        const std::size_t row = begins[q / kernel.query_tile] * kernel.row_tile + i * rows_each;
        for (std::size_t j = 0; j < rows_each && i < width * each_tile; ++j) {
          highest = std::max(highest, static_cast<float>(operands.score(kernel.wraps, q, row + j)));
        }
        right = right && of_query[i * kernel.query_tile] == highest;
      }
    }
    check(right, isa + ": maxima are the highest scores of their rows");
  }
}

// Groups of lines that stand side by side, and groups whose lines alternate.
void lines_are_multiplied_by_matrices() {
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    const KernelTable& kernels = latentknn::select_kernels();
    std::mt19937 random(8);
    bool right = true;
    for (const std::size_t size : {1, 3, 4, 5, 8, 9, 13, 16, 28}) {
      for (const auto& [stride, groups] : {std::pair<std::size_t, std::size_t>{1, 5}, {6, 6}, {3, 12}}) {
        constexpr std::size_t kLine = latentknn::LineTask::kLine;
        std::vector<float> matrix(size * size), in(size * groups * kLine), out(in.size(), NAN);
        const auto small = [&] { return static_cast<float>(static_cast<int>(random() % 17) - 8); };
        for (std::size_t i = 0; i < size; ++i) {
          for (std::size_t j = 0; j <= i; ++j) matrix[i * size + j] = matrix[j * size + i] = small();
        }
        for (float& value : in) value = small();
        kernels.multiply_lines({matrix.data(), size, stride, groups, in.data(), out.data()});
        for (std::size_t group = 0; group < groups; ++group) {
          const std::size_t begin = group / stride * size * stride + group % stride;
          for (std::size_t i = 0; i < size * kLine; ++i) {
            float sum = 0.0f;
            for (std::size_t j = 0; j < size; ++j) {
              sum += matrix[i / kLine * size + j] * in[(begin + j * stride) * kLine + i % kLine];
            }
            right = right && out[(begin + i / kLine * stride) * kLine + i % kLine] == sum;
          }
        }
      }
    }
    check(right, isa + ": lines are sums of the lines of their groups");
  }
  unsetenv("LATENTKNN_ISA");
}

bool same_hits(const std::vector<Hit>& a, const std::vector<Hit>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Hit& x, const Hit& y) {
    return x.score == y.score && x.row == y.row && x.query == y.query;
  });
}

// Compares tiles in registers with tiles in memory, where the processor has registers for them.
void tiles_equal_their_stand_in() {
  const std::vector<std::string> isas = latentknn::available_isas();
  if (std::find(isas.begin(), isas.end(), "amx") == isas.end()) {
    std::printf("amx: not here, so that only its stand-in was compared with plain sums\n");
    return;
  }
  const ScreenKernel& registers = latentknn::amx_kernels()->of(Arithmetic::int8);
  const ScreenKernel& memory = latentknn::amx_stand_in_kernels()->of(Arithmetic::int8);
  std::mt19937 random(6);
  for (std::size_t trial = 0; trial < checking::scaled(200); ++trial) {
    const Operands operands(memory, 1 + random() % 300, 1 + random() % 100, 1 + random() % 900,
                            kElements[trial % std::size(kElements)], random);
    Packed one(registers, operands), other(memory, operands);
    check(std::equal(one.rows.data(), one.rows.data() + one.rows.size(), other.rows.data()) &&
              std::equal(one.queries.data(), one.queries.data() + one.queries.size(), other.queries.data()),
          "tiles are packed alike");
    const std::vector<float> cutoffs = cutoffs_on_scores(one, random);
    one.ask_for(cutoffs);
    other.ask_for(cutoffs);
    std::vector<std::uint32_t> tiles;
    const std::vector<TileVisit> visits = all_visits(one, tiles);
    Collected first, second;
    const std::size_t capacity = memory.query_tile * memory.row_tile;
    check(same_hits(first.screen(one, visits, tiles, 0, capacity), second.screen(other, visits, tiles, 0, capacity)),
          "tiles in registers have the hits of tiles in memory, in their order");
  }
}

int asked = 0;

void tiles_are_used_by_permission() {
  using latentknn::tile_permission;
  const auto yes = [] { return true; };
  const auto no = [] { return false; };
  const auto grant = [] { return ++asked, 0; };
  const auto refuse = [] { return ++asked, EPERM; };
  const latentknn::TilePermission absent = tile_permission({no, yes, grant});
  check(!absent.has_tiles && !absent.granted && absent.refusal.empty(), "no tiles, no refusal");
  const latentknn::TilePermission unsaved = tile_permission({yes, no, grant});
  check(unsaved.has_tiles && !unsaved.granted && unsaved.refusal.find("does not save") != std::string::npos,
        "tiles that the system does not save are not used");
  check(asked == 0, "the system is not asked for what cannot be used");
  const latentknn::TilePermission granted = tile_permission({yes, yes, grant});
  check(granted.has_tiles && granted.granted && granted.refusal.empty(), "tiles are used where the system grants them");
  const latentknn::TilePermission refused = tile_permission({yes, yes, refuse});
  check(refused.has_tiles && !refused.granted && refused.refusal.find("refused its tile registers: ") == 21,
        "a refusal is told with its reason: " + refused.refusal);
  check(asked == 2, "the system is asked once each time");
  // Whatever this machine is, the answer and the list of instruction sets agree.
  const std::vector<std::string> isas = latentknn::available_isas();
  const bool listed = std::find(isas.begin(), isas.end(), "amx") != isas.end();
  check(!listed || tile_permission().granted, "amx is listed only with permission");
  check(latentknn::refused_isas().empty() == tile_permission().refusal.empty(), "a refusal is listed");
}

}  // namespace

int main() {
  for_each_int8_kernel(&scores_are_plain_sums);
  for_each_int8_kernel(&only_what_is_visited_is_compared);
  for_each_int8_kernel(&cutoffs_may_rise_meanwhile);
  for_each_int8_kernel(&maxima_are_the_highest_scores);
  lines_are_multiplied_by_matrices();
  tiles_equal_their_stand_in();
  tiles_are_used_by_permission();
  return checking::summary();
}
