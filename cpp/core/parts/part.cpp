#include "parts/part.h"

#include <algorithm>
#include <cstring>

namespace latentknn {
namespace {

constexpr std::size_t kRowsPerTask = 4096;

std::size_t tasks_of(std::size_t rows) { return (rows + kRowsPerTask - 1) / kRowsPerTask; }

bool are_consecutive(const std::int64_t* ids, std::size_t count) {
  for (std::size_t i = 1; i < count; ++i) {
    if (ids[i - 1] == INT64_MAX || ids[i] != ids[i - 1] + 1) return false;
  }
  return true;
}

}  // namespace

void PartMaker::copy_live(const Part& part, std::size_t first, std::size_t count, const RowCopies& copies) const {
  const Rows rows = part.view(dim, 0);
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * kRowsPerTask, end = std::min(begin + kRowsPerTask, count);
    std::size_t row = part.live ? part.live->row(first + begin) : first + begin;
    for (std::size_t i = begin; i < end; ++i, ++row) {
      while (part.live && part.live->flags()[row] == 0) ++row;
      std::memcpy(copies.values + i * dim, rows.values + row * dim, dim * sizeof(float));
      if (copies.squared_norms != nullptr) copies.squared_norms[i] = rows.squared_norms[row];
      if (copies.ids != nullptr) copies.ids[i] = rows.id(row);
    }
  };
  ThreadPool::shared().run(tasks_of(count), threads, task, poll);
}

// Writes new rows from the place `at` on.
void PartMaker::append(RowBuffer& buffer, std::size_t at, const NewRows& more) const {
  const std::size_t count = more.matrix.rows;
  if (count == 0) return;
  convert_all(more.matrix, buffer.values() + at * dim, threads, poll);
  std::copy_n(more.ids, count, buffer.ids() + at);
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * kRowsPerTask;
    kernels.squared_norms(buffer.values() + (at + begin) * dim, std::min(kRowsPerTask, count - begin), dim,
                          buffer.squared_norms() + at + begin);
  };
  const auto work = static_cast<double>(count * dim);
  ThreadPool::shared().run_sized(work, tasks_of(count), threads, task, poll);
}

Part PartMaker::join(const Part* parts, std::size_t part_count, const NewRows& more) const {
  std::size_t old = 0;
  for (std::size_t i = 0; i < part_count; ++i) old += parts[i].size();
  Part joined;
  joined.count = old + more.matrix.rows;
  joined.buffer = std::make_shared<RowBuffer>(dim, joined.count);
  RowBuffer& buffer = *joined.buffer;
  buffer.claim(0, joined.count);
  // New rows come first, because they may be refused.
  append(buffer, old, more);
  for (std::size_t i = 0, at = 0; i < part_count; at += parts[i++].size()) {
    copy_live(parts[i], 0, parts[i].size(),
              {buffer.values() + at * dim, buffer.squared_norms() + at, buffer.ids() + at});
  }
  if (are_consecutive(buffer.ids(), joined.count)) {
    joined.first_id = buffer.ids()[0];
    buffer.drop_ids();
  }
  joined.packing = std::make_shared<const Packing>(strategy, kernels, joined.view(dim, 0), threads, poll);
  return joined;
}

Part PartMaker::extend(const Part& part, const NewRows& more, std::size_t most) const {
  const std::size_t count = more.matrix.rows;
  Part extended = part;
  extended.count += count;
  if (part.live) {
    auto live = std::make_shared<LiveRows>(*part.live);
    live->extend(extended.count);
    extended.live = std::move(live);
  }
  if (part.buffer && part.buffer->claim(part.count, count)) {
    try {
      append(*part.buffer, part.count, more);
    } catch (...) {
      part.buffer->release(part.count);
      throw;
    }
    return extended;
  }
  // Doubling the room each time keeps adding linear.
  extended.buffer = std::make_shared<RowBuffer>(dim, std::max(extended.count, std::min(2 * extended.count, most)));
  RowBuffer& buffer = *extended.buffer;
  buffer.claim(0, extended.count);
  append(buffer, part.count, more);
  if (part.count > 0) {
    std::memcpy(buffer.values(), part.buffer->values(), part.count * dim * sizeof(float));
    std::memcpy(buffer.squared_norms(), part.buffer->squared_norms(), part.count * sizeof(double));
    std::memcpy(buffer.ids(), part.buffer->ids(), part.count * sizeof(std::int64_t));
  }
  return extended;
}

}  // namespace latentknn
