#include "runners/systems/pixel_key.h"

#include "datasets/base/files.h"
#include "datasets/base/version.h"

namespace teacache {

PixelKey MakePixelKey(const SystemInfo& info, int threads) {
  return {.model = info.name,
          .weights_sha256 = info.weights_digest,
          .text_encoder_sha256 = info.text_encoder_digest,
          .decoder_sha256 = info.decoder_digest,
          .scheduler = info.scheduler,
          .steps = info.steps,
          .guidance = info.guidance,
          .dtype = info.dtype,
          .device = info.device,
          .width = info.width,
          .height = info.height,
          .frames = info.frames,
          .prompt_suffix = info.prompt_suffix,
          .threads = threads};
}

TraceHeader MakeTraceHeader(const SystemInfo& info,
                            const std::vector<std::string>& prompts,
                            const Shard& shard) {
  std::string joined;
  for (const std::string& prompt : prompts) joined += (joined.empty() ? "" : "\n") + prompt;
  const PixelKey key = MakePixelKey(info, 1);
  if (!key.prompt_suffix.empty()) joined += "\n" + key.prompt_suffix;
  TraceHeader header;
  header.model = key.model;
  header.weights_sha256 = key.weights_sha256;
  header.text_encoder_sha256 = key.text_encoder_sha256;
  header.steps = key.steps;
  header.calls = info.calls;
  header.scheduler = key.scheduler;
  header.guidance = key.guidance;
  header.width = key.width;
  header.height = key.height;
  header.frames = key.frames;
  header.dtype = key.dtype;
  header.modulated = info.modulated;
  header.prompts_digest = Sha256Hex(joined);
  header.tool_version = kVersion;
  header.part = shard.index;
  header.parts = shard.count;
  return header;
}

}  // namespace teacache
