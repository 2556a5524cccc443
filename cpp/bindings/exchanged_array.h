// An array in a device's memory, another library's or our own, given and taken by DLPack.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "dlpack.h"

namespace latentknn::bindings {

class ExchangedArray {
 public:
  // Another library's array, where it is; what has been begun on its device is finished by then.
  static ExchangedArray of(const pybind11::object& array);
  static ExchangedArray copy_of(const pybind11::array& array, int device);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  pybind11::dtype dtype() const;
  const void* data() const { return data_; }
  int device() const { return device_.number; }
  dlpack::Device dlpack_device() const { return device_; }

  bool is_float32() const { return type_.code == dlpack::kFloat && type_.bits == 32 && type_.lanes == 1; }
  // Of float32.
  bool is_finite() const;
  pybind11::array to_host() const;
  pybind11::capsule to_dlpack() const;

 private:
  std::size_t size() const;
  std::size_t bytes() const { return size() * type_.bits / 8; }

  std::shared_ptr<void> owner_;  // keeps the memory
  void* data_ = nullptr;
  dlpack::Device device_{};
  dlpack::Type type_{};
  std::vector<std::int64_t> shape_;
};

}  // namespace latentknn::bindings
