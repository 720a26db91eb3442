#include "tests/support/fake_cuda.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <torch/library.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace teacache {
namespace {

constexpr at::DeviceIndex kDevices = 2;
thread_local at::DeviceIndex current_device = 0;
std::atomic<int64_t> operators = 0, waits = 0;

// ---------------------------------------------------------------------------- memory

// One file, mapped twice: the device's addresses, which no one may touch, and the host's. Addresses
// are used once; what is freed goes back to the system. New memory holds NaN.
class Memory {
 public:
  static Memory& Instance() {
    static Memory* memory = new Memory;  // tensors may outlive static objects
    return *memory;
  }

  void* Allocate(size_t bytes) {
    TORCH_CHECK_WITH(OutOfMemoryError,
                     in_use_ + static_cast<int64_t>(bytes) <= limit_,
                     "CUDA out of memory. Tried to allocate ",
                     bytes,
                     " bytes on a fake device");
    const size_t size = Rounded(bytes);
    const size_t begin = used_.fetch_add(size);
    if (begin + size > kSize) throw std::runtime_error("the fake device has no memory left");
    char* device = device_ + begin;
    std::memset(ToHost(device), 0xff, bytes);
    const int64_t now =
        in_use_.fetch_add(static_cast<int64_t>(bytes)) + static_cast<int64_t>(bytes);
    for (int64_t peak = peak_; peak < now && !peak_.compare_exchange_weak(peak, now);) {
    }
    return device;
  }
  void Free(void* device, size_t bytes) {
    in_use_ -= static_cast<int64_t>(bytes);
    fallocate(file_,
              FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<char*>(device) - device_,
              static_cast<off_t>(Rounded(bytes)));
  }
  int64_t TakePeak() { return peak_.exchange(in_use_); }
  void Limit(int64_t bytes) { limit_ = bytes; }
  char* ToHost(const void* device) const {
    return host_ + (static_cast<const char*>(device) - device_);
  }

 private:
  static constexpr size_t kSize = size_t{1} << 40;
  static constexpr size_t kPage = 4096;
  static size_t Rounded(size_t bytes) { return (bytes / kPage + 1) * kPage; }

  Memory() : file_(memfd_create("fake_cuda", 0)) {
    if (file_ < 0 || ftruncate(file_, kSize) != 0) throw std::runtime_error("memfd_create");
    const auto map = [&](int access) {
      void* address = mmap(nullptr, kSize, access, MAP_SHARED | MAP_NORESERVE, file_, 0);
      if (address == MAP_FAILED) throw std::runtime_error("mmap");
      return static_cast<char*>(address);
    };
    device_ = map(PROT_NONE);
    host_ = map(PROT_READ | PROT_WRITE);
  }

  int file_;
  char* device_;
  char* host_;
  std::atomic<size_t> used_ = 0;
  std::atomic<int64_t> in_use_ = 0, peak_ = 0, limit_ = kSize;
};

struct Piece {
  void* address;
  size_t bytes;
};

void FreePiece(void* context) {
  auto* piece = static_cast<Piece*>(context);
  Memory::Instance().Free(piece->address, piece->bytes);
  delete piece;
}

struct DeviceAllocator : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    auto* piece = new Piece{Memory::Instance().Allocate(bytes), bytes};
    return {piece->address, piece, &FreePiece, {at::kCUDA, current_device}};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(Memory::Instance().ToHost(to), Memory::Instance().ToHost(from), bytes);
  }
};
DeviceAllocator device_allocator;

// ---------------------------------------------------------------------------- device

struct Guard : c10::impl::DeviceGuardImplInterface {
  at::DeviceType type() const override { return at::kCUDA; }
  at::Device exchangeDevice(at::Device device) const override {
    const at::Device before = getDevice();
    setDevice(device);
    return before;
  }
  at::Device getDevice() const override { return {at::kCUDA, current_device}; }
  void setDevice(at::Device device) const override { uncheckedSetDevice(device); }
  void uncheckedSetDevice(at::Device device) const noexcept override {
    if (device.has_index()) current_device = device.index();
  }
  c10::Stream getStream(at::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device.has_index() ? device : getDevice());
  }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  at::DeviceIndex deviceCount() const noexcept override { return kDevices; }
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard)

