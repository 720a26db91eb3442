#include "runners/system.h"

#include <fmt/format.h>

#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/version.h"
#include "runners/systems/latte_system.h"
#include "runners/systems/open_sora_plan_system.h"
#include "runners/systems/open_sora_system.h"
#include "runners/systems/shapes_system.h"

namespace teacache {

const std::vector<SystemEntry>& Systems() {
  static const std::vector<SystemEntry> kSystems = {
      {"shapes", "the small model inside the product: 16 frames of 64 x 64", LoadShapesSystem},
      {"latte", "Latte-1, from its published weights", LoadLatteSystem},
      {"open-sora", "Open-Sora 1.2, from its published weights", LoadOpenSoraSystem},
      {"open-sora-plan", "Open-Sora-Plan 1.1, from its published weights", LoadOpenSoraPlanSystem},
  };
  return kSystems;
}

std::unique_ptr<System> LoadSystem(const std::string& name, const SystemOptions& options) {
  std::string known;
  for (const SystemEntry& entry : Systems()) {
    if (entry.name == name) return entry.load(options);
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  ThrowUserError("--model", "must be one of {} but is '{}'", known, name);
}

std::string DescribeSystems() {
  std::string text;
  for (const SystemEntry& entry : Systems()) {
    text += fmt::format("{}: {}\n", entry.name, entry.description);
  }
  return text;
}

TraceHeader MakeTraceHeader(const SystemInfo& info,
                            const std::vector<std::string>& prompts,
                            const Shard& shard) {
  std::string joined;
  for (const std::string& prompt : prompts) joined += (joined.empty() ? "" : "\n") + prompt;
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
