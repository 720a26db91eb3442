// safetensors files: tensors or UserError, also when they are read as videos.
#include "datasets/base/error.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/video/video.h"
#include "tests/fuzz/check_tensors.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const teacache::FuzzFolder folder;
  const std::string path = folder.Write("fuzz.safetensors", data, size);
  try {
    teacache::CheckTensors(teacache::SafetensorsFile::Open(path).tensors());
    const auto reader = teacache::OpenVideo(path);
    for (int frame = 0; frame < 20 && reader->Next(); ++frame) {
    }
  } catch (const teacache::UserError&) {
  }
  return 0;
}
