#include "exchanged_array.h"

#include <string>
#include <utility>

#include "kernels.h"
#include "runtime.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

// NumPy's letters.
constexpr std::pair<char, std::uint8_t> kKinds[] = {
    {'i', dlpack::kInteger}, {'u', dlpack::kUnsigned}, {'f', dlpack::kFloat}, {'b', dlpack::kBool}};

bool in_c_order(const dlpack::Tensor& tensor) {
  if (tensor.strides == nullptr) return true;
  std::int64_t expected = 1;
  for (std::int32_t i = tensor.dimensions; i-- > 0;) {
    if (tensor.shape[i] == 0) return true;
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// What another library holds until it is done with our array.
struct Given {
  dlpack::ManagedTensor managed{};
  std::shared_ptr<void> owner;
  std::vector<std::int64_t> shape;
};

void release_given(dlpack::ManagedTensor* managed) { delete static_cast<Given*>(managed->context); }

// Nobody took it.
void release_offered(PyObject* capsule) {
  if (PyCapsule_IsValid(capsule, dlpack::kOffered) == 0) return;
  release_given(static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, dlpack::kOffered)));
}

}  // namespace

ExchangedArray ExchangedArray::of(const py::object& array) {
  const auto capsule = py::reinterpret_steal<py::object>(array.attr("__dlpack__")().release());
  auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), dlpack::kOffered));
  if (managed == nullptr) throw py::error_already_set();
  PyCapsule_SetName(capsule.ptr(), dlpack::kTaken);

  ExchangedArray taken;
  taken.owner_ = std::shared_ptr<void>(managed, [](void* pointer) {
    auto* other = static_cast<dlpack::ManagedTensor*>(pointer);
    if (other->release != nullptr) other->release(other);
  });
  const dlpack::Tensor& tensor = managed->tensor;
  if (tensor.device.type != dlpack::kCuda && tensor.device.type != dlpack::kCudaManaged) {
    throw py::value_error("expected an array on a CUDA device, received one on a device of DLPack's type " +
                          std::to_string(tensor.device.type));
  }
  if (!in_c_order(tensor)) {
    throw py::value_error("an array on a device must be in C order; copy it first, as .contiguous() does");
  }
  taken.data_ = static_cast<char*>(tensor.data) + tensor.offset;
  taken.device_ = tensor.device;
  taken.type_ = tensor.type;
  taken.shape_.assign(tensor.shape, tensor.shape + tensor.dimensions);

  const py::gil_scoped_release release;
  const cuda::OnDevice here(taken.device());
  cuda::await_device();
  return taken;
}

ExchangedArray ExchangedArray::copy_of(const py::array& array, int device) {
  ExchangedArray copied;
  for (const auto& [kind, code] : kKinds) {
    if (kind == array.dtype().kind()) copied.type_.code = code;
  }
  copied.type_.bits = static_cast<std::uint8_t>(array.itemsize() * 8);
  copied.type_.lanes = 1;
  copied.device_ = {dlpack::kCuda, device};
  copied.shape_.assign(array.shape(), array.shape() + array.ndim());

  const void* host = array.data();
  const std::size_t bytes = copied.bytes();
  const py::gil_scoped_release release;
  const cuda::OnDevice here(device);
  auto memory = std::make_shared<cuda::DeviceArray<char>>(bytes);
  cuda::copy_to_device(memory->data(), host, bytes);
  cuda::synchronize();
  copied.data_ = memory->data();
  copied.owner_ = std::move(memory);
  return copied;
}

std::size_t ExchangedArray::size() const {
  std::size_t product = 1;
  for (const std::int64_t extent : shape_) product *= static_cast<std::size_t>(extent);
  return product;
}

py::dtype ExchangedArray::dtype() const {
  for (const auto& [kind, code] : kKinds) {
    if (code == type_.code && type_.lanes == 1) return py::dtype(kind + std::to_string(type_.bits / 8));
  }
  throw py::type_error("received an array on a device whose type NumPy does not have (DLPack's code " +
                       std::to_string(type_.code) + ", " + std::to_string(type_.bits) +
                       " bits); convert it to float32 first");
}

bool ExchangedArray::is_finite() const {
  if (!is_float32()) throw py::type_error("expected float32, received " + py::str(dtype()).cast<std::string>());
  const py::gil_scoped_release release;
  const cuda::OnDevice here(device());
  return cuda::are_finite(static_cast<const float*>(data_), size());
}

py::array ExchangedArray::to_host() const {
  py::array copy(dtype(), shape_);
  void* host = copy.mutable_data();
  const py::gil_scoped_release release;
  const cuda::OnDevice here(device());
  cuda::copy_to_host(host, data_, bytes());
  cuda::synchronize();
  return copy;
}

py::capsule ExchangedArray::to_dlpack() const {
  auto given = std::make_unique<Given>();
  given->owner = owner_;
  given->shape = shape_;
  given->managed = {{data_, device_, static_cast<std::int32_t>(shape_.size()), type_, given->shape.data(), nullptr, 0},
                    given.get(),
                    &release_given};
  py::capsule capsule(&given->managed, dlpack::kOffered, &release_offered);
  given.release();
  return capsule;
}

}  // namespace latentknn::bindings
