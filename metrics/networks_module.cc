#include "metrics/networks_module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "datasets/base/version.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "libteacache_networks.so";

// Our own libraries bring BLAS functions of the names that LibTorch has its own of: the library
// must find those of LibTorch first. The address sanitizer does not allow this.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kMode = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kMode = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

fs::path Folder() {
  const char* folder = std::getenv("TEACACHE_MODULES");
  if (folder != nullptr && *folder != '\0') return folder;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path beside = program.parent_path().parent_path() / "lib" / "teacache";
  Dl_info code = {};
  if (!fs::exists(beside / kFile, error) && dladdr(reinterpret_cast<void*>(&Folder), &code) != 0) {
    const fs::path own = fs::path(code.dli_fname).parent_path() / "lib" / "teacache";
    if (fs::exists(own / kFile, error)) return own;
  }
  return beside;
}

// The module, or why it could not be loaded.
struct Loaded {
  const NetworksModule* module = nullptr;
  std::string problem;
};

Loaded Load() {
  const fs::path file = Folder() / kFile;
  std::error_code error;
  if (!fs::exists(file, error)) {
    return {nullptr,
            fmt::format("{} does not exist (TEACACHE_MODULES names its folder)", file.string())};
  }
  void* library = dlopen(file.c_str(), kMode);
  if (library == nullptr) return {nullptr, fmt::format("cannot be loaded: {}", dlerror())};
  void* symbol = dlsym(library, "teacache_networks_module");
  if (symbol == nullptr) return {nullptr, fmt::format("{} is not a module", file.string())};
  const NetworksModule* module = reinterpret_cast<NetworksModuleFunction*>(symbol)(kVersion);
  if (module == nullptr) {
    return {nullptr, fmt::format("{} is of another version than {}", file.string(), kVersion)};
  }
  return {module, ""};
}

}  // namespace

const NetworksModule& LoadNetworksModule(std::string_view what) {
  static const Loaded loaded = Load();
  if (loaded.module == nullptr) {
    throw NotInstalled(what, "not installed: " + loaded.problem);
  }
  return *loaded.module;
}

}  // namespace teacache
