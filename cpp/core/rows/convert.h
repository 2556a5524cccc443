// Rounds input once to float32, and refuses rows that rule 5 of the contract refuses.
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>

#include "platform/thread_pool.h"

namespace latentknn {

enum class ElementType { float32, float64, int64, uint64 };

// A matrix of the caller, in C order.
struct Matrix {
  const void* data;  // null where `fill` gives the rows
  ElementType type;
  std::size_t rows;
  std::size_t columns;
  // Writes all rows as float32 to where they will stand, so that what is read from a file is there once. It may throw.
  // convert_all() calls it; null where the rows are in memory.
  const std::function<void(float*)>* fill = nullptr;
};

struct InvalidRow : std::invalid_argument {
  enum class Reason { not_a_number, infinite, overflows, vanishes };
  InvalidRow(std::size_t row_, Reason reason_);
  std::size_t row;
  Reason reason;
};

// Writes rows [begin, end) of `from` to `to`, row `begin` first. Throws InvalidRow for the first bad row.
void convert_rows(const Matrix& from, std::size_t begin, std::size_t end, float* to);

// Writes all rows of `from` to `to`. Throws InvalidRow for the first bad row, Interrupted, and what `fill` throws.
void convert_all(const Matrix& from, float* to, std::size_t threads, const ThreadPool::Poll& poll);

}  // namespace latentknn
