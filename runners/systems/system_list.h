#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runners/systems/system.h"

namespace teacache {

class PromptEncoder;  // runners/text/prompt_encoder.h

// Every system that the programs know: a new one is a file in runners/systems and a line in the
// list of system_list.cc.
struct SystemEntry {
  std::string name;
  std::string description;
  std::unique_ptr<System> (*load)(const SystemOptions& options);
  // Its text encoder alone; nullptr = it has none (and no other parts: it takes no options for
  // published checkpoints).
  std::unique_ptr<PromptEncoder> (*load_encoder)(const SystemOptions& options) = nullptr;
};
const std::vector<SystemEntry>& Systems();

// `name` is one of the list, or the folder of a bundle (bundles/manifest.h). Throws UserError
// naming the known ones for an unknown name.
std::unique_ptr<System> LoadSystem(const std::string& name, const SystemOptions& options);

// The text encoder of a system. Throws UserError for a system that has none.
std::unique_ptr<PromptEncoder> LoadPromptEncoder(const std::string& name,
                                                 const SystemOptions& options);

// "shapes: ...\n" for each system, for --help; of all, or of those with a text encoder.
std::string DescribeSystems(bool with_encoder = false);

}  // namespace teacache
