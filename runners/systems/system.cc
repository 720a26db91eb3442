#include "runners/systems/system.h"

#include "datasets/base/files.h"
#include "datasets/base/version.h"

namespace teacache {

TraceHeader MakeTraceHeader(const SystemInfo& info,
                            const std::vector<std::string>& prompts,
                            const Shard& shard) {
  std::string joined;
  for (const std::string& prompt : prompts) joined += (joined.empty() ? "" : "\n") + prompt;
  if (!info.prompt_suffix.empty()) joined += "\n" + info.prompt_suffix;
  TraceHeader header;
  header.model = info.name;
  header.steps = info.steps;
  header.calls = info.calls;
  header.scheduler = info.scheduler;
  header.guidance = info.guidance;
  header.width = info.width;
  header.height = info.height;
  header.frames = info.frames;
  header.dtype = info.dtype;
  header.modulated = info.modulated;
  header.prompts_digest = Sha256Hex(joined);
  header.tool_version = kVersion;
  header.part = shard.index;
  header.parts = shard.count;
  return header;
}

}  // namespace teacache