struct CUDAHooks : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override { c10::SetAllocator(at::kCUDA, &device_allocator); }
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(at::DeviceIndex) const override { return true; }
  at::DeviceIndex deviceCount() const override { return kDevices; }
  int getNumGPUs() const override { return kDevices; }
  at::DeviceIndex current_device() const override { return teacache::current_device; }
  at::Allocator* getPinnedMemoryAllocator() const override { return at::getCPUAllocator(); }
  void deviceSynchronize(at::DeviceIndex) const override { ++waits; }
};

}  // namespace

at::Tensor OnHost(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_cuda()) return tensor;
  const c10::Storage& storage = tensor.storage();
  char* host = Memory::Instance().ToHost(storage.data());
  c10::Storage alias(c10::Storage::use_byte_size_t(),
                     storage.nbytes(),
                     c10::DataPtr(host, at::kCPU),
                     /*allocator=*/nullptr,
                     /*resizable=*/false);
  at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(
      std::move(alias), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  view.unsafeGetTensorImpl()->set_storage_offset(tensor.storage_offset());
  view.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides());
  return view;
}

void* HostAddressOf(const void* device) { return Memory::Instance().ToHost(device); }

int64_t FakeCudaOperators() { return operators; }

int64_t FakeCudaWaits() { return waits; }

int64_t TakeFakeCudaPeak() { return Memory::Instance().TakePeak(); }

void LimitFakeCuda(int64_t bytes) { Memory::Instance().Limit(bytes); }

namespace {

// ---------------------------------------------------------------------------- operators

constexpr c10::DispatchKeySet kCudaKey(c10::DispatchKey::CUDA);

at::Tensor Empty(at::IntArrayRef sizes,
                 std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> /*layout*/,
                 std::optional<at::Device> device,
                 std::optional<bool> /*pin_memory*/,
                 std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(device.value_or(at::Device(at::kCUDA)));
  at::globalContext().lazyInitDevice(at::kCUDA);
  return at::detail::empty_generic(
      sizes, &device_allocator, kCudaKey, c10::dtype_or_default(dtype), format);
}

at::Tensor EmptyStrided(at::IntArrayRef sizes,
                        at::IntArrayRef strides,
                        std::optional<at::ScalarType> dtype,
                        std::optional<at::Layout> /*layout*/,
                        std::optional<at::Device> device,
                        std::optional<bool> /*pin_memory*/) {
  const c10::DeviceGuard guard(device.value_or(at::Device(at::kCUDA)));
  at::globalContext().lazyInitDevice(at::kCUDA);
  return at::detail::empty_strided_generic(
      sizes, strides, &device_allocator, kCudaKey, c10::dtype_or_default(dtype));
}

at::Tensor& Copy(at::Tensor& to, const at::Tensor& from, bool /*non_blocking*/) {
  ++operators;
  OnHost(to).copy_(OnHost(from));
  return to;
}

// The tensors of one call, and what each of them is on the host.
class Call {
 public:
  explicit Call(const c10::OperatorHandle& op) : name_(op.schema().name()) {
    // CUDA takes indices from the CPU, and brings them over.
    mixes_ = name_ == "aten::index" || name_ == "aten::_index_put_impl_";
  }

  at::Device device() const { return device_.value_or(at::Device(at::kCUDA, current_device)); }

