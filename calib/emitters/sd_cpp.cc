// stable-diffusion.cpp: a static schedule on the command line (docs/caching.md).

#include <fmt/format.h>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  return {"sd-cpp.txt",
          fmt::format("--cache-mode dbcache --scm-mask \"{}\" --scm-policy static\n",
                      fmt::join(MaskNumbers(input, "sd-cpp"), ",")),
          "arguments of stable-diffusion.cpp",
          {}};
}

}  // namespace

EmitFormat SdCppFormat() {
  return {
      "sd-cpp", "stable-diffusion.cpp: --scm-mask", "teacache", EmitFormat::Needs::kMask, Write};
}

}  // namespace teacache
