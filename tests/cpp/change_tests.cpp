// Tests changes of a database, without Python: searches after them, copies, what is refused, and memory that runs out.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "checking.h"
#include "database.h"
#include "database_cases.h"
#include "isa.h"
#include "rows/live_rows.h"

namespace {

// Allocations until one fails; negative where none does.
std::atomic<long> allocations_left{-1};

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(std::max<std::size_t>(bytes, 1), 16); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(std::max<std::size_t>(bytes, 1), static_cast<std::size_t>(alignment));
}
// The standard library's sorts ask for memory in this way, and do without where there is none.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

using cases::make_rows;
using checking::check;
using checking::throws;
using latentknn::Database;
using latentknn::ElementType;
using latentknn::SearchRequest;

void live_rows_are_counted() {
  std::mt19937 random(4);
  bool ranks = true, rows = true, flags = true;
  for (const std::size_t count : {1, 63, 64, 65, 1000}) {
    latentknn::LiveRows live(count / 2);
    live.extend(count);
    std::vector<std::size_t> left(count);
    std::iota(left.begin(), left.end(), std::size_t{0});
    while (!left.empty()) {
      std::vector<std::int64_t> gone;
      for (std::size_t i = 0; i < left.size(); ++i) {
        if (random() % 3 == 0) gone.push_back(static_cast<std::int64_t>(i));
      }
      live.remove(gone.data(), gone.size());
      for (std::size_t i = gone.size(); i-- > 0;) left.erase(left.begin() + gone[i]);
      for (std::size_t i = 0; i < left.size(); ++i) {
        ranks = ranks && live.rank(left[i]) == i;
        rows = rows && live.row(i) == left[i];
        flags = flags && live.flags()[left[i]] != 0;
      }
      flags = flags && live.size() == left.size();
    }
  }
  check(ranks, "a live row has the rank that it has among live rows");
  check(rows, "a rank leads to its row");
  check(flags, "rows are live until they are removed");
}

// A database, and the rows that it should have.
struct Changing {
  Changing(std::size_t dim_, latentknn::Strategy strategy) : database(dim_, strategy), dim(dim_) {}

  void change(const std::vector<std::int64_t>& gone, std::size_t count, unsigned seed) {
    const std::vector<float> more = make_rows(count, dim, seed);
    std::vector<std::int64_t> more_ids(count);
    for (std::int64_t& id : more_ids) id = (next_id++ * 7919 + 13) % 1000003 - 500000;
    latentknn::Change wanted{
        gone.data(), gone.size(), {more.data(), ElementType::float32, count, dim}, more_ids.data()};
    database.change(wanted, 2, nullptr);
    for (std::size_t i = gone.size(); i-- > 0;) {
      const std::int64_t at = gone[i];
      rows.erase(rows.begin() + at * static_cast<std::int64_t>(dim),
                 rows.begin() + (at + 1) * static_cast<std::int64_t>(dim));
      ids.erase(ids.begin() + at);
    }
    rows.insert(rows.end(), more.begin(), more.end());
    ids.insert(ids.end(), more_ids.begin(), more_ids.end());
  }

