#include "emulated_device.h"

#include <setjmp.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

namespace latentknn::cuda {

Place threadIdx{}, blockIdx{}, blockDim{}, gridDim{};

namespace emulation {
namespace {

constexpr std::size_t kStackBytes = 1 << 16;
// Bytes of shared memory that a block can have: on Hopper, and on compute capability 8.9, which has the least.
constexpr std::size_t kMostOnHopper = 232448, kMostElsewhere = 101376;
constexpr int kPoison = 0xFF;  // not a number as float16 and as float32

[[noreturn]] void give_up(const char* why) {
  std::printf("FAILED: emulated device: %s (block %u, thread %u)\n", why, blockIdx.x, threadIdx.x);
  std::exit(1);
}

struct Barrier {
  unsigned arrived = 0;
  unsigned generation = 0;
};

struct Copy {
  void* to;
  const void* from;
};

struct Fiber {
  ucontext_t start;
  jmp_buf place;
  bool started = false;
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStackBytes);
  bool finished = false;
  std::deque<std::vector<Copy>> groups{1};                     // the last group is open
  std::deque<std::vector<std::function<void()>>> products{1};  // the last group is open
};

// A barrier in the shared memory of the present block.
struct PhaseBarrier {
  unsigned arrivals = 0;
  unsigned awaited = 0;   // arrivals that are missing
  std::size_t bytes = 0;  // bytes that are missing
  unsigned phase = 0;
  struct BulkCopy {
    void* to;
    const void* from;
    std::size_t bytes;
  };
  std::vector<BulkCopy> copies;
};

struct Warp {
  Barrier barrier;
  // The two are used in turn: no lane shows a value before all have read the last but one.
  Exchange lanes[2][32];
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::vector<unsigned char> shared;
  Barrier barrier;
  std::map<const void*, PhaseBarrier> phases;
  unsigned alive = 0;
  bool progress = false;  // a thread has stopped waiting
  bool advance = false;   // progress beyond a warp, which may ask in vain again and again
  jmp_buf scheduler;
  const std::function<void()>* kernel = nullptr;
};

Block block;
bool hopper = true;

struct Memory {
  std::size_t total = std::size_t{8} << 30;
  std::size_t most = total;
  std::size_t in_use = 0;
  unsigned awaited = 0;  // calls of await_device()
};
struct Allocation {
  std::size_t bytes;
  int device;  // kHost: pinned memory of the host
};
constexpr int kHost = -1;

// Protects the streams' work and the records of memory, so that kernels run one at a time.
std::recursive_mutex mutex;
std::vector<Memory> memories(1);
std::map<const void*, Allocation> allocations;
std::size_t made = 0;                   // allocations so far
std::size_t failing = ~std::size_t{0};  // number of the allocation that fails
thread_local int current = 0;

// The work that a stream has still to do.
struct Queue {
  explicit Queue(int of) : device(of) {
    const std::lock_guard lock(mutex);
    queues.insert(this);
  }
  ~Queue() {
    const std::lock_guard lock(mutex);
    do_all();
    queues.erase(this);
  }

