#include "sharded_rows.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "plan.h"

namespace latentknn::cuda {
namespace {

std::vector<Device> devices_of(const std::vector<int>& numbers) {
  std::string missing;
  const std::vector<Device> found = devices(&missing);
  if (found.empty()) throw DeviceError("no CUDA device can be used: " + missing);
  std::vector<Device> chosen;
  for (const int number : numbers) {
    if (number < 0 || static_cast<std::size_t>(number) >= found.size()) {
      throw DeviceError("there is no CUDA device " + std::to_string(number) + "; there are " +
                        std::to_string(found.size()) + ", counted from 0");
    }
    chosen.push_back(found[static_cast<std::size_t>(number)]);
  }
  return chosen;
}

}  // namespace

ShardedRows::ShardedRows(std::size_t dim, const std::vector<int>& numbers, std::size_t memory, std::size_t least_share)
    : dim_(dim),
      numbers_(numbers),
      least_share_(least_share),
      devices_(devices_of(numbers)),
      memory_(numbers.size(), memory),
      resident_(numbers.size()),
      benches_(numbers.size()) {}

std::size_t ShardedRows::size() const {
  const std::lock_guard lock(mutex_);
  return ids_.size();
}

std::vector<std::size_t> ShardedRows::shares() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::size_t> found;
  found.reserve(devices_.size() + 1);
  for (std::size_t i = 0; i < devices_.size(); ++i) found.push_back(share(i));
  std::size_t count = 0;
  for (const Waiting& part : waiting_) count += part.ids.size();
  found.push_back(count);
  return found;
}

Tally ShardedRows::tally() const {
  const std::lock_guard lock(mutex_);
  Tally sum;
  for (const std::deque<Resident>& parts : resident_) {
    for (const Resident& part : parts) {
      sum.in_int8 += part.rows.tally().in_int8;
      sum.left_open += part.rows.tally().left_open;
    }
  }
  return sum;
}

std::size_t ShardedRows::share(std::size_t which) const {
  std::size_t count = 0;
  for (const Resident& part : resident_[which]) count += part.rows.size();
  return count;
}

// Returns the bytes of the current device that rows may still use.
std::size_t ShardedRows::unused(std::size_t which) const {
  std::size_t used = 0;
  for (const Resident& part : resident_[which]) used += part.rows.bytes();
  // The memory of searches does not count as used: a share of the whole is left to them.
  const std::size_t lent = benches_[which] ? benches_[which]->workspace.bytes() : 0;
  return std::min(free_memory() + lent, memory_[which] - std::min(memory_[which], used));
}

DeviceRows ShardedRows::rows_on(std::size_t which) const {
  return DeviceRows(dim_, numbers_[which], devices_[which], memory_[which]);
}

void ShardedRows::add(const float* rows, const std::int64_t* ids, std::size_t count) {
  const std::lock_guard lock(mutex_);
  const std::size_t devices = devices_.size();
  const std::size_t even = std::max((ids_.size() + count + devices - 1) / devices, least_share_);
  std::size_t done = 0;
  const auto give = [&](std::size_t which, std::size_t most) {
    if (done == count || most == 0) return;
    done += add_to_device(which, rows + done * dim_, ids + done, std::min(most, count - done));
  };
  for (std::size_t i = 0; i < devices; ++i) give(i, even - std::min(even, share(i)));
  for (std::size_t i = 0; i < devices; ++i) give(i, count);  // rows that the other devices have no room for
  add_to_host(rows + done * dim_, ids + done, count - done);
}

void ShardedRows::clear() {
  const std::lock_guard lock(mutex_);
  for (auto& parts : resident_) parts.clear();
  waiting_.clear();
  for (auto& bench : benches_) bench.reset();
  ids_.clear();
}

// Returns how many rows the device had room for.
std::size_t ShardedRows::add_to_device(std::size_t which, const float* rows, const std::int64_t* ids,
                                       std::size_t count) {
  const OnDevice here(numbers_[which]);
  if (memory_[which] == 0) memory_[which] = free_memory();
  std::deque<Resident>& parts = resident_[which];
  std::size_t done = 0;
  try {
    while (done < count) {
      // If the last part cannot grow, there may still be room for a new one.
      if (parts.empty() || (parts.back().rows.size() > 0 && parts.back().rows.room(unused(which)) == 0)) {
        parts.push_back({rows_on(which), {}});
      }
      Resident& part = parts.back();
      const std::size_t room = unused(which), taken = std::min(part.rows.room(room), count - done);
      if (taken == 0) break;
      part.rows.add(rows + done * dim_, ids + done, taken, room);
      number(part.numbering, ids + done, taken);
      done += taken;
    }
  } catch (const OutOfMemory&) {
    // The memory was allocated elsewhere meanwhile.
  }
  return done;
}