  // Whether a search, a search of its own rows, and a score of candidates give what one built of the rows gives.
  bool answers_as_built_anew(std::size_t k, bool masked, unsigned seed) const {
    Database anew(dim, latentknn::Strategy::float64);
    anew.add({rows.data(), ElementType::float32, ids.size(), dim}, ids.data(), 2, nullptr);
    const std::size_t queries = 9;
    const std::vector<float> asked = make_rows(queries, dim, seed);
    std::vector<std::uint8_t> allowed(ids.size(), 1);
    for (std::size_t i = seed % 3; masked && i < ids.size(); i += 3) allowed[i] = 0;
    std::vector<std::int64_t> candidates(queries * 3 * k);
    std::mt19937 random(seed);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      candidates[i] =
          i % (3 * k) < k ? static_cast<std::int64_t>(i % (3 * k)) : static_cast<std::int64_t>(random() % ids.size());
    }
    std::vector<double> lowest(queries);
    for (double& similarity : lowest) similarity = static_cast<double>(random()) * 0x1p-31 - 1;
    const auto bytes = [&](const Database& of, int kind) {
      const std::size_t lines = kind == 1 ? ids.size() : queries;
      std::vector<float> similarities(lines * k);
      std::vector<double> scores(lines * k);
      std::vector<std::int64_t> positions(lines * k), found_ids(lines * k);
      SearchRequest request{};
      request.queries = {asked.data(), ElementType::float32, queries, dim};
      request.k = k;
      request.threads = 2;
      request.answers = {similarities.data(), positions.data(), found_ids.data(), scores.data()};
      if (kind == 0) {
        request.allowed = masked ? allowed.data() : nullptr;
        request.allowed_count = ids.size();
        request.at_least = seed % 4 == 0 ? lowest.data() : nullptr;
        of.search(request);
      } else if (kind == 1) {
        of.search_self(request);
      } else {
        of.score(request, candidates.data(), 3 * k);
      }
      std::string all;
      const auto append = [&all](const auto& values) {
        all.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
      };
      append(similarities);
      append(scores);
      append(positions);
      append(found_ids);
      return all;
    };
    bool equal = database.size() == ids.size();
    for (int kind = 0; kind < 3; ++kind) equal = equal && bytes(database, kind) == bytes(anew, kind);
    std::vector<float> copied(rows.size());
    std::vector<std::int64_t> copied_ids(ids.size());
    // The rows come in two pieces, which end anywhere in a part.
    const std::size_t first = (seed * 37) % (ids.size() + 1);
    database.copy_rows(copied.data(), 0, first, nullptr);
    database.copy_rows(copied.data() + first * dim, first, ids.size() - first, nullptr);
    database.copy_ids(copied_ids.data());
    return equal && std::memcmp(copied.data(), rows.data(), rows.size() * sizeof(float)) == 0 && copied_ids == ids;
  }

  Database database;
  std::size_t dim;
  std::vector<float> rows;
  std::vector<std::int64_t> ids;
  std::int64_t next_id = 0;
};

// Changes databases of every kernel and strategy at random, and compares each state with a database that is built of
// the same rows and scores all of them, which kernels_equal_the_reference() compares with the contract.
void changed_databases_equal_those_built_anew() {
  std::size_t number = 0;
  for (const std::string& isa : latentknn::available_isas()) {
    setenv("LATENTKNN_ISA", isa.c_str(), 1);
    unsigned seed = 1;
    for (const std::string& name : latentknn::strategy_names()) {
      for (const std::size_t dim : std::initializer_list<std::size_t>{3, 24}) {
        if (!checking::chosen(number++)) continue;
        Changing changing(dim, latentknn::strategy_from_name(name));
        std::mt19937 random(++seed);
        bool equal = true;
        changing.change({}, 200, ++seed);
        for (int step = 0; step < 16; ++step) {
          const std::size_t share = step % 8 == 7 ? 2 : 40;  // now and then half of the rows go
          std::vector<std::int64_t> gone;
          for (std::size_t i = 0; i < changing.ids.size(); ++i) {
            if (random() % share == 0 && gone.size() + 60 < changing.ids.size())
              gone.push_back(static_cast<std::int64_t>(i));
          }
          const Database before = changing.database;
          const std::size_t size = before.size();
          changing.change(gone, step % 6 == 5 ? 300 : random() % 60, ++seed);
          if (step % 10 == 9) changing.database.compact(2, nullptr);
          const std::size_t k = step % 5 == 4 ? changing.ids.size() / 3 : 1 + random() % 12;
          equal = equal && changing.answers_as_built_anew(k, step % 2 == 0, ++seed) && before.size() == size;
        }
        check(equal, isa + " " + name + " dim " + std::to_string(dim) + ": a changed database equals one built anew");
      }
    }
  }
  unsetenv("LATENTKNN_ISA");
}

