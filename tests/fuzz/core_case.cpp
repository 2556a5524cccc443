#include "core_case.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "database.h"
#include "database_cases.h"
#include "isa.h"

namespace fuzz {
namespace {

using namespace latentknn;

// The bytes, read one after the other; zeros follow the last.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }

  std::uint8_t next() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }

  std::size_t below(std::size_t limit) { return (next() * std::size_t{256} + next()) % limit; }

  // A float of any kind, often of a few small numbers, so that rows are alike and similarities equal.
  float number() {
    const std::uint8_t kind = next();
    if (kind < 160) return static_cast<float>(kind % 7) - 3.0f;
    if (kind < 200) return std::ldexp(1.0f + static_cast<float>(next()) * 0x1p-23f, kind - 180);
    if (kind < 210) return std::ldexp(static_cast<float>(next()), -149);
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits = bits << 8 | next();
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

void expect(bool holds, const char* what) {
  if (!holds) give_up(what);
}

// A database, and beside it what it should hold.
class Case {
 public:
  explicit Case(Bytes& bytes)
      : bytes_(bytes),
        dim_(1 + bytes.below(20)),
        strategy_(strategy_from_name(strategy_names()[bytes.below(strategy_names().size())])),
        database_(dim_, strategy_) {}

  void step() {
    switch (bytes_.next() % 8) {
      case 0:
      case 1:
      case 2: return add();
      case 3: return remove();
      case 4: return search_self();
      case 5: return score();
      default: return search();
    }
  }

 private:
  std::size_t threads() { return 1 + bytes_.next() % 2; }

  // Rows of numbers from the bytes; most repeat or vary an earlier row, so that there are many of them.
  std::vector<float> rows(std::size_t count) {
    std::vector<float> made(count * dim_);
    for (std::size_t row = 0; row < count; ++row) {
      float* const values = made.data() + row * dim_;
      const std::uint8_t kind = bytes_.next();
      if (kind % 4 != 0 && row > 0) {
        std::memcpy(values, made.data() + kind % row * dim_, dim_ * sizeof(float));
        if (kind % 4 > 1) values[kind % dim_] *= 1.0f + 0x1p-20f * static_cast<float>(kind);
        continue;
      }
      for (std::size_t j = 0; j < dim_; ++j) values[j] = bytes_.number();
    }
    return made;
  }

  bool all_finite(const std::vector<float>& values) const {
    for (const float value : values) {
      if (!std::isfinite(value)) return false;
    }
    return true;
  }

  Matrix matrix(const std::vector<float>& values) const {
    return {values.data(), ElementType::float32, values.size() / dim_, dim_};
  }

  void add() {
    const std::size_t count = bytes_.below(150);
    const std::vector<float> added = rows(count);
    std::vector<std::int64_t> ids;
    ids.reserve(count + 1);  // no null pointer even where there are none
    // Ids come in no order: 2^63 is reached, and equal similarities are ordered by them.
    for (std::size_t i = 0; i < count; ++i) {
      ids.push_back(static_cast<std::int64_t>((next_id_++ * 0x9E3779B97F4A7C15u)));
    }
    bool refused = false;
    try {
      change({nullptr, 0, matrix(added), ids.data()});
    } catch (const InvalidRow&) {
      refused = true;
    }
    expect(refused != all_finite(added), "rows are refused where one is not finite, and only there");
    if (!refused) {
      values_.insert(values_.end(), added.begin(), added.end());
      ids_.insert(ids_.end(), ids.begin(), ids.end());
    }
    expect(database_.size() == ids_.size(), "a database counts its rows");
  }

  // Changes a copy, as whoever changes a database that others search; what was before stays as it was.
  void change(const Change& wanted) {
    Database changed = database_;
    changed.change(wanted, threads(), nullptr);
    expect(database_.size() == ids_.size(), "a copy's changes are its own");
    database_ = std::move(changed);
  }

  void remove() {
    std::vector<std::int64_t> gone;
    std::vector<float> values;
    std::vector<std::int64_t> ids;
    const std::uint8_t mask = bytes_.next();
    for (std::size_t row = 0; row < ids_.size(); ++row) {
      if ((mask >> row % 8 & 1) == 0) {
        gone.push_back(static_cast<std::int64_t>(row));
        continue;
      }
      values.insert(values.end(), values_.begin() + static_cast<std::ptrdiff_t>(row * dim_),
                    values_.begin() + static_cast<std::ptrdiff_t>((row + 1) * dim_));
      ids.push_back(ids_[row]);
    }
    change({gone.data(), gone.size(), {}, nullptr});
    values_ = values;
    ids_ = ids;
    expect(database_.size() == ids_.size(), "a database counts the rows that are left");
  }

  SearchRequest request(std::size_t k, std::size_t threads) const {
    SearchRequest made{};
    made.k = k;
    made.threads = threads;
    return made;
  }

  void search() {
    const std::vector<float> queries = rows(bytes_.below(40));
    const std::size_t count = queries.size() / dim_;
    std::vector<std::uint8_t> allowed;
    const std::uint8_t mask = bytes_.next();
    if (mask % 2 == 1) {
      for (std::size_t row = 0; row < ids_.size(); ++row) allowed.push_back(mask >> row % 8 & 1);
    }
    std::size_t admitted = ids_.size();
    if (!allowed.empty()) admitted = static_cast<std::size_t>(std::count(allowed.begin(), allowed.end(), 1));
    const std::size_t k = bytes_.below(admitted + 2);
    cases::FoundAnswers answers(count, k);
    SearchRequest made = request(k, threads());
    made.queries = matrix(queries);
    made.allowed = allowed.empty() ? nullptr : allowed.data();
    made.allowed_count = allowed.size();
    made.answers = answers.arrays();
    bool refused = false;
    try {
      database_.search(made);
    } catch (const InvalidRow&) {
      refused = true;
    } catch (const std::invalid_argument&) {
      refused = true;
    }
    const bool sound = all_finite(queries) && k >= 1 && k <= admitted;
    expect(refused != sound, "a search is refused where a query or k is no good, and only there");
    for (std::size_t q = 0; sound && q < count; ++q) {
      expect(answers.equal(
                 q, reference::neighbours(queries.data() + q * dim_, values_, ids_, allowed, reference::kNobody)),
             "a search finds what the contract says");
    }
  }

  void search_self() {
    if (ids_.size() < 2) return;
    const std::size_t k = 1 + bytes_.below(ids_.size() - 1);
    cases::FoundAnswers answers(ids_.size(), k);
    SearchRequest made = request(k, threads());
    made.queries.rows = ids_.size();
    made.answers = answers.arrays();
    database_.search_self(made);
    for (std::size_t q = 0; q < ids_.size(); q += 1 + ids_.size() / 16) {
      expect(answers.equal(q, reference::neighbours(values_.data() + q * dim_, values_, ids_, {}, q)),
             "a search among themselves finds what the contract says");
    }
  }

  void score() {
    if (ids_.empty()) return;
    const std::vector<float> queries = rows(1 + bytes_.below(9));
    if (!all_finite(queries)) return;
    const std::size_t count = queries.size() / dim_;
    const std::size_t each = 1 + bytes_.below(ids_.size());
    const std::size_t first = bytes_.below(ids_.size() - each + 1);
    std::vector<std::uint8_t> allowed(ids_.size(), 0);
    std::vector<std::int64_t> positions;
    for (std::size_t q = 0; q < count; ++q) {
      for (std::size_t i = 0; i < each; ++i) positions.push_back(static_cast<std::int64_t>(first + i));
    }
    for (std::size_t i = 0; i < each; ++i) allowed[first + i] = 1;
    const std::size_t k = 1 + bytes_.below(each);
    cases::FoundAnswers answers(count, k);
    SearchRequest made = request(k, threads());
    made.queries = matrix(queries);
    made.answers = answers.arrays();
    database_.score(made, positions.data(), each);
    for (std::size_t q = 0; q < count; ++q) {
      expect(answers.equal(
                 q, reference::neighbours(queries.data() + q * dim_, values_, ids_, allowed, reference::kNobody)),
             "candidates are ranked as the contract says");
    }
  }

  Bytes& bytes_;
  std::size_t dim_;
  Strategy strategy_;
  Database database_;
  std::vector<float> values_;
  std::vector<std::int64_t> ids_;
  std::uint64_t next_id_ = 1;
};

}  // namespace

void try_case(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  const std::vector<std::string> isas = available_isas();
  setenv("LATENTKNN_ISA", isas[bytes.below(isas.size())].c_str(), 1);
  Case tried(bytes);
  constexpr int kMostSteps = 12;
  for (int step = 0; step < kMostSteps && !bytes.empty(); ++step) tried.step();
}

}  // namespace fuzz
