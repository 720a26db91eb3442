#include <c10/core/GradMode.h>
#include <dlfcn.h>
#include <fmt/ranges.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <unordered_map>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_reason.h"
#include "runners/bundles/part_program.h"
#include "runners/nn/out_of_memory.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEntry = "part";      // of the package, as teacache.export writes it
constexpr std::string_view kPrefix = "m.";  // before the keys of the weights

// Compiled parts ask for libtorch.so, which only leads to the libraries that are loaded already. An
// empty library of that name spares looking for PyTorch's, which would bring in all of CUDA.
void LoadEmptyLibtorch() {
  static const bool loaded = [] {
    const char* modules = std::getenv("TEACACHE_MODULES");
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    const fs::path folder = modules != nullptr && *modules != '\0'
                                ? fs::path(modules)
                                : program.parent_path().parent_path() / "lib" / "teacache";
    const fs::path file = folder / "aoti" / "libtorch.so";
    // Where it is missing, the loader looks for PyTorch's, and names the file if that fails too.
    return dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr;
  }();
  static_cast<void>(loaded);
}

class AotiPart final : public PartProgram {
 public:
  AotiPart(const std::string& path, const TensorMap& constants, at::Device device) : path_(path) {
    LoadEmptyLibtorch();
    std::vector<std::string> wanted;
    try {
      loader_ = std::make_unique<torch::inductor::AOTIModelPackageLoader>(
          path, kEntry, /*run_single_threaded=*/true, /*num_runners=*/1, device.index());
      wanted = loader_->get_constant_fqns();
    } catch (const std::exception& error) {
      ThrowUserError(path,
                     "must be a package of AOTInductor for this machine but cannot be loaded: {}",
                     TorchReason(error));
    }
    std::unordered_map<std::string, at::Tensor> used;
    std::vector<std::string> missing;
    for (const std::string& name : wanted) {
      const auto found =
          constants.find(name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name);
      if (found == constants.end()) {
        missing.push_back(name);
      } else {
        used[name] = found->second;
      }
    }
    if (!missing.empty()) {
      ThrowUserError(path,
                     "must have its constants in the bundle's files but {} are missing: {}",
                     missing.size(),
                     fmt::join(missing, ", "));
    }
    try {
      loader_->load_constants(
          used, /*use_inactive=*/false, /*check_full_update=*/true, /*user_managed=*/true);
    } catch (const std::exception& error) {
      ThrowUserError(path, "must take its constants but does not: {}", TorchReason(error));
    }
    for (auto& [name, tensor] : used) constants_.push_back(tensor);
  }

  std::vector<at::Tensor> Run(const std::vector<at::Tensor>& inputs) const override {
    const at::NoGradGuard no_grad;
    const std::lock_guard lock(mutex_);
    try {
      return loader_->run(inputs);
    } catch (const std::exception& error) {
      ThrowIfOutOfMemory(path_, error);
      ThrowUserError(path_, "fails: {}", TorchReason(error));
    }
  }

 private:
  std::string path_;
  std::vector<at::Tensor> constants_;  // it does not own them
  std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader_;
  mutable std::mutex mutex_;  // it runs one call at a time
};

}  // namespace

std::unique_ptr<PartProgram> LoadAotiPart(const std::string& path,
                                          const TensorMap& constants,
                                          at::Device device) {
  return std::make_unique<AotiPart>(path, constants, device);
}

}  // namespace teacache
