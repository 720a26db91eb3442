// constants.safetensors: constants that lie in the file, or UserError.
#include "datasets/base/error.h"
#include "runners/bundles/constants.h"
#include "tests/fuzz/check_tensors.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const teacache::FuzzFolder folder;
  teacache::BundleExpert expert;
  expert.parts["embed"].constants = {"embed.weight", "rope", "head.weight"};
  expert.complex = {"rope"};
  try {
    const std::string path = folder.Write("constants.safetensors", data, size);
    const teacache::BundleConstants constants =
        teacache::FindBundleConstants(expert, {teacache::SafetensorsFile::Open(path)}, "fuzz");
    std::vector<teacache::TensorView> views;
    for (const auto& [key, view] : constants) views.push_back(view);
    teacache::CheckTensors(views);
  } catch (const teacache::UserError&) {
  }
  return 0;
}
