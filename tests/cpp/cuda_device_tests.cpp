// Tests of several or too small devices, memory that runs out, searches that stop early, and threads that are kept.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cuda_problem.h"
#include "emulated_device.h"
#include "helpers.h"

namespace {

using checking::check;
using namespace cuda_problem;
using namespace latentknn::cuda;

// Devices share the rows. Rows that they have no room for stay on the host.
void rows_on_several_devices() {
  const std::size_t dim = 40, count = 4000;
  Problem problem{"several devices", dim, vectors(count, dim, 13), vectors(40, dim, 14), {}};
  std::copy_n(problem.rows.begin(), 20 * dim, problem.queries.begin());
  for (std::size_t i = 0; i < count; ++i) problem.ids.push_back(static_cast<std::int64_t>(i * 1871 % count) - 77);
  std::vector<std::uint8_t> allowed(count);
  for (std::size_t i = 0; i < count; ++i) allowed[i] = i % 3 == 0 || (i > 2000 && i < 2300);
  std::vector<std::uint8_t> few(count);
  few[3] = few[1999] = few[3999] = 1;

  const auto check_searches = [&](ShardedRows& rows) {
    const std::size_t most = problem.query_count() / 5;  // queries of zeros fail: all rows score alike
    bool answered = true;
    answered = compare(rows, problem, 1) <= most && answered;
    // Parts are merged by scores even if the caller asks for none.
    answered = compare(rows, problem, 200, {}, false) <= most && answered;
    answered = compare(rows, problem, 10, allowed, false) <= most && answered;
    answered = compare(rows, problem, 3, few) <= most && answered;
    check(answered, problem.name + ": most queries are answered");
  };
  {
    emulation::set_devices(3, kAmple);
    ShardedRows rows(dim, {2, 0, 1}, 0, 500);
    for (const std::size_t end : {300, 1100, 1101, 4000}) add(rows, problem, rows.size(), end);
    const std::vector<std::size_t> shares = rows.shares();
    check(*std::min_element(shares.begin(), shares.end() - 1) >= 1100 && shares.back() == 0,
          "devices have about as many rows each");
    check_searches(rows);
  }
  {
    ShardedRows rows(dim, {0, 1, 2}, 0, 5000);
    add_all(rows, problem);
    check(rows.shares() == std::vector<std::size_t>{count, 0, 0, 0}, "few rows stay on one device");
    check_searches(rows);
  }
  const std::size_t before = emulation::allocated();
  for (const std::size_t devices : {1, 2}) {
    problem.name = std::to_string(devices) + " devices that are too small";
    emulation::set_devices(devices, kAmple);
    std::vector<int> numbers(devices);
    std::iota(numbers.begin(), numbers.end(), 0);
    ShardedRows rows(dim, numbers, 1000000 / devices, 500);
    add(rows, problem, 0, 400);
    add(rows, problem, 400, 3000);
    add(rows, problem, 3000, count);
    const std::vector<std::size_t> shares = rows.shares();
    check(shares.front() > 500 && shares.back() > 100, problem.name + ": rows on the device and on the host");
    check(std::accumulate(shares.begin(), shares.end(), std::size_t{0}) == count, problem.name + ": no row is lost");
    check_searches(rows);
    rows.clear();
    check(rows.size() == 0 && rows.shares().back() == 0, problem.name + ": nothing is left after clearing");
    add(rows, problem, 0, count);
    compare(rows, problem, 1);
  }
  {
    problem.name = "a device that fills up";
    emulation::set_devices(1, kAmple);
    ShardedRows rows(dim, {0});
    add(rows, problem, 0, 700);
    emulation::limit_memory(100000);
    add(rows, problem, 700, count);
    check(rows.shares() == std::vector<std::size_t>{768, count - 768}, problem.name + ": rows go to the host");
    emulation::limit_memory(kAmple);
    compare(rows, problem, 10);
  }
  check(emulation::allocated() == before, "all memory of devices and all pinned memory is given back");
  emulation::set_devices(1, kAmple);
}

void what_fails_is_said() {
  const std::size_t dim = 16;
  Problem problem{"after errors", dim, vectors(500, dim, 8), vectors(10, dim, 9), {}};
  const std::size_t before = emulation::allocated();
  {
    ShardedRows rows(dim, {0});
    add_all(rows, problem);
    emulation::limit_memory(1000);
    std::string said;
    try {
      compare(rows, problem, 5);
    } catch (const OutOfMemory& error) {
      said = error.what();
    }
    check(said.find("bytes to give") != std::string::npos && said.find("are free") != std::string::npos,
          "out of memory says what was asked and what is free: " + said);
    emulation::limit_memory(kAmple);
    compare(rows, problem, 5);

    const auto refused = [&](ShardedRequest request, auto expected) {
      cuda_problem::Neighbours found(1, 1000);
      request.queries = problem.queries.data();
      request.count = 1;
      request.answers = {found.similarities.data(), found.positions.data(), found.ids.data(), found.scores.data()};
      try {
        rows.search(request);
      } catch (const decltype(expected)&) {
        return true;
      }
      return false;
    };
    ShardedRequest request{};
    request.k = 5;
    request.poll = [] { return true; };
    check(refused(request, Stopped()), "a poll that asks to stop ends the search");
    request.poll = nullptr;
    request.k = 501;
    check(refused(request, std::invalid_argument("")), "more neighbours than rows are refused");
    std::vector<std::uint8_t> allowed(500);
    allowed[7] = 1;
    request.allowed = allowed.data();
    request.allowed_count = 500;
    request.k = 2;
    check(refused(request, std::invalid_argument("")), "more neighbours than rows that are allowed are refused");
    request.k = 1;
    request.allowed_count = 499;
    check(refused(request, std::invalid_argument("")), "flags of other rows are refused");
  }
  check(emulation::allocated() == before, "all device memory is given back");
  for (const int number : {-1, 1, 99}) {
    bool refused = false;
    try {
      ShardedRows(dim, {number});
    } catch (const DeviceError&) {
      refused = true;
    }
    check(refused, "there is no device " + std::to_string(number));
  }
}

// Rows on two devices that are too small, and several batches of queries, so that a search needs every kind of memory.
struct Crowded {
  Crowded() : rows(dim, {0, 1}, 100000, 100), allowed(problem.row_count()) {
    add_all(rows, problem);
    for (std::size_t i = 0; i < allowed.size(); ++i) allowed[i] = i % 4 != 0;
    check(rows.shares().front() > 0 && rows.shares().back() > 0, "there are rows on devices and on the host");
  }

