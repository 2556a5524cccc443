#include "exchanged_array.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gil.h"
#include "runtime.h"

namespace py = pybind11;

namespace latentknn::bindings {
namespace {

// NumPy's letters for kinds of types.
constexpr std::pair<char, std::uint8_t> kKinds[] = {
    {'i', dlpack::kInteger}, {'u', dlpack::kUnsigned}, {'f', dlpack::kFloat}, {'b', dlpack::kBool}};

std::vector<std::int64_t> c_order(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

// An array that we have given: another library holds it until it is done with it.
struct Given {
  dlpack::ManagedTensor managed{};
  std::shared_ptr<void> owner;
  std::vector<std::int64_t> shape, strides;
};

void release_given(dlpack::ManagedTensor* managed) { delete static_cast<Given*>(managed->context); }

// Releases an array that was offered and that no library has taken.
void release_offered(PyObject* capsule) {
  if (PyCapsule_IsValid(capsule, dlpack::kOffered) == 0) return;
  release_given(static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, dlpack::kOffered)));
}

void await(int device) {
  const cuda::OnDevice here(device);
  cuda::await_device();
}

}  // namespace

ExchangedArray ExchangedArray::of(const py::object& array) {
  const auto place = array.attr("__dlpack_device__")().cast<std::pair<std::int32_t, std::int32_t>>();
  if (place.first != dlpack::kCuda && place.first != dlpack::kCudaManaged) {
    throw py::value_error("expected an array on a CUDA device, received one on a device of DLPack's type " +
                          std::to_string(place.first));
  }
  py::object capsule;
  {
    // PyTorch gives only arrays on the current device. No stream is named: not every library knows them, and the
    // code below waits for all streams of the device.
    const cuda::OnDevice here(place.second);
    capsule = array.attr("__dlpack__")();
  }
  auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), dlpack::kOffered));
  if (managed == nullptr) throw py::error_already_set();
  PyCapsule_SetName(capsule.ptr(), dlpack::kTaken);

  ExchangedArray taken;
  taken.owner_ = std::shared_ptr<void>(managed, [](void* pointer) {
    auto* other = static_cast<dlpack::ManagedTensor*>(pointer);
    if (other->release != nullptr) other->release(other);
  });
  const dlpack::Tensor& tensor = managed->tensor;
  taken.data_ = static_cast<char*>(tensor.data) + tensor.offset;
  taken.device_ = tensor.device;
  taken.type_ = tensor.type;
  taken.shape_.assign(tensor.shape, tensor.shape + tensor.dimensions);
  taken.strides_ = tensor.strides == nullptr
                       ? c_order(taken.shape_)
                       : std::vector<std::int64_t>(tensor.strides, tensor.strides + tensor.dimensions);

  const ReleasedGil released;
  if (tensor.device.type == dlpack::kCudaManaged) {
    // Any device may be at work on managed memory, whichever device the array names.
    for (std::size_t i = 0; i < cuda::devices().size(); ++i) await(static_cast<int>(i));
  } else {
    await(taken.device());
  }
  return taken;
}

ExchangedArray ExchangedArray::copy_of(const py::array& array, int device) {
  const auto ordered = py::array::ensure(array, py::array::c_style);
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const auto& each) { return each.first == ordered.dtype().kind(); });
  if (kind == std::end(kKinds)) throw py::type_error("cannot copy an array of this type to a device");
  ExchangedArray copied;
  copied.type_ = {kind->second, static_cast<std::uint8_t>(ordered.itemsize() * 8), 1};
  copied.device_ = {dlpack::kCuda, device};
  copied.shape_.assign(ordered.shape(), ordered.shape() + ordered.ndim());
  copied.strides_ = c_order(copied.shape_);

  const void* host = ordered.data();
  const std::size_t bytes = copied.size() * copied.item_bytes();
  const ReleasedGil released;
  const cuda::OnDevice here(device);
  auto memory = std::make_shared<cuda::DeviceBuffer<char>>(bytes);
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

bool ExchangedArray::in_c_order() const {
  if (size() == 0) return true;
  const std::vector<std::int64_t> ordered = c_order(shape_);
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    if (shape_[i] != 1 && strides_[i] != ordered[i]) return false;
  }
  return true;
}

py::dtype ExchangedArray::dtype() const {
  const std::uint8_t wanted = is_bfloat16() ? dlpack::kUnsigned : type_.code;
  for (const auto& [kind, code] : kKinds) {
    if (code == wanted && type_.lanes == 1 && type_.bits >= 8) return py::dtype(kind + std::to_string(item_bytes()));
  }
  throw py::type_error("expected real numbers, received an array on a device of DLPack's type " +
                       std::to_string(type_.code) + " with " + std::to_string(type_.bits) + " bits");
}

py::array ExchangedArray::to_host() const {
  const py::dtype type = dtype();
  if (size() == 0) return py::array(type, shape_);
  // Copies the memory from the lowest element to the highest; other arrays may have elements in between.
  std::int64_t lowest = 0, highest = 0;
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    const std::int64_t last = (shape_[i] - 1) * strides_[i];
    (last < 0 ? lowest : highest) += last;
  }
  const auto width = static_cast<std::int64_t>(item_bytes());
  py::array_t<std::uint8_t> span((highest - lowest + 1) * width);
  std::uint8_t* host = span.mutable_data();
  {
    const ReleasedGil released;
    const cuda::OnDevice here(device());
    const char* device_memory = static_cast<const char*>(data_) + lowest * width;
    cuda::copy_to_host(host, device_memory, static_cast<std::size_t>(span.size()));
    cuda::synchronize();
  }
  std::vector<std::int64_t> strides = strides_;
  for (std::int64_t& stride : strides) stride *= width;
  return py::array(type, shape_, strides, host - lowest * width, span);
}

py::capsule ExchangedArray::to_dlpack() const {
  auto given = std::make_unique<Given>();
  given->owner = owner_;
  given->shape = shape_;
  given->strides = strides_;
  given->managed = {
      {data_, device_, static_cast<std::int32_t>(shape_.size()), type_, given->shape.data(), given->strides.data(), 0},
      given.get(),
      &release_given};
  py::capsule capsule(&given->managed, dlpack::kOffered, &release_offered);
  given.release();
  return capsule;
}

}  // namespace latentknn::bindings
