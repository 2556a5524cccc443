// Memory, copies and errors of a device, behind plain C++. Tests have another implementation, on the processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace latentknn::cuda {

// A call of CUDA failed; what() says which, and why.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A device has too little memory, or the host too little pinned memory.
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

// Returns the devices that can be used. If there is none, and `missing` is given, sets it to the reason.
std::vector<Device> devices(std::string* missing = nullptr);

// Makes a device the calling thread's current one for the lifetime of this object.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_;
};

// A stream is a queue of copies and kernels, on the device that is current when it is made.
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

// Makes a stream of the current device the calling thread's one for the lifetime of this object.
// Without such an object a thread has a default stream.
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
// Allocates memory of the host that devices can copy from and to while the calling thread goes on.
void* allocate_pinned(std::size_t bytes);
void release_pinned(void* pointer) noexcept;
// These functions append to the calling thread's stream, which does one copy or kernel after the other.
// Data copied to the host are there after synchronize(). Data copied to the device may come
// from the host or from any device; pinned memory must not change before synchronize().
void copy_to_device(void* to, const void* from, std::size_t bytes);
void copy_to_host(void* to, const void* from, std::size_t bytes);
void copy_within_device(void* to, const void* from, std::size_t bytes);
void fill_bytes(void* to, int value, std::size_t bytes);
// Waits until the calling thread's stream has done all its work.
void synchronize();
// Waits until the device has done all work of this process.
void await_device();

// A buffer in the memory of the device that is current when it is made.
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
