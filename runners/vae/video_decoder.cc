#include "runners/vae/video_decoder.h"

#include <array>
#include <string>
#include <utility>

namespace teacache {
namespace {

std::string NewName(std::string name) {
  static const std::array<std::pair<std::string, std::string>, 4> kAttention = {{
      {".query.", ".to_q."},
      {".key.", ".to_k."},
      {".value.", ".to_v."},
      {".proj_attn.", ".to_out.0."},
  }};
  if (name.find(".attentions.") == std::string::npos) return name;
  for (const auto& [old_part, new_part] : kAttention) {
    const size_t at = name.find(old_part);
    if (at != std::string::npos) name.replace(at, old_part.size(), new_part);
  }
  return name;
}

}  // namespace

void PrepareDecoderParameters(CheckpointParameters* source) {
  source->Rename(NewName);
  for (const char* model : {"", "spatial_vae.module.", "temporal_vae."}) {
    for (const char* part : {"encoder.", "quant_conv."}) {
      source->IgnorePrefix(std::string(model) + part);
    }
  }
  source->IgnorePrefix("loss.");
}

}  // namespace teacache
