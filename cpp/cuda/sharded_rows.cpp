#include "sharded_rows.h"

#include <algorithm>
#include <future>
#include <stdexcept>
#include <string>

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

// The best neighbours that parts have found so far, of all queries.
class ShardedRows::Answers {
 public:
  Answers(const ShardedRequest& request, const std::vector<std::int64_t>& ids)
      : request_(request), ids_(ids), failed_(request.count) {}

  // Takes in what a part has found: (count, k).
  void merge(const std::vector<double>& scores, const std::vector<std::uint32_t>& rows, std::size_t k,
             const Numbering& numbering, const std::vector<std::size_t>& failed) {
    const std::lock_guard lock(mutex_);
    for (const std::size_t query : failed) failed_[query] = true;
    std::vector<Neighbour> known(width_), found(k), best(width_ + k);
    const std::size_t width = std::min(width_ + k, request_.k);
    for (std::size_t query = 0; query < request_.count; ++query) {
      if (failed_[query]) continue;
      double* own_scores = request_.scores + query * request_.k;
      std::int64_t* own_positions = request_.positions + query * request_.k;
      if (width_ == 0) {
        std::copy_n(scores.data() + query * k, k, own_scores);
        for (std::size_t i = 0; i < k; ++i) own_positions[i] = numbering.position(rows[query * k + i]);
        continue;
      }
      for (std::size_t i = 0; i < width_; ++i) known[i] = neighbour(own_scores[i], own_positions[i]);
      for (std::size_t i = 0; i < k; ++i) {
        found[i] = neighbour(scores[query * k + i], numbering.position(rows[query * k + i]));
      }
      std::merge(known.begin(), known.end(), found.begin(), found.end(), best.begin(), before);
      for (std::size_t i = 0; i < width; ++i) {
        own_scores[i] = best[i].score;
        own_positions[i] = best[i].position;
      }
    }
    width_ = width;
  }

  std::vector<std::size_t> failed() const {
    std::vector<std::size_t> queries;
    for (std::size_t query = 0; query < failed_.size(); ++query) {
      if (failed_[query]) queries.push_back(query);
    }
    return queries;
  }

 private:
  struct Neighbour {
    double score;
    std::int64_t id;
    std::int64_t position;
  };

  static bool before(const Neighbour& a, const Neighbour& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  }
  Neighbour neighbour(double score, std::int64_t position) const {
    return {score, ids_[static_cast<std::size_t>(position)], position};
  }

  const ShardedRequest& request_;
  const std::vector<std::int64_t>& ids_;
  std::mutex mutex_;
  std::vector<bool> failed_;
  std::size_t width_ = 0;  // neighbours of each query so far
};

ShardedRows::ShardedRows(std::size_t dim, const std::vector<int>& numbers, std::size_t least_share)
    : dim_(dim),
      numbers_(numbers),
      least_share_(least_share),
      devices_(devices_of(numbers)),
      resident_(numbers.size()),
      brought_(numbers.size()) {}

std::vector<std::size_t> ShardedRows::shares() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < devices_.size(); ++i) found.push_back(share(i));
  std::size_t count = 0;
  for (const Waiting& part : waiting_) count += part.ids.size();
  found.push_back(count);
  return found;
}

std::size_t ShardedRows::share(std::size_t place) const {
  std::size_t count = 0;
  for (const Resident& part : resident_[place]) count += part.rows.size();
  return count;
}

void ShardedRows::add(const float* rows, const std::int64_t* ids, std::size_t count) {
  const std::lock_guard lock(mutex_);
  const std::size_t devices = devices_.size();
  const std::size_t even = std::max((ids_.size() + count + devices - 1) / devices, least_share_);
  std::size_t done = 0;
  const auto give = [&](std::size_t place, std::size_t most) {
    done += add_to_device(place, rows + done * dim_, ids + done, std::min(most, count - done));
  };
  for (std::size_t i = 0; i < devices; ++i) give(i, even - std::min(even, share(i)));
  for (std::size_t i = 0; i < devices; ++i) give(i, count);  // what the others have no room for
  add_to_host(rows + done * dim_, ids + done, count - done);
}

