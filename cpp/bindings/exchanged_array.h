// An array in a device's memory, of another library or our own, exchanged by DLPack.
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
  // Wraps another library's array without a copy, and waits until its device has finished all work on it.
  static ExchangedArray of(const pybind11::object& array);
  // Copies an array of integers, floating-point numbers or bools to a device.
  static ExchangedArray copy_of(const pybind11::array& array, int device);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  // bfloat16, which NumPy does not have, counts as uint16.
  pybind11::dtype dtype() const;
  const void* data() const { return data_; }
  int device() const { return device_.number; }
  dlpack::Device dlpack_device() const { return device_; }

  bool in_c_order() const;
  bool is_float32() const { return type_.code == dlpack::kFloat && type_.bits == 32 && type_.lanes == 1; }
  bool is_bfloat16() const { return type_.code == dlpack::kBfloat && type_.bits == 16 && type_.lanes == 1; }
  pybind11::array to_host() const;
  pybind11::capsule to_dlpack() const;

 private:
  std::size_t size() const;
  std::size_t item_bytes() const { return type_.bits / 8; }

  std::shared_ptr<void> owner_;  // keeps the memory alive
  void* data_ = nullptr;
  dlpack::Device device_{};
  dlpack::Type type_{};
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;  // in elements
};

}  // namespace latentknn::bindings
