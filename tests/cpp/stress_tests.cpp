// Threads that search and ask while another one changes copies and publishes them, and threads with databases of their
// own; for the sanitizers, and for answers that no state of the database ever had.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "checking.h"
#include "database.h"
#include "database_cases.h"

namespace {

using cases::FoundAnswers;
using checking::check;
using latentknn::Database;
using latentknn::ElementType;
using latentknn::SearchRequest;
using latentknn::Strategy;

constexpr std::size_t kRows = 600, kPassing = 90, kQueries = 7, kDim = 16, kBest = 4;

std::vector<float> positive_rows(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0.5f, 1.0f);
  std::vector<float> rows(count * kDim);
  for (float& value : rows) value = uniform(random);
  return rows;
}

// The rows that stay are near every query; those that pass through point away, so the right answer stays the same.
struct Scene {
  explicit Scene(Strategy strategy) {
    for (float& value : passing) value = -value;
    std::vector<std::int64_t> ids(kRows);
    for (std::size_t i = 0; i < kRows; ++i) ids[i] = static_cast<std::int64_t>(i);
    Database database(kDim, strategy);
    database.add({staying.data(), ElementType::float32, kRows, kDim}, ids.data(), 2, nullptr);
    publish(std::move(database));
    for (std::size_t q = 0; q < kQueries; ++q) {
      expected.push_back(reference::neighbours(queries.data() + q * kDim, staying, ids, {}, reference::kNobody));
    }
  }

  // A search holds the state that is published when it begins.
  std::shared_ptr<const Database> now() const {
    const std::lock_guard lock(publishing);
    return published;
  }
  void publish(Database database) {
    auto next = std::make_shared<const Database>(std::move(database));
    const std::lock_guard lock(publishing);
    published.swap(next);
  }

  SearchRequest request(FoundAnswers& answers, std::size_t threads) const {
    SearchRequest made{};
    made.queries = {queries.data(), ElementType::float32, kQueries, kDim};
    made.k = kBest;
    made.threads = threads;
    made.poll = [] { return false; };
    made.answers = answers.arrays();
    return made;
  }

  bool search(std::size_t threads) const {
    FoundAnswers answers(kQueries, kBest);
    now()->search(request(answers, threads));
    bool right = true;
    for (std::size_t q = 0; q < kQueries; ++q) right = right && answers.equal(q, expected[q]);
    return right;
  }

  // Searches by a mask that was made for the rows of a state.
  bool search_masked() const {
    const std::shared_ptr<const Database> database = now();
    const std::size_t count = database->size();
    const std::vector<std::uint8_t> allowed(count, 1);
    FoundAnswers answers(kQueries, kBest);
    SearchRequest masked = request(answers, 2);
    masked.allowed = allowed.data();
    masked.allowed_count = count;
    database->search(masked);
    bool right = true;
    for (std::size_t q = 0; q < kQueries; ++q) right = right && answers.equal(q, expected[q]);
    return right;
  }

  // Reads everything else that there is to read.
  bool look() const {
    const std::shared_ptr<const Database> database = now();
    const std::size_t count = database->size();
    std::vector<float> rows(count * kDim);
    database->copy_rows(rows.data(), 0, count, nullptr);
    std::vector<std::int64_t> ids(count);
    database->copy_ids(ids.data());
    FoundAnswers answers(count, 1);
    SearchRequest own = request(answers, 2);
    own.k = 1;
    own.queries.rows = count;
    database->search_self(own);
    return database->explain().rows == count && database->strategy() != nullptr && ids[kRows - 1] == kRows - 1 &&
           std::equal(staying.begin(), staying.end(), rows.begin());
  }

  // Lets rows come and go, in a copy; every other time the addition is interrupted, at one moment or another.
  void change(std::size_t turn) {
    std::vector<std::int64_t> ids(kPassing);
    for (std::size_t i = 0; i < kPassing; ++i) ids[i] = static_cast<std::int64_t>(kRows + turn * kPassing + i);
    Database database = *now();
    try {
      const auto poll = [turn] { return turn % 2 == 0; };
      database.add({passing.data(), ElementType::float32, kPassing, kDim}, ids.data(), 2, poll);
    } catch (const latentknn::Interrupted&) {
      return;
    }
    publish(database);
    if (turn % 3 == 0) return;
    std::vector<std::int64_t> gone(database.size() - kRows);
    std::iota(gone.begin(), gone.end(), static_cast<std::int64_t>(kRows));
    database.change({gone.data(), gone.size(), {}, nullptr}, 2, nullptr);
    if (turn % 5 == 0) database.compact(2, nullptr);
    publish(std::move(database));
  }

  const std::vector<float> staying = positive_rows(kRows, 1);
  std::vector<float> passing = positive_rows(kPassing, 2);
  const std::vector<float> queries = positive_rows(kQueries, 3);
  mutable std::mutex publishing;
  std::shared_ptr<const Database> published;
  std::vector<std::vector<reference::Neighbour>> expected;
};

void searches_beside_changes_are_right(const std::string& strategy, std::size_t turns) {
  Scene scene(latentknn::strategy_from_name(strategy));
  std::atomic<bool> finished{false};
  std::atomic<std::size_t> searches{0};
  std::atomic<bool> right{true};
  std::vector<std::thread> threads;
  for (std::size_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      while (!finished) {
        const bool holds = number == 0 ? scene.look() : number == 1 ? scene.search_masked() : scene.search(number - 1);
        if (!holds) right = false;
        ++searches;
      }
    });
  }
  for (std::size_t turn = 0; turn < turns; ++turn) {
    scene.change(turn);
    // Searches meet each state.
    while (searches < 8 * (turn + 1)) std::this_thread::yield();
  }
  finished = true;
  for (std::thread& thread : threads) thread.join();
  check(right, strategy + ": each of " + std::to_string(searches) + " searches beside changes is right");
  check(scene.search(2), strategy + ": the database is right after all changes");
}

void databases_of_threads_are_apart(const std::string& strategy, std::size_t turns) {
  std::atomic<bool> right{true};
  std::vector<std::thread> threads;
  for (std::size_t number = 0; number < 3; ++number) {
    threads.emplace_back([&, number] {
      for (std::size_t turn = 0; turn < turns; ++turn) {
        Scene scene(latentknn::strategy_from_name(strategy));
        scene.change(turn + 1);
        if (!scene.search(1 + number)) right = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  check(right, strategy + ": databases of several threads are right");
}

}  // namespace

int main() {
  for (const std::string& strategy : latentknn::strategy_names()) {
    searches_beside_changes_are_right(strategy, checking::scaled(60));
    databases_of_threads_are_apart(strategy, checking::scaled(10));
  }
  return checking::summary();
}