// Returns how many rows the device had room for.
std::size_t ShardedRows::add_to_device(std::size_t place, const float* rows, const std::int64_t* ids,
                                       std::size_t count) {
  std::deque<Resident>& parts = resident_[place];
  std::size_t done = 0;
  while (done < count) {
    // A part that cannot grow may leave memory for another.
    if (parts.empty() || (parts.back().rows.size() > 0 && parts.back().rows.room() == 0)) {
      parts.push_back({DeviceRows(dim_, numbers_[place], devices_[place]), {}});
    }
    Resident& part = parts.back();
    const std::size_t taken = std::min(part.rows.room(), count - done);
    if (taken == 0) break;
    part.rows.add(rows + done * dim_, ids + done, taken);
    number(part.numbering, ids + done, taken);
    done += taken;
  }
  return done;
}

void ShardedRows::add_to_host(const float* rows, const std::int64_t* ids, std::size_t count) {
  std::size_t bytes = SIZE_MAX;
  for (const Device& device : devices_) bytes = std::min(bytes, bytes_brought(device.memory));
  const std::size_t most = std::max<std::size_t>(bytes / DeviceRows::bytes_of_a_row(dim_), 1);
  for (std::size_t done = 0; done < count;) {
    if (waiting_.empty() || waiting_.back().ids.size() == most) {
      waiting_.emplace_back(most * dim_);
    }
    Waiting& part = waiting_.back();
    const std::size_t before = part.ids.size(), taken = std::min(most - before, count - done);
    std::copy_n(rows + done * dim_, taken * dim_, part.rows.data() + before * dim_);
    part.ids.insert(part.ids.end(), ids + done, ids + done + taken);
    number(part.numbering, ids + done, taken);
    done += taken;
  }
}

void ShardedRows::number(Numbering& numbering, const std::int64_t* ids, std::size_t count) {
  numbering.append(ids_.size(), count);
  ids_.insert(ids_.end(), ids, ids + count);
}

std::vector<std::size_t> ShardedRows::search(const ShardedRequest& request) {
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
  Answers answers(request, ids_);
  Stop stop(request.poll);
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (resident_[i].empty() && waiting_.size() <= i) continue;
    tasks.emplace_back([&, i] { search_device(i, request, answers, stop); });
  }
  run_together(tasks, stop);
  return answers.failed();
}

void ShardedRows::search_device(std::size_t place, const ShardedRequest& request, Answers& answers, Stop& stop) {
  std::deque<DeviceRows>& brought = brought_[place];
  const auto bring = [&](std::size_t index) {
    DeviceRows& to = brought[index / devices_.size() % 2];
    to.clear();
    to.add(waiting_[index].rows.data(), waiting_[index].ids.data(), waiting_[index].ids.size());
  };
  // Rows are brought while others are searched.
  std::future<void> coming;
  const auto expect = [&](std::size_t index) {
    if (index >= waiting_.size()) return;
    while (brought.size() < 2) brought.emplace_back(dim_, numbers_[place], devices_[place]);
    coming = std::async(std::launch::async, bring, index);
  };
  expect(place);
  for (const Resident& part : resident_[place]) search_part(part.rows, part.numbering, request, answers, stop);
  for (std::size_t i = place; i < waiting_.size(); i += devices_.size()) {
    coming.get();
    expect(i + devices_.size());
    search_part(brought[i / devices_.size() % 2], waiting_[i].numbering, request, answers, stop);
  }
}

void ShardedRows::search_part(const DeviceRows& rows, const Numbering& numbering, const ShardedRequest& request,
                              Answers& answers, Stop& stop) const {
  std::vector<std::uint32_t> among;
  if (request.allowed != nullptr) among = numbering.flagged(request.allowed);
  const std::size_t available = request.allowed == nullptr ? numbering.size() : among.size();
  const std::size_t at_once = request.allowed == nullptr ? available : rows.chosen_at_once();
  DeviceRequest part{};
  part.queries = request.queries;
  part.count = request.count;
  for (std::size_t begin = 0; begin < available; begin += at_once) {
    stop.check();
    const std::size_t count = std::min(at_once, available - begin);
    part.k = std::min(request.k, count);
    if (request.allowed != nullptr) part.among = among.data() + begin;
    part.among_count = count;
    std::vector<double> scores(part.count * part.k);
    std::vector<std::uint32_t> numbers(part.count * part.k);
    part.scores = scores.data();
    part.numbers = numbers.data();
    const std::vector<std::size_t> failed = rows.search(part, stop);
    answers.merge(scores, numbers, part.k, numbering, failed);
  }
}

}  // namespace latentknn::cuda
