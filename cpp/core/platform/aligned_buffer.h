// Memory that grows, aligned to cache lines, in huge pages where the system offers them.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace latentknn {

template <class T>
class AlignedBuffer {
 public:
  // Grows to hold `count` elements and keeps those already written; new elements are uninitialised. Throws
  // std::bad_alloc where memory runs out, and leaves everything as it was.
  void resize(std::size_t count) {
    if (count > capacity_) {
      // The first allocation is exact; later ones leave room, so that repeated adds stay linear.
      const std::size_t capacity = capacity_ == 0 ? count : count + count / 2;
      Memory fresh = allocate(capacity);
      if (size_ > 0) std::memcpy(fresh.get(), memory_.get(), size_ * sizeof(T));
      memory_ = std::move(fresh);
      capacity_ = capacity;
    }
    size_ = count;
  }

  std::size_t size() const { return size_; }
  T* data() { return memory_.get(); }
  const T* data() const { return memory_.get(); }
  T& operator[](std::size_t i) { return memory_.get()[i]; }
  const T& operator[](std::size_t i) const { return memory_.get()[i]; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  struct Free {
    std::align_val_t alignment;
    void operator()(T* p) const { ::operator delete(static_cast<void*>(p), alignment); }
  };
  using Memory = std::unique_ptr<T[], Free>;

  static Memory allocate(std::size_t count) {
    if (count > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    const std::size_t bytes = count * sizeof(T);
    const std::align_val_t alignment{bytes >= 4 * kHugePage ? kHugePage : 64};
    Memory memory(static_cast<T*>(::operator new(bytes, alignment)), Free{alignment});
#if defined(__linux__)
    if (bytes >= 4 * kHugePage) madvise(memory.get(), bytes, MADV_HUGEPAGE);
#endif
    return memory;
  }

  Memory memory_{nullptr, Free{std::align_val_t{64}}};
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace latentknn
