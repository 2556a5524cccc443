// Lets every single allocation of a call fail, one after the other: the call throws std::bad_alloc or does without, and
// the database answers as before or as after.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include "checking.h"
#include "database.h"
#include "database_cases.h"

namespace {

// How many more allocations, of all threads, succeed before one fails.
std::atomic<std::int64_t> left{INT64_MAX};

void* allocate(std::size_t bytes, std::size_t alignment) {
  void* const memory =
      left.fetch_sub(1) == 0 ? nullptr : std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

using cases::FoundAnswers;
using cases::make_rows;
using checking::check;
using latentknn::Database;
using latentknn::ElementType;
using latentknn::SearchRequest;
using latentknn::Strategy;

constexpr std::size_t kDim = 24;
constexpr std::size_t kThreads = 2;

std::size_t failures = 0;

// Lets the first allocation fail, then the second, and so on until none fails. `prepare` makes what `call` is given,
// and `look` tells whether that is whole afterwards; it hears whether the call threw.
template <class Prepare, class Call, class Look>
void fail_each(const std::string& what, const Prepare& prepare, const Call& call, const Look& look) {
  bool whole = true;
  for (std::int64_t number = 0; whole; ++number) {
    auto given = prepare();
    bool threw = false;
    left = number;
    try {
      call(*given);
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    const bool failed = left.exchange(INT64_MAX) < 0;
    whole = look(*given, threw);
    failures += failed ? 1 : 0;
    if (!failed) break;
  }
  check(whole, what + " is whole whichever allocation fails");
}

// Rows that a database may hold, and each query's neighbours among them.
struct Held {
  Held(const std::vector<float>& values, const std::vector<std::int64_t>& ids, const std::vector<float>& queries)
      : rows(ids.size()) {
    for (std::size_t q = 0; q < queries.size() / kDim; ++q) {
      neighbours.push_back(reference::neighbours(queries.data() + q * kDim, values, ids, {}, reference::kNobody));
    }
  }

  std::size_t rows;
  std::vector<std::vector<reference::Neighbour>> neighbours;
};

struct Setting {
  Strategy strategy;
  std::size_t rows, added;
  std::vector<float> values = make_rows(rows + added, kDim, 5);
  std::vector<std::int64_t> ids = [this] {
    std::vector<std::int64_t> made(rows + added);
    std::iota(made.begin(), made.end(), std::int64_t{100});
    return made;
  }();
  std::vector<float> queries = make_rows(9, kDim, 6);
  Held without_added = first(rows);
  Held with_added = first(rows + added);

  std::unique_ptr<Database> database() const {
    auto made = std::make_unique<Database>(kDim, strategy);
    made->add({values.data(), ElementType::float32, rows, kDim}, ids.data(), kThreads, nullptr);
    return made;
  }

  void add(Database& database) const {
    database.add({values.data() + rows * kDim, ElementType::float32, added, kDim}, ids.data() + rows, kThreads,
                 nullptr);
  }

  SearchRequest request(std::size_t k, FoundAnswers& answers) const {
    SearchRequest made{};
    made.queries = {queries.data(), ElementType::float32, queries.size() / kDim, kDim};
    made.k = k;
    made.threads = kThreads;
    made.answers = answers.arrays();
    return made;
  }

  // Returns whether a database holds these rows, and finds each query's neighbours among them.
  bool holds(const Database& database, const Held& held) const {
    const std::size_t count = queries.size() / kDim;
    FoundAnswers found(count, 5);
    database.search(request(5, found));
    bool right = database.size() == held.rows;
    for (std::size_t q = 0; q < count; ++q) right = right && found.equal(q, held.neighbours[q]);
    return right;
  }

  Held first(std::size_t count) const {
    return {std::vector<float>(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count * kDim)),
            std::vector<std::int64_t>(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count)), queries};
  }
};

void calls_survive_failing_allocations(const Setting& setting) {
  const std::string name =
      latentknn::strategy_name(setting.strategy) + (", " + std::to_string(setting.rows)) + " rows: ";
  const auto full = [&] { return setting.database(); };
  const auto unchanged = [&](const Database& database, bool) { return setting.holds(database, setting.without_added); };

  fail_each(
      name + "an empty database", [] { return std::make_unique<int>(); }, [&](int) { setting.database(); },
      [](int, bool) { return true; });
  fail_each(
      name + "add", full, [&](Database& database) { setting.add(database); },
      [&](Database& database, bool threw) {
        if (threw && !setting.holds(database, setting.without_added)) return false;
        if (threw) setting.add(database);
        return setting.holds(database, setting.with_added);
      });
  for (const std::size_t k : {std::size_t{3}, setting.rows - 1}) {
    FoundAnswers answers(setting.queries.size() / kDim, k);
    fail_each(
        name + "search", full, [&](const Database& database) { database.search(setting.request(k, answers)); },
        unchanged);
  }
  FoundAnswers own(setting.rows, 2);
  SearchRequest among_themselves = setting.request(2, own);
  among_themselves.queries.rows = setting.rows;
  fail_each(
      name + "search_self", full, [&](const Database& database) { database.search_self(among_themselves); }, unchanged);
  const std::vector<std::int64_t> positions(setting.queries.size() / kDim * 7, 3);
  FoundAnswers scored(setting.queries.size() / kDim, 1);
  fail_each(
      name + "score", full,
      [&](const Database& database) { database.score(setting.request(1, scored), positions.data(), 7); }, unchanged);
  fail_each(name + "explain", full, [](const Database& database) { database.explain(); }, unchanged);
}

// A change that removes rows and adds others, or packs all of them together, happens whole or not at all.
void changes_survive_failing_allocations(const Setting& setting) {
  std::vector<std::int64_t> gone;
  std::vector<float> left_values;
  std::vector<std::int64_t> left_ids;
  for (std::size_t row = 0; row < setting.rows + setting.added; ++row) {
    if (row < setting.rows && row % 3 == 0) {
      gone.push_back(static_cast<std::int64_t>(row));
      continue;
    }
    const float* values = setting.values.data() + row * kDim;
    left_values.insert(left_values.end(), values, values + kDim);
    left_ids.push_back(setting.ids[row]);
  }
  const Held left_after(left_values, left_ids, setting.queries);
  const latentknn::Change wanted{
      gone.data(),
      gone.size(),
      {setting.values.data() + setting.rows * kDim, ElementType::float32, setting.added, kDim},
      setting.ids.data() + setting.rows};
  const std::string name = latentknn::strategy_name(setting.strategy);
  fail_each(
      name + ": change", [&] { return setting.database(); },
      [&](Database& database) { database.change(wanted, kThreads, nullptr); },
      [&](const Database& database, bool threw) {
        return setting.holds(database, threw ? setting.without_added : left_after);
      });
  const auto changed = [&] {
    auto database = setting.database();
    database->change(wanted, kThreads, nullptr);
    return database;
  };
  fail_each(
      name + ": compact", changed, [](Database& database) { database.compact(kThreads, nullptr); },
      [&](const Database& database, bool) { return setting.holds(database, left_after); });
}

}  // namespace

int main() {
  for (const std::string& name : latentknn::strategy_names()) {
    const Strategy strategy = latentknn::strategy_from_name(name);
    for (const std::size_t rows : {60, 700}) {
      // More rows have cells, shards and several rungs; their cases take longer.
      if (rows > 60 && checking::scale() <= 1 && strategy != Strategy::automatic) continue;
      const Setting setting{strategy, rows, rows};
      calls_survive_failing_allocations(setting);
      changes_survive_failing_allocations(setting);
    }
  }
  std::printf("%zu allocations failed\n", failures);
  return checking::summary();
}