void ShardedRows::add_to_host(const float* rows, const std::int64_t* ids, std::size_t count) {
  if (count == 0) return;
  const OnDevice here(numbers_.front());  // a device that is in use anyway
  const std::size_t least = *std::min_element(memory_.begin(), memory_.end());
  const std::size_t most = std::max<std::size_t>(bytes_brought(least) / DeviceRows::bytes_of_a_row(dim_), 1);
  for (std::size_t done = 0; done < count;) {
    if (waiting_.empty() || waiting_.back().ids.size() == waiting_.back().capacity) {
      // Parts double in size, up to `most`, so that rows that come one by one make few parts.
      const std::size_t there = waiting_.empty() ? 0 : waiting_.back().capacity;
      waiting_.emplace_back(std::min(most, std::max(2 * there, count - done)), dim_);
    }
    Waiting& part = waiting_.back();
    const std::size_t before = part.ids.size(), taken = std::min(part.capacity - before, count - done);
    std::copy_n(rows + done * dim_, taken * dim_, part.rows.data() + before * dim_);
    part.ids.insert(part.ids.end(), ids + done, ids + done + taken);
    number(part.numbering, ids + done, taken);
    done += taken;
  }
}

void ShardedRows::number(Numbering& numbering, const std::int64_t* ids, std::size_t count) {
  numbering.append(ids_.size(), count);
  ids_.append(ids, count);
}

std::vector<std::size_t> ShardedRows::search(const ShardedRequest& request) {
  check_process();
  const std::lock_guard lock(mutex_);
  if (request.allowed != nullptr && request.allowed_count != ids_.size()) {
    throw std::invalid_argument("there are " + std::to_string(ids_.size()) + " rows by now, received " +
                                std::to_string(request.allowed_count) + " flags");
  }
  const std::size_t available =
      request.allowed == nullptr
          ? ids_.size()
          : ids_.size() - static_cast<std::size_t>(std::count(request.allowed, request.allowed + ids_.size(), 0));
  if (request.k < 1 || request.k > available) {
    throw std::invalid_argument("k must be from 1 to the codes left by now, " + std::to_string(available) +
                                ", received " + std::to_string(request.k));
  }
  if (request.count == 0) return {};
  Answers answers(request.answers, request.count, request.k, available, ids_, request.threads);
  Stop stop(request.poll);
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (resident_[i].empty() && waiting_.size() <= i) continue;
    tasks.emplace_back([&, i] { search_device(i, request, answers, stop); });
  }
  helpers_.run_together(tasks, stop);
  return answers.failed();
}

void ShardedRows::search_device(std::size_t which, const ShardedRequest& request, Answers& answers, Stop& stop) {
  const OnDevice here(numbers_[which]);
  if (!benches_[which]) benches_[which] = std::make_unique<Bench>();
  auto& [workspace, brought] = *benches_[which];
  // The device searches its share of the parts on the host. Each is copied while the one before is searched.
  std::vector<const Waiting*> parts;
  for (std::size_t i = which; i < waiting_.size(); i += devices_.size()) {
    const bool wanted = request.allowed == nullptr || !waiting_[i].numbering.flagged(request.allowed).empty();
    if (wanted) parts.push_back(&waiting_[i]);
  }
  while (brought.size() < std::min<std::size_t>(parts.size(), 2)) brought.push_back(rows_on(which));
  const auto bring = [&](std::size_t i) {
    if (i == parts.size()) return;
    const OnStream bringing(workspace.bringing());
    const Waiting& part = *parts[i];
    brought[i % 2].begin_replacing(part.rows.data(), part.ids.data(), part.ids.size());
  };
  const auto await = [&] {
    const OnStream bringing(workspace.bringing());
    synchronize();
  };
  const auto search_all = [&] {
    bring(0);
    for (const Resident& part : resident_[which]) {
      search_part(part.rows, part.numbering, workspace, request, answers, stop);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      await();
      bring(i + 1);
      search_part(brought[i % 2], parts[i]->numbering, workspace, request, answers, stop);
    }
  };
  try {
    search_all();
  } catch (...) {
    try {
      await();  // copies must not arrive while another search uses the memory
    } catch (const DeviceError&) {
      // The first failure is thrown.
    }
    throw;
  }
}

void ShardedRows::search_part(const DeviceRows& rows, const Numbering& numbering, Workspace& workspace,
                              const ShardedRequest& request, Answers& answers, Stop& stop) const {
  std::vector<std::uint32_t> among;
  if (request.allowed != nullptr) among = numbering.flagged(request.allowed);
  const std::size_t available = request.allowed == nullptr ? numbering.size() : among.size();
  const std::size_t at_once = request.allowed == nullptr ? available : rows.chosen_at_once();
  DeviceRequest part{};
  part.queries = request.queries;
  part.on_device = request.on_device;
  part.count = request.count;
  part.threads = request.threads;
  part.deliver = [&](const BatchAnswers& found) { answers.merge(found, part.among_count, numbering); };
  for (std::size_t begin = 0; begin < available; begin += at_once) {
    stop.check();
    const std::size_t count = std::min(at_once, available - begin);
    part.k = std::min(request.k, count);
    if (request.allowed != nullptr) part.among = among.data() + begin;
    part.among_count = count;
    rows.search(part, workspace, stop);
  }
}

}  // namespace latentknn::cuda
