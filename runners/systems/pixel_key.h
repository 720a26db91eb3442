#pragma once

#include <string>
#include <vector>

#include "datasets/trace/trace.h"
#include "datasets/work/shard.h"
#include "runners/systems/system.h"

namespace teacache {

// Everything of a system that decides about the pixels of a video, apart from prompt, seed and
// policy. Work made under two keys that differ must not be mixed: run folders, sweeps, trace stores
// and trace headers all compare this one list. A new fact of SystemInfo that changes pixels becomes
// a field here, a line in pixel_key.cc and one in Visit.
struct PixelKey {
  std::string model;
  std::string weights_sha256;       // of the transformer; "" = unknown
  std::string text_encoder_sha256;  // "" = unknown or part of the transformer
  std::string decoder_sha256;       // "" = unknown
  std::string scheduler;
  int steps = 0;
  double guidance = 0;
  std::string dtype;
  std::string device;
  int width = 0;  // pixels
  int height = 0;
  int frames = 0;
  std::string prompt_suffix;
  int threads = 1;  // LibTorch's threads within one operation: the last bits depend on it

  bool operator==(const PixelKey&) const = default;
};

PixelKey MakePixelKey(const SystemInfo& info, int threads);

// One member per field, in the order of the names: names of trace stores and keys of sweeps are
// digests of the text. Digests that are unknown are left out.
template <typename Archive>
void Visit(Archive& archive, PixelKey& key) {
  archive.Optional("decoder_sha256", key.decoder_sha256);
  archive.Required("device", key.device);
  archive.Required("dtype", key.dtype);
  archive.Required("frames", key.frames);
  archive.Required("guidance", key.guidance);
  archive.Required("height", key.height);
  archive.Required("model", key.model);
  archive.Required("prompt_suffix", key.prompt_suffix);
  archive.Required("scheduler", key.scheduler);
  archive.Required("steps", key.steps);
  archive.Optional("text_encoder_sha256", key.text_encoder_sha256);
  archive.Required("threads", key.threads);
  archive.Required("weights_sha256", key.weights_sha256);
  archive.Required("width", key.width);
}

// The header of traces recorded with a system; `prompts` are those of all shards.
TraceHeader MakeTraceHeader(const SystemInfo& info,
                            const std::vector<std::string>& prompts,
                            const Shard& shard = {});

}  // namespace teacache