void copies_do_not_see_each_others_changes() {
  Changing one(8, latentknn::Strategy::automatic);
  one.change({}, 500, 1);
  one.change({}, 5, 2);
  Changing other = one;
  // Both append behind the same rows, whose memory has room for more.
  one.change({7}, 2, 3);
  other.next_id = 9000;
  other.change({0, 501}, 3, 4);
  check(one.answers_as_built_anew(9, true, 5) && other.answers_as_built_anew(9, true, 5),
        "copies that change are databases of their own");
}

void wrong_changes_change_nothing() {
  Changing changing(4, latentknn::Strategy::automatic);
  changing.change({}, 400, 1);
  changing.change({3, 17}, 20, 2);
  const float bad[] = {1, NAN, 0, 0};
  const std::int64_t id = 77;
  const auto refused = [&](const std::vector<std::int64_t>& gone, bool rows) {
    latentknn::Change wanted{gone.data(), gone.size(), {bad, ElementType::float32, rows ? 1u : 0u, 4}, &id};
    return throws<std::invalid_argument>([&] { changing.database.change(wanted, 1, nullptr); });
  };
  check(refused({5, 5}, false) && refused({6, 5}, false) && refused({-1}, false) && refused({418}, false),
        "positions that are none, or that do not ascend, are refused");
  std::vector<float> copied(500 * 4);
  const auto no_rows = [&](std::size_t first, std::size_t count) {
    return throws<std::invalid_argument>([&] { changing.database.copy_rows(copied.data(), first, count, nullptr); });
  };
  check(no_rows(0, 419) && no_rows(418, 1) && no_rows(419, 0) && no_rows(1, SIZE_MAX),
        "rows that are none are refused");
  check(refused({1, 2}, true), "a bad row is refused, with the removal that comes with it");
  const auto stop = [] { return true; };
  check(throws<latentknn::Interrupted>([&] {
          for (int i = 0; i < 1000000; ++i) changing.database.compact(1, stop), changing.change({}, 1, 9);
        }),
        "a poll that asks to stop interrupts packing");
  changing.next_id = 100000;
  changing.change({}, 1, 3);
  check(changing.answers_as_built_anew(5, true, 6), "what was refused or interrupted has changed nothing");
}

// Lets an early, a later and a late allocation of a change fail, and then lets the change happen.
void changes_without_memory_change_nothing() {
  Changing changing(16, latentknn::Strategy::automatic);
  changing.change({}, 1000, 1);
  changing.change({4, 90}, 10, 2);
  std::vector<std::int64_t> many;
  for (std::int64_t i = 0; i < 1000; i += 3) many.push_back(i);
  const std::vector<float> more = make_rows(4200, 16, 3);
  std::vector<std::int64_t> ids(4200);
  std::iota(ids.begin(), ids.end(), std::int64_t{2000000});
  long failures = 0;
  bool unchanged = true;
  const auto failing = [&](const std::function<void(Database&)>& action) {
    for (long allowed = 0;; allowed += 1 + allowed / 16) {
      Database changed = changing.database;
      allocations_left = allowed;
      const bool failed = throws<std::bad_alloc>([&] { action(changed); });
      allocations_left = -1;
      if (!failed) break;
      ++failures;
      unchanged = unchanged && changed.size() == changing.ids.size();
    }
  };
  const auto change = [&](const std::vector<std::int64_t>& gone, std::size_t count) {
    failing([&](Database& database) {
      database.change({gone.data(), gone.size(), {more.data(), ElementType::float32, count, 16}, ids.data()}, 2,
                      nullptr);
    });
  };
  change({}, 5);
  change({}, 40);
  change({}, 4200);
  change({17}, 0);
  change(many, 2);
  failing([](Database& database) { database.compact(2, nullptr); });
  check(unchanged && changing.answers_as_built_anew(3, true, 8), "changes without memory change nothing");
  check(failures > 100, "allocations that failed: " + std::to_string(failures));
}

}  // namespace

int main() {
  live_rows_are_counted();
  changed_databases_equal_those_built_anew();
  copies_do_not_see_each_others_changes();
  wrong_changes_change_nothing();
  changes_without_memory_change_nothing();
  return checking::summary();
}
