// The structures of DLPack, by which libraries exchange arrays: https://dmlc.github.io/dlpack/latest/c_api.html
// They are those of versions before 1.0, which all libraries still understand.
#pragma once

#include <cstdint>

namespace latentknn::dlpack {

// Names of the capsule that holds a ManagedTensor, before and after a library has taken it.
inline constexpr const char* kOffered = "dltensor";
inline constexpr const char* kTaken = "used_dltensor";

inline constexpr std::int32_t kCuda = 2;
inline constexpr std::int32_t kCudaManaged = 13;

inline constexpr std::uint8_t kInteger = 0, kUnsigned = 1, kFloat = 2, kBfloat = 4, kBool = 6;

struct Device {
  std::int32_t type;
  std::int32_t number;
};

struct Type {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t dimensions;
  Type type;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null where the array is in C order
  std::uint64_t offset;   // bytes before the first element
};

struct ManagedTensor {
  Tensor tensor;
  void* context;  // belongs to the library whose array it is
  void (*release)(ManagedTensor*);
};

}  // namespace latentknn::dlpack
