// bundle.json: a manifest or UserError; what is accepted can be walked through.
#include "datasets/base/error.h"
#include "runners/bundles/manifest.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const teacache::BundleManifest manifest = teacache::ParseBundleManifest(
        std::string(reinterpret_cast<const char*>(data), size), "bundle.json");
    if (manifest.experts.empty()) std::abort();
    for (const teacache::BundleExpert& expert : manifest.experts) {
      for (const auto& [name, part] : expert.parts) {
        for (const std::string& input : part.inputs) expert.tensors.at(input);
        for (const std::string& output : part.outputs) expert.tensors.at(output);
      }
      if (!expert.tensors.contains(expert.roles.h1)) std::abort();
    }
    manifest.Argument("width");
  } catch (const teacache::UserError&) {
  }
  return 0;
}
