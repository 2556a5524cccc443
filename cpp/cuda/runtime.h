// Memory, copies and errors of a device behind plain C++; tests bring another implementation, on the processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace latentknn::cuda {

// A call of CUDA that failed; what() says which, and why.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Of a device, or of the host's memory that devices reach.
class OutOfMemory : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

struct Device {
  std::string name;
  int major;  // compute capability
  int minor;
  std::size_t multiprocessors;
  std::size_t memory;  // bytes
};

// Throws DeviceError in a process that was forked from one that used CUDA.
void check_process();

// The devices that can be used. Empty where there is none; `missing`, if given, then says why.
std::vector<Device> devices(std::string* missing = nullptr);

// Makes a device the calling thread's own, for as long as it lives.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_;
};

// A queue of copies and kernels, on the device that is current when it is made.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void* handle() const { return handle_; }

 private:
  void* handle_;
};

// Makes a stream, which is of the current device, the calling thread's own, for as long as it lives. A thread has one
// to begin with.
class OnStream {
 public:
  explicit OnStream(const Stream& stream);
  ~OnStream();
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  void* before_;
};

void* current_stream();

std::size_t free_memory();
void* allocate(std::size_t bytes);
void release(void* pointer) noexcept;
// Of the host, where devices can fetch it while a thread goes on.
void* allocate_pinned(std::size_t bytes);
void release_pinned(void* pointer) noexcept;
// Copies and kernels of the calling thread's stream follow each other; what is copied to the host is there after
// synchronize(). What is copied to the device may come from the host or from any device; what is pinned must stay as it
// is until then.
void copy_to_device(void* to, const void* from, std::size_t bytes);
void copy_to_host(void* to, const void* from, std::size_t bytes);
void copy_within_device(void* to, const void* from, std::size_t bytes);
void fill_bytes(void* to, int value, std::size_t bytes);
// Until the calling thread's stream has done all that it was asked for.
void synchronize();
// Until the device has done everything that anybody in this process has asked of it.
void await_device();

// Memory of the device that was current when it was made.
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t size) : data_(static_cast<T*>(allocate(size * sizeof(T)))), size_(size) {}
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceBuffer() { release(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

  void copy_from(const T* host, std::size_t count) { copy_to_device(data_, host, count * sizeof(T)); }
  std::vector<T> to_host(std::size_t count) const {
    std::vector<T> host(count);
    copy_to_host(host.data(), data_, count * sizeof(T));
    synchronize();
    return host;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

template <class T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t size) : data_(static_cast<T*>(allocate_pinned(size * sizeof(T)))), size_(size) {}
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PinnedBuffer() { release_pinned(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace latentknn::cuda
