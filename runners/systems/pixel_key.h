#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "datasets/base/shard.h"
#include "datasets/trace/trace.h"
#include "runners/systems/system.h"

namespace teacache {

// Everything of a system that decides about the pixels of a video, apart from prompt, seed and
// policy. Work made under two keys that differ must not be mixed: run folders, sweeps, trace stores
// and trace headers all compare this one list. A new fact of SystemInfo that changes pixels becomes
// a field here and a line in pixel_key.cc.
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

// An object with one member per field. Digests that are unknown are left out.
nlohmann::json ToJson(const PixelKey& key);

// The header of traces recorded with a system; `prompts` are those of all shards.
TraceHeader MakeTraceHeader(const SystemInfo& info,
                            const std::vector<std::string>& prompts,
                            const Shard& shard = {});

}  // namespace teacache
