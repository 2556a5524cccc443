#include <cuda_runtime.h>
#include <unistd.h>

#include <atomic>

#include "runtime.h"

namespace latentknn::cuda {
namespace {

// The process that used CUDA first. A forked child cannot use it.
std::atomic<pid_t> owner{0};

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // clears the error for the next call
  throw DeviceError(std::string(what) + " failed: " + cudaGetErrorString(result));
}

std::string version_name(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Returns why there is no device.
std::string reason_of(cudaError_t result) {
  if (result == cudaSuccess || result == cudaErrorNoDevice) return "there is no CUDA device";
  int driver = 0;
  if (result == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess) {
    if (driver == 0) return "there is no NVIDIA driver";
    return "the NVIDIA driver knows CUDA " + version_name(driver) + ", and " + version_name(CUDART_VERSION) +
           " is needed; update the driver";
  }
  return cudaGetErrorString(result);
}

}  // namespace

void check_process() {
  const pid_t process = getpid();
  pid_t first = 0;
  if (!owner.compare_exchange_strong(first, process) && first != process) {
    throw DeviceError(
        "this process was forked from one that uses CUDA, which cannot be used in both; start processes with the "
        "method 'spawn', or make the index in the child");
  }
}

std::vector<Device> devices(std::string* missing) {
  check_process();
  int count = 0;
  const cudaError_t result = cudaGetDeviceCount(&count);
  if (result != cudaSuccess || count == 0) {
    cudaGetLastError();
    if (missing != nullptr) *missing = reason_of(result);
    return {};
  }
  std::vector<Device> found;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, i), "reading a device's properties");
    found.push_back({properties.name, properties.major, properties.minor,
                     static_cast<std::size_t>(properties.multiProcessorCount), properties.totalGlobalMem});
  }
  return found;
}

OnDevice::OnDevice(int device) : before_(0) {
  check_process();
  check(cudaGetDevice(&before_), "asking for the current device");
  check(cudaSetDevice(device), "choosing the device");
}

OnDevice::~OnDevice() { cudaSetDevice(before_); }

namespace {
thread_local cudaStream_t stream_of_thread = cudaStreamPerThread;
}

Stream::Stream() : handle_(nullptr) {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  handle_ = stream;
}

Stream::~Stream() {
  if (owner == getpid()) cudaStreamDestroy(static_cast<cudaStream_t>(handle_));
}

OnStream::OnStream(const Stream& stream) : before_(stream_of_thread) {
  stream_of_thread = static_cast<cudaStream_t>(stream.handle());
}

OnStream::~OnStream() { stream_of_thread = static_cast<cudaStream_t>(before_); }

void* current_stream() { return stream_of_thread; }

std::size_t free_memory() {
  std::size_t unused = 0, total = 0;
  check(cudaMemGetInfo(&unused, &total), "asking for free memory");
  return unused;
}

void* allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* pointer = nullptr;
  const cudaError_t result = cudaMalloc(&pointer, bytes);
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfMemory("the device has no " + std::to_string(bytes) + " bytes to give, " +
                      std::to_string(free_memory()) + " are free");
  }
  check(result, "allocating device memory");
  return pointer;
}

void release(void* pointer) noexcept {
  // A forked child holds pointers that are not its own.
  if (pointer != nullptr && owner == getpid()) cudaFree(pointer);
}

void* allocate_pinned(std::size_t bytes) {
  void* pointer = nullptr;
  const cudaError_t result = cudaHostAlloc(&pointer, bytes, cudaHostAllocPortable);
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfMemory("the host has no " + std::to_string(bytes) + " bytes of pinned memory to give");
  }
  check(result, "allocating pinned memory");
  return pointer;
}

void release_pinned(void* pointer) noexcept {
  if (pointer != nullptr && owner == getpid()) cudaFreeHost(pointer);
}

void copy_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of_thread), "copying to the device");
}

void copy_to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of_thread), "copying from the device");
}

void copy_within_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of_thread), "copying on the device");
}

void fill_bytes(void* to, int value, std::size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemsetAsync(to, value, bytes, stream_of_thread), "filling device memory");
}

void synchronize() { check(cudaStreamSynchronize(stream_of_thread), "a kernel or a copy"); }

void await_device() { check(cudaDeviceSynchronize(), "what was begun on the device before"); }

}  // namespace latentknn::cuda
