// .pth files of both layouts: tensors or UserError.
#include "datasets/base/error.h"
#include "datasets/tensors/torch_pickle.h"
#include "tests/fuzz/check_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    teacache::CheckTensors(
        teacache::ParseTorchFile(std::as_bytes(std::span(data, size)), "fuzz.pth"));
  } catch (const teacache::UserError&) {
  }
  return 0;
}