  void do_all() {
    while (!tasks.empty()) {
      const std::function<void()> task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
  }

  static std::set<Queue*> queues;
  int device;
  std::deque<std::function<void()>> tasks;
};
std::set<Queue*> Queue::queues;

thread_local void* stream_of_thread = nullptr;  // null: the thread's default stream on the device

Queue& queue() {
  thread_local std::map<int, std::unique_ptr<Queue>> own;
  if (stream_of_thread != nullptr) {
    Queue& chosen = *static_cast<Queue*>(stream_of_thread);
    if (chosen.device != current) give_up("a stream of another device is used");
    return chosen;
  }
  std::unique_ptr<Queue>& found = own[current];
  if (!found) found = std::make_unique<Queue>(current);
  return *found;
}

void enqueue(std::function<void()> task) {
  const std::lock_guard lock(mutex);
  queue().tasks.push_back(std::move(task));
}

void await_queues(int device) {
  const std::lock_guard lock(mutex);
  for (Queue* each : Queue::queues) {
    if (each->device == device) each->do_all();
  }
}

// Returns the allocation that a pointer lies in, or null.
const Allocation* allocation_of(const void* pointer) {
  const auto next = allocations.upper_bound(pointer);
  if (next == allocations.begin()) return nullptr;
  const auto& [begin, allocation] = *std::prev(next);
  return static_cast<const char*>(pointer) <= static_cast<const char*>(begin) + allocation.bytes ? &allocation
                                                                                                 : nullptr;
}

bool is_pageable(const void* pointer) {
  const std::lock_guard lock(mutex);
  return allocation_of(pointer) == nullptr;
}

void count_allocation() {
  if (made++ == failing) throw OutOfMemory("the device has no bytes to give, as a test wants it; 0 are free");
}

Fiber& fiber() { return block.fibers[threadIdx.x]; }

// Switches fibers by jumps: swapping contexts would make a system call each time.
void yield() {
  if (_setjmp(fiber().place) == 0) _longjmp(block.scheduler, 1);
}

void go_on(Fiber& each) {
  if (_setjmp(block.scheduler) != 0) return;
  if (each.started) _longjmp(each.place, 1);
  each.started = true;
  setcontext(&each.start);
}

void await(Barrier& barrier, unsigned members) {
  const unsigned generation = barrier.generation;
  if (++barrier.arrived == members) {
    barrier.arrived = 0;
    ++barrier.generation;
    block.progress = true;
    if (&barrier == &block.barrier) block.advance = true;
    return;
  }
  while (barrier.generation == generation) yield();
}

void begin_fiber() {
  (*block.kernel)();
  for (const auto& group : fiber().groups) {
    if (!group.empty()) give_up("a copy ahead was never awaited");
  }
  for (const auto& group : fiber().products) {
    if (!group.empty()) give_up("products were never awaited");
  }
  fiber().finished = true;
  --block.alive;
  block.progress = block.advance = true;
  yield();
}

void run_block(std::size_t threads) {
  std::memset(block.shared.data(), kPoison, block.shared.size());
  block.barrier = Barrier{};
  block.phases.clear();
  block.alive = static_cast<unsigned>(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    Fiber& each = block.fibers[i];
    each.finished = each.started = false;
    getcontext(&each.start);
    each.start.uc_stack.ss_sp = each.stack.get();
    each.start.uc_stack.ss_size = kStackBytes;
    each.start.uc_link = nullptr;
    makecontext(&each.start, begin_fiber, 0);
  }
  // Threads that pause and then go on together need some rounds without progress.
  constexpr unsigned kMostWithoutProgress = 4, kMostWithoutAdvance = 100000;
  unsigned without_progress = 0, without_advance = 0;
  while (block.alive > 0) {
    block.progress = block.advance = false;
    for (std::size_t i = 0; i < threads; ++i) {
      if (block.fibers[i].finished) continue;
      threadIdx.x = static_cast<unsigned>(i);
      go_on(block.fibers[i]);
    }
    without_progress = block.progress ? 0 : without_progress + 1;
    without_advance = block.advance ? 0 : without_advance + 1;
    if (without_progress > kMostWithoutProgress || without_advance > kMostWithoutAdvance) {
      give_up("threads wait for others that do not come");
    }
  }
  for (const auto& [where, barrier] : block.phases) {
    if (!barrier.copies.empty()) give_up("a copy ahead was never awaited");
  }
}

PhaseBarrier& phases_of(const std::uint64_t* barrier) {
  const auto found = block.phases.find(barrier);
  if (found == block.phases.end()) give_up("a barrier is used that nobody has begun");
  return found->second;
}

void end_phase(PhaseBarrier& barrier) {
  if (barrier.awaited > 0 || barrier.bytes > 0) return;
  barrier.awaited = barrier.arrivals;
  ++barrier.phase;
  block.progress = block.advance = true;
}

}  // namespace

namespace {

void run_now(std::size_t blocks, std::size_t threads, std::size_t shared_bytes, const std::function<void()>& kernel) {
  static std::mt19937 random(0);
  if (block.fibers.size() < threads) block.fibers = std::vector<Fiber>(threads);
  block.warps = std::vector<Warp>((threads + 31) / 32);
  block.shared.resize(shared_bytes);
  block.kernel = &kernel;
  blockDim.x = static_cast<unsigned>(threads);
  gridDim.x = static_cast<unsigned>(blocks);
  std::vector<unsigned> order(blocks);
  for (std::size_t i = 0; i < blocks; ++i) order[i] = static_cast<unsigned>(i);
  std::shuffle(order.begin(), order.end(), random);
  for (const unsigned each : order) {
    blockIdx.x = each;
    run_block(threads);
  }
}

}  // namespace

void run(std::size_t blocks, std::size_t threads, std::size_t shared_bytes, std::function<void()> kernel) {
  if (shared_bytes > (hopper ? kMostOnHopper : kMostElsewhere))
    throw DeviceError("launching a kernel failed: too much shared memory");
  enqueue([=, kernel = std::move(kernel)] { run_now(blocks, threads, shared_bytes, kernel); });
}

unsigned char* shared_memory() { return block.shared.data(); }

void await_block() { await(block.barrier, block.alive); }

const Exchange* exchange(const Exchange& own) {
  Warp& warp = block.warps[threadIdx.x / 32];
  Exchange* lanes = warp.lanes[warp.barrier.generation % 2];
  lanes[threadIdx.x % 32] = own;
  await_warp();
  return lanes;
}

void await_warp() { await(block.warps[threadIdx.x / 32].barrier, 32); }

void copy_ahead(void* shared, const void* global) {
  if (reinterpret_cast<std::uintptr_t>(shared) % 16 != reinterpret_cast<std::uintptr_t>(block.shared.data()) % 16 ||
      reinterpret_cast<std::uintptr_t>(global) % 16 != 0) {
    give_up("a copy ahead is not aligned");
  }
  std::memset(shared, kPoison, 16);
  fiber().groups.back().push_back({shared, global});
}

void end_group() { fiber().groups.emplace_back(); }

void await_groups(int unfinished) {
  auto& groups = fiber().groups;
  while (groups.size() > static_cast<std::size_t>(unfinished) + 1) {
    for (const Copy& copy : groups.front()) std::memcpy(copy.to, copy.from, 16);
    groups.pop_front();
  }
}

void begin_barrier(std::uint64_t* barrier, unsigned arrivals) {
  block.phases[barrier] = {arrivals, arrivals, 0, 0, {}};
}

void arrive(std::uint64_t* barrier, unsigned bytes) {
  PhaseBarrier& found = phases_of(barrier);
  if (found.awaited == 0) give_up("more threads arrive at a barrier than it awaits");
  --found.awaited;
  found.bytes += bytes;
  end_phase(found);
}

void await_phase(std::uint64_t* barrier, unsigned parity) {
  PhaseBarrier& found = phases_of(barrier);
  while (found.phase % 2 == parity) {
    if (found.awaited > 0 || found.copies.empty()) {
      yield();
      continue;
    }
    for (const auto& copy : found.copies) {
      std::memcpy(copy.to, copy.from, copy.bytes);
      if (copy.bytes > found.bytes) give_up("a barrier is given more bytes than it awaits");
      found.bytes -= copy.bytes;
    }
    found.copies.clear();
    end_phase(found);
  }
}

bool has_ended(std::uint64_t* barrier, unsigned parity) { return phases_of(barrier).phase % 2 != parity; }
void pause() { yield(); }

void copy_ahead(void* shared, const void* global, std::size_t bytes, std::uint64_t* barrier) {
  const auto* begin = block.shared.data();
  const auto* to = static_cast<const unsigned char*>(shared);
  if (to < begin || to + bytes > begin + block.shared.size()) give_up("a copy ahead leaves the block's memory");
  if ((to - begin) % 16 != 0 || reinterpret_cast<std::uintptr_t>(global) % 16 != 0 || bytes % 16 != 0) {
    give_up("a copy ahead is not aligned");
  }
  std::memset(shared, kPoison, bytes);
  phases_of(barrier).copies.push_back({shared, global, bytes});
}

void multiply_ahead(std::function<void()> product) { fiber().products.back().push_back(std::move(product)); }
void end_products() { fiber().products.emplace_back(); }
void await_products(int unfinished) {
  auto& groups = fiber().products;
  while (groups.size() > static_cast<std::size_t>(unfinished) + 1) {
    for (const auto& product : groups.front()) product();
    groups.pop_front();
  }
  await_warp();
}

const float* float16_values() {
  static const std::vector<float> values = [] {
    std::vector<float> made(1 << 16);
    for (std::size_t i = 0; i < made.size(); ++i) {
      const auto bits = static_cast<std::uint16_t>(i);
      _Float16 half = 0;
      std::memcpy(&half, &bits, sizeof(bits));
      made[i] = static_cast<float>(half);
    }
    return made;
  }();
  return values.data();
}

// Returns 2^-23 times the largest power of two that is not above a normal number's absolute value.
static double last_place(double value) {
  constexpr int kMantissa = 52, kExponent = 0x7FF;
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = ((bits >> kMantissa & kExponent) - 23) << kMantissa;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}
static double truncated(double value) { return static_cast<double>(static_cast<std::int64_t>(value)); }

float add_truncated(float sum, const double* terms, unsigned count) {
  double largest = std::fabs(static_cast<double>(sum));
  for (unsigned i = 0; i < count; ++i) largest = std::max(largest, std::fabs(terms[i]));
  if (!(largest > 0.0) || !std::isfinite(largest)) {
    double plain = sum;
    for (unsigned i = 0; i < count; ++i) plain += terms[i];
    return static_cast<float>(plain);
  }
  const double unit = last_place(largest);
  double total = truncated(sum / unit);
  for (unsigned i = 0; i < count; ++i) total += truncated(terms[i] / unit);
  total *= unit;
  if (total == 0.0) return 0.0f;
  const double last = last_place(total);
  return static_cast<float>(truncated(total / last) * last);
}

void check_device(const void* pointer, const char* what) {
  const std::lock_guard lock(mutex);
  const Allocation* allocation = allocation_of(pointer);
  if (allocation == nullptr || allocation->device != current) give_up(what);
}

void set_hopper(bool is_hopper) { hopper = is_hopper; }

void set_devices(std::size_t count, std::size_t memory) { memories.assign(count, {memory, memory, 0, 0}); }

void limit_memory(std::size_t bytes) {
  for (Memory& memory : memories) memory.most = memory.in_use + bytes;
}

// Tests in Python call these functions.
extern "C" [[gnu::visibility("default")]] void emulated_limit_memory(std::size_t bytes) { limit_memory(bytes); }
extern "C" [[gnu::visibility("default")]] void emulated_set_devices(std::size_t count) {
  set_devices(count, Memory{}.total);
}
extern "C" [[gnu::visibility("default")]] int emulated_current_device() { return current; }
extern "C" [[gnu::visibility("default")]] unsigned emulated_awaited(std::size_t device) {
  return memories[device].awaited;
}

void fail_allocation_after(std::size_t allocations) { failing = made + allocations; }
std::size_t allocations_made() { return made; }

std::size_t allocated() {
  std::size_t bytes = 0;
  for (const auto& [pointer, allocation] : allocations) bytes += allocation.bytes;
  return bytes;
}

}  // namespace emulation

using emulation::allocations;
using emulation::check_device;
using emulation::current;
using emulation::enqueue;
using emulation::kHost;
using emulation::memories;
using emulation::Queue;

void check_process() {
  static const pid_t owner = getpid();
  if (owner != getpid()) throw DeviceError("this process was forked from one that uses emulated devices");
}

std::vector<Device> devices(std::string*) {
  std::vector<Device> found;
  for (const emulation::Memory& memory : memories) {
    found.push_back({"emulated", emulation::hopper ? 9 : 8, emulation::hopper ? 0 : 9, 3, memory.total});
  }
  return found;
}

OnDevice::OnDevice(int device) : before_(std::exchange(current, device)) {}
OnDevice::~OnDevice() { current = before_; }

Stream::Stream() : handle_(new Queue(current)) {}
Stream::~Stream() { delete static_cast<Queue*>(handle_); }
OnStream::OnStream(const Stream& stream) : before_(std::exchange(emulation::stream_of_thread, stream.handle())) {}
OnStream::~OnStream() { emulation::stream_of_thread = before_; }

std::size_t free_memory() {
  const std::lock_guard lock(emulation::mutex);
  const emulation::Memory& memory = memories[static_cast<std::size_t>(current)];
  return memory.most - memory.in_use;
}

void* allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const std::lock_guard lock(emulation::mutex);
  emulation::count_allocation();
  if (bytes > free_memory()) {
    throw OutOfMemory("the device has no " + std::to_string(bytes) + " bytes to give, " +
                      std::to_string(free_memory()) + " are free");
  }
  void* pointer = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(pointer, emulation::kPoison, bytes);
  memories[static_cast<std::size_t>(current)].in_use += bytes;
  allocations[pointer] = {bytes, current};
  return pointer;
}

