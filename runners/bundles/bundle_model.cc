#include "runners/bundles/bundle_model.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>
#include <torch/headeronly/version.h>

#include <array>
#include <filesystem>

#include "datasets/base/error.h"
#include "runners/bundles/constants.h"

namespace teacache {
namespace {

// Instruction sets that LibTorch's dispatch knows, each able to run those before it.
constexpr std::array<std::string_view, 3> kCapabilities = {"DEFAULT", "AVX2", "AVX512"};

size_t CapabilityOf(std::string_view name) {
  for (size_t i = 0; i < kCapabilities.size(); ++i) {
    if (kCapabilities[i] == name) return i;
  }
  return kCapabilities.size();
}

// Compiled code is tied to the version of PyTorch, the kind of machine and its instructions.
void CheckNative(const BundleManifest& manifest, const std::string& path) {
  const std::string version = manifest.torch.substr(0, manifest.torch.find('+'));
  const std::string ours =
      fmt::format("{}.{}.{}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION_PATCH);
  if (version != ours) {
    ThrowUserError(
        path,
        "must be compiled by PyTorch {} but was by {}: export it again, or as TorchScript",
        ours,
        version);
  }
  utsname machine{};
  uname(&machine);
  if (manifest.machine != machine.machine) {
    ThrowUserError(path, "must be for {} but is for {}", machine.machine, manifest.machine);
  }
  const std::string cpu = at::get_cpu_capability();
  if (cpu != manifest.cpu_capability &&
      CapabilityOf(cpu) <= CapabilityOf(manifest.cpu_capability)) {
    ThrowUserError(path,
                   "must be for this CPU ({}) but uses {}: export it here, or as TorchScript",
                   cpu,
                   manifest.cpu_capability);
  }
}

}  // namespace

BundleModel::BundleModel(const BundleManifest& manifest,
                         const BundleExpert& expert,
                         at::Device device,
                         bool allow_native)
    : expert_(expert), where_(manifest.path), device_(device) {
  // All that is missing in one message.
  std::vector<std::string> missing, native;
  for (const auto& [name, part] : expert.parts) {
    const std::string path = BundlePath(manifest, expert, part.file);
    if (!std::filesystem::exists(path)) missing.push_back(path);
    if (part.backend == BundleBackend::kAoti) native.push_back(path);
  }
  if (!missing.empty()) {
    ThrowUserError(
        where_, "files of parts must exist but are missing: {}", fmt::join(missing, ", "));
  }
  if (!native.empty() && !allow_native) {
    ThrowUserError(where_,
                   "has parts of native code, which can do anything: {}. --native-code runs them; "
                   "use it only for bundles that you made or trust",
                   fmt::join(native, ", "));
  }
  for (const std::string& path : native) CheckNative(manifest, path);

  TensorMap constants;
  for (const auto& [key, view] : FindBundleConstants(manifest, expert)) {
    const at::Tensor tensor = ToTensor(view).to(device);
    parameters_ += tensor.numel();
    weight_bytes_ += static_cast<int64_t>(tensor.nbytes());
    constants[key] = tensor;
  }
  for (const auto& [name, part] : expert.parts) {
    const std::string path = BundlePath(manifest, expert, part.file);
    CheckBundleDigest(path, part.file);
    if (part.backend == BundleBackend::kAoti) {
      programs_[name] = LoadAotiPart(path, constants, device);
      continue;
    }
    std::vector<at::Tensor> given;
    for (const std::string& key : part.constants) given.push_back(constants.at(key));
    programs_[name] = LoadScriptPart(path, std::move(given), device);
  }
}

void BundleModel::Check(const std::string& where,
                        const std::string& name,
                        const at::Tensor& tensor) const {
  const BundleTensor& must = expert_.tensors.at(name);
  if (!tensor.defined()) ThrowUserError(where, "\"{}\" must be given but is not", name);
  const bool fits = tensor.sizes() == at::IntArrayRef(must.shape) &&
                    tensor.scalar_type() == ToScalarType(must.dtype);
  if (!fits) {
    const BundleTensor is = {tensor.sizes().vec(), ToDType(tensor.scalar_type())};
    ThrowUserError(
        where, "\"{}\" must be {} but is {}", name, DescribeTensor(must), DescribeTensor(is));
  }
  if (!tensor.is_contiguous()) {
    ThrowUserError(where,
                   "\"{}\" must be contiguous but has strides [{}]",
                   name,
                   fmt::join(tensor.strides(), ", "));
  }
  if (tensor.device().type() != device_.type()) {
    ThrowUserError(
        where, "\"{}\" must be on {} but is on {}", name, device_.str(), tensor.device().str());
  }
}

void BundleModel::Run(std::string_view part, TensorMap* values) const {
  const BundlePart& entry = *expert_.Find(part);
  const std::string where = fmt::format("{}: part \"{}\"", where_, part);
  std::vector<at::Tensor> inputs;
  for (const std::string& name : entry.inputs) {
    const auto found = values->find(name);
    const at::Tensor tensor = found == values->end() ? at::Tensor() : found->second;
    Check(where, name, tensor);
    inputs.push_back(tensor);
  }
  std::vector<at::Tensor> outputs = programs_.find(part)->second->Run(inputs);
  if (outputs.size() != entry.outputs.size()) {
    ThrowUserError(
        where, "must give {} tensors but gives {}", entry.outputs.size(), outputs.size());
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    at::Tensor output = outputs[i].contiguous();
    Check(where, entry.outputs[i], output);
    (*values)[entry.outputs[i]] = std::move(output);
  }
}

}  // namespace teacache