  c10::IValue ToHost(const c10::IValue& value) {
    if (value.isTensor()) return Argument(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(Argument(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const auto& tensor : value.toOptionalTensorVector()) {
        list.push_back(tensor ? std::optional(Argument(*tensor)) : std::nullopt);
      }
      return list;
    }
    if (value.isDevice()) {
      if (value.toDevice().is_cuda()) device_ = value.toDevice();
      return at::Device(at::kCPU);
    }
    return value;
  }

  c10::IValue ToDevice(const c10::IValue& value) const {
    if (value.isTensor()) return Result(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(Result(tensor));
      return list;
    }
    return value;
  }

 private:
  struct Pair {
    at::Tensor device, host;
  };

  at::Tensor Argument(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (tensor.is_cuda()) {
      if (device_ && device_->has_index() && *device_ != tensor.device()) Mixed(tensor);
      device_ = tensor.device();
      // Output tensors that have no memory yet get some.
      const bool is_empty = tensor.storage().nbytes() == 0;
      arguments_.push_back(
          {tensor, is_empty ? at::empty(tensor.sizes(), tensor.scalar_type()) : OnHost(tensor)});
      return arguments_.back().host;
    }
    if (tensor.dim() > 0 && !mixes_) Mixed(tensor);
    return tensor;
  }

  [[noreturn]] void Mixed(const at::Tensor& tensor) const {
    TORCH_CHECK(false,
                "Expected all tensors to be on the same device, but ",
                name_,
                " has one on ",
                tensor.device(),
                tensor.is_cuda() ? " and one on " + device_->str() : " and others on cuda");
  }

  at::Tensor Result(const at::Tensor& host) const {
    if (!host.defined()) return host;
    for (const Pair& pair : arguments_) {
      if (pair.host.unsafeGetTensorImpl() == host.unsafeGetTensorImpl()) return Updated(pair);
    }
    for (const Pair& pair : arguments_) {
      if (host.has_storage() && host.storage().is_alias_of(pair.host.storage())) {
        at::Tensor view =
            at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW,
                                                     c10::Storage(pair.device.storage()),
                                                     pair.device.key_set(),
                                                     host.dtype());
        view.unsafeGetTensorImpl()->set_storage_offset(host.storage_offset());
        view.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides());
        return view;
      }
    }
    return Moved(host);
  }

  at::Tensor Moved(const at::Tensor& host) const {
    at::Tensor made = EmptyStrided(
        host.sizes(), host.strides(), host.scalar_type(), std::nullopt, device(), std::nullopt);
    OnHost(made).copy_(host);
    return made;
  }

  // An argument that was written to, and may have grown.
  at::Tensor Updated(const Pair& pair) const {
    if (pair.device.storage().nbytes() == 0 && pair.host.numel() > 0) {
      const at::Tensor moved = Moved(pair.host);
      c10::TensorImpl* impl = pair.device.unsafeGetTensorImpl();
      impl->set_storage_keep_dtype(moved.storage());
      impl->set_sizes_and_strides(moved.sizes(), moved.strides());
    } else {
      pair.device.unsafeGetTensorImpl()->set_sizes_and_strides(pair.host.sizes(),
                                                               pair.host.strides());
    }
    return pair.device;
  }

  std::string name_;
  bool mixes_ = false;
  std::optional<at::Device> device_;
  std::vector<Pair> arguments_;
};

void RunOnHost(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  ++operators;
  Call call(op);
  const size_t inputs = op.schema().arguments().size();
  for (size_t i = stack->size() - inputs; i < stack->size(); ++i) {
    (*stack)[i] = call.ToHost((*stack)[i]);
  }
  op.callBoxed(stack);
  const size_t outputs = op.schema().returns().size();
  for (size_t i = stack->size() - outputs; i < stack->size(); ++i) {
    (*stack)[i] = call.ToDevice((*stack)[i]);
  }
}

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&RunOnHost>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", &Empty);
  library.impl("empty_strided", &EmptyStrided);
  library.impl("copy_", &Copy);
}

}  // namespace
}  // namespace teacache

namespace at {
using teacache::CUDAHooks;
REGISTER_CUDA_HOOKS(CUDAHooks)
}  // namespace at
