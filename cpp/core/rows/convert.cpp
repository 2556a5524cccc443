#include "rows/convert.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

#include "platform/float_environment.h"

namespace latentknn {
namespace {

using Reason = InvalidRow::Reason;

constexpr std::size_t kNumbersPerTask = 131072;

const char* describe(Reason reason) {
  switch (reason) {
    case Reason::not_a_number: return "contains NaN";
    case Reason::infinite: return "contains infinity";
    case Reason::overflows: return "contains a finite value that is too large for float32";
    case Reason::vanishes: return "is not zero but becomes zero in float32";
  }
  return "is invalid";
}

template <class T>
void convert_row(const T* from, std::size_t columns, std::size_t row, float* to) {
  // The compiler vectorises this pass: float32 is finite where its exponent is not all ones.
  constexpr std::uint32_t kExponent = 0x7F800000u;
  std::uint32_t not_finite = 0;
  for (std::size_t j = 0; j < columns; ++j) {
    const float rounded = static_cast<float>(from[j]);
    to[j] = rounded;
    not_finite |= (std::bit_cast<std::uint32_t>(rounded) & kExponent) == kExponent ? 1u : 0u;
  }
  if (not_finite == 0) [[likely]] {
    if constexpr (sizeof(T) <= sizeof(float)) return;
    bool vanished = true;
    for (std::size_t j = 0; j < columns && vanished; ++j) vanished = to[j] == 0.0f;
    if (!vanished) return;
    for (std::size_t j = 0; j < columns; ++j) {
      if (from[j] != 0) throw InvalidRow(row, Reason::vanishes);
    }
    return;
  }
  for (std::size_t j = 0; j < columns; ++j) {
    const auto value = static_cast<double>(from[j]);
    if (std::isnan(value)) throw InvalidRow(row, Reason::not_a_number);
    if (std::isinf(value)) throw InvalidRow(row, Reason::infinite);
  }
  throw InvalidRow(row, Reason::overflows);
}

template <class T>
void convert(const Matrix& from, std::size_t begin, std::size_t end, float* to) {
  const T* source = static_cast<const T*>(from.data) + begin * from.columns;
  for (std::size_t row = begin; row < end; ++row, source += from.columns, to += from.columns) {
    convert_row(source, from.columns, row, to);
  }
}

}  // namespace

InvalidRow::InvalidRow(std::size_t row_, Reason reason_)
    : std::invalid_argument(describe(reason_)), row(row_), reason(reason_) {}

void convert_rows(const Matrix& from, std::size_t begin, std::size_t end, float* to) {
  switch (from.type) {
    case ElementType::float32: return convert<float>(from, begin, end, to);
    case ElementType::float64: return convert<double>(from, begin, end, to);
    case ElementType::int64: return convert<std::int64_t>(from, begin, end, to);
    case ElementType::uint64: return convert<std::uint64_t>(from, begin, end, to);
  }
}

void convert_all(const Matrix& from, float* to, std::size_t threads, const ThreadPool::Poll& poll) {
  if (from.fill != nullptr) {
    (*from.fill)(to);
    // Rows are checked where they stand: float32 is rounded to itself.
    return convert_all({to, ElementType::float32, from.rows, from.columns}, to, threads, poll);
  }
  const std::size_t rows_per_task = std::max<std::size_t>(kNumbersPerTask / std::max<std::size_t>(from.columns, 1), 1);
  if (from.rows <= rows_per_task) {
    const DefaultFloatEnvironment environment;
    return convert_rows(from, 0, from.rows, to);
  }
  // Tasks begin in order, so once a task has found a bad row only earlier rows matter.
  std::mutex found_mutex;
  std::exception_ptr found;
  std::atomic<std::size_t> first_bad{std::numeric_limits<std::size_t>::max()};
  const auto convert_some = [&](std::size_t index) {
    const std::size_t begin = index * rows_per_task;
    if (begin > first_bad.load()) return;
    try {
      convert_rows(from, begin, std::min(begin + rows_per_task, from.rows), to + begin * from.columns);
    } catch (const InvalidRow& invalid) {
      const std::lock_guard lock(found_mutex);
      if (invalid.row < first_bad.load()) {
        first_bad = invalid.row;
        found = std::current_exception();
      }
    }
  };
  const auto work = static_cast<double>(from.rows * from.columns);
  ThreadPool::shared().run_sized(work, (from.rows + rows_per_task - 1) / rows_per_task, threads, convert_some, poll);
  if (found) std::rethrow_exception(found);
}

}  // namespace latentknn