void* allocate_pinned(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const std::lock_guard lock(emulation::mutex);
  emulation::count_allocation();
  void* pointer = std::malloc(bytes);
  std::memset(pointer, emulation::kPoison, bytes);
  allocations[pointer] = {bytes, kHost};
  return pointer;
}

void release(void* pointer) noexcept {
  if (pointer == nullptr) return;
  const std::lock_guard lock(emulation::mutex);
  const auto [bytes, device] = allocations[pointer];
  // CUDA also waits here: for one device, or for all if the memory is pinned.
  for (int each = 0; each < static_cast<int>(memories.size()); ++each) {
    if (device == kHost || device == each) emulation::await_queues(each);
  }
  if (device != kHost) memories[static_cast<std::size_t>(device)].in_use -= bytes;
  allocations.erase(pointer);
  std::free(pointer);
}
void release_pinned(void* pointer) noexcept { release(pointer); }

void copy_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_device(to, "a copy to another device's memory");
  if (emulation::is_pageable(from)) {
    const char* begin = static_cast<const char*>(from);
    enqueue([to, copy = std::vector<char>(begin, begin + bytes)] { std::memcpy(to, copy.data(), copy.size()); });
  } else {
    enqueue([=] { std::memcpy(to, from, bytes); });
  }
}
void copy_to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_device(from, "a copy from another device's memory");
  std::memset(to, emulation::kPoison, bytes);
  enqueue([=] { std::memcpy(to, from, bytes); });
  if (emulation::is_pageable(to)) synchronize();
}
void copy_within_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_device(from, "a copy from another device's memory");
  check_device(to, "a copy to another device's memory");
  enqueue([=] { std::memcpy(to, from, bytes); });
}
void fill_bytes(void* to, int value, std::size_t bytes) {
  if (bytes == 0) return;
  check_device(to, "filling another device's memory");
  enqueue([=] { std::memset(to, value, bytes); });
}
void synchronize() {
  const std::lock_guard lock(emulation::mutex);
  emulation::queue().do_all();
}
void await_device() {
  emulation::await_queues(current);
  ++memories[static_cast<std::size_t>(current)].awaited;
}

}  // namespace latentknn::cuda