  // Returns whether the search was stopped or ran out of memory.
  bool breaks_off(const std::function<bool()>& poll, bool some) {
    const std::size_t count = problem.query_count(), k = 5;
    cuda_problem::Neighbours found(count, k);
    ShardedRequest request{};
    request.queries = problem.queries.data();
    request.count = count;
    request.k = k;
    request.poll = poll;
    request.allowed = some ? allowed.data() : nullptr;
    request.allowed_count = allowed.size();
    request.answers = {found.similarities.data(), found.positions.data(), found.ids.data(), nullptr};
    try {
      rows.search(request);
    } catch (const OutOfMemory&) {
      return true;
    } catch (const Stopped&) {
      return true;
    }
    return false;
  }

  static constexpr std::size_t dim = 24;
  Problem problem{"crowded", dim, vectors(560, dim, 41), vectors(kQueryTile + 1, dim, 42), {}};
  ShardedRows rows;
  std::vector<std::uint8_t> allowed;
};

void searches_keep_their_memory() {
  emulation::set_devices(2, kAmple);
  {
    Crowded crowded;
    for (const bool some : {false, true}) crowded.breaks_off(nullptr, some);
    const std::size_t before = emulation::allocations_made();
    for (const bool some : {false, true}) crowded.breaks_off(nullptr, some);
    check(emulation::allocations_made() == before, "a search like the one before allocates nothing");
    crowded.rows.clear();
  }
  emulation::set_devices(1, kAmple);
}

void searches_that_break_off() {
  emulation::set_devices(2, kAmple);
  for (const bool some : {false, true}) {
    std::size_t failures = 0;
    for (bool failed = true; failed; ++failures) {
      Crowded crowded;
      emulation::fail_allocation_after(failures);
      failed = crowded.breaks_off(nullptr, some);
      emulation::fail_allocation_after(kAmple);
      if (failures % 5 == 0) compare(crowded.rows, crowded.problem, 5);
    }
    check(failures > 10, "each allocation of a search may fail, " + std::to_string(failures) + " did");

    Crowded crowded;
    std::size_t stops = 0;
    for (bool stopped = true; stopped; ++stops) {
      std::size_t polls = 0;
      stopped = crowded.breaks_off([&] { return polls++ == stops; }, some);
      if (stops % 5 == 0) compare(crowded.rows, crowded.problem, 5);
    }
    check(stops > 5, "a search looks often enough whether to stop, " + std::to_string(stops) + " times");
  }
  emulation::set_devices(1, kAmple);
}

// A forked child has a copy of the helpers, but not their threads.
void helpers_of_another_process() {
  auto helpers = std::make_unique<Helpers>();
  Stop stop([] { return false; });
  helpers->run_together({[] {}, [] {}, [] {}}, stop);
  const pid_t child = fork();
  if (child == 0) {
    helpers.reset();
    _exit(0);
  }
  int status = -1;
  for (int i = 0; i < 1000 && waitpid(child, &status, WNOHANG) == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const bool ended = status == 0;
  if (!ended) kill(child, SIGKILL);
  check(ended, "a forked child lets go of helpers");
  helpers->run_together({[] {}, [] {}}, stop);
}

// If one of several tasks fails, the others are asked to stop, and its exception is thrown.
void tasks_that_fail() {
  Stop stop([] { return false; });
  const auto wait = [&] {
    while (!stop.asked()) std::this_thread::yield();
    stop.check();
  };
  std::string said;
  try {
    Helpers().run_together({wait, [] { throw std::runtime_error("the second"); }, wait}, stop);
  } catch (const std::runtime_error& error) {
    said = error.what();
  }
  check(said == "the second", "what the first to fail threw is thrown, not " + said);

  // A failure within a task stops the others before it leaves that task.
  Stop nested([] { return false; });
  std::atomic<bool> others_are_stopped{false};
  said.clear();
  try {
    Helpers().run_together({[&] {
                              while (!nested.asked()) std::this_thread::yield();
                              others_are_stopped = true;
                              nested.check();
                            },
                            [&] {
                              nested.ask();
                              while (!others_are_stopped) std::this_thread::yield();
                              std::this_thread::sleep_for(std::chrono::milliseconds(50));
                              throw std::runtime_error("within");
                            }},
                           nested);
  } catch (const std::runtime_error& error) {
    said = error.what();
  } catch (const Stopped&) {
    said = "stopped";
  }
  check(said == "within", "a failure counts for more than the stop that it causes, not " + said);

  // A caller that has done its own task and waits is still asked.
  int asked = 0;
  Stop other([&] { return ++asked == 2; });
  bool stopped = false;
  try {
    Helpers().run_together({[] {},
                            [&] {
                              while (!other.asked()) std::this_thread::yield();
                              other.check();
                            }},
                           other);
  } catch (const Stopped&) {
    stopped = true;
  }
  check(stopped, "a caller that waits is asked whether to stop");

  // The other task never checks, but the caller's request to stop must not get lost.
  std::atomic<bool> was_asked{false};
  Stop unheard([&] { return was_asked.exchange(true) ? false : true; });
  stopped = false;
  try {
    Helpers().run_together({[] {},
                            [&] {
                              while (!was_asked) std::this_thread::yield();
                            }},
                           unheard);
  } catch (const Stopped&) {
    stopped = true;
  }
  check(stopped, "a caller that was asked at the end is stopped");
}

}  // namespace

int main() {
  rows_on_several_devices();
  what_fails_is_said();
  searches_keep_their_memory();
  searches_that_break_off();
  helpers_of_another_process();
  tasks_that_fail();
  return checking::summary();
}
