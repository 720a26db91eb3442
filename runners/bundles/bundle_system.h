#pragma once

#include <memory>
#include <string>

#include "runners/systems/system.h"

namespace teacache {

// A transformer exported from Python as a system of the programs: manifest.h. Size, number types
// and length of the text are fixed by the bundle; prompts come from its prompts.safetensors, or
// from SystemOptions::prompt_embeddings, a file of the same kind. Throws UserError for options that
// do not fit.
std::unique_ptr<System> LoadBundleSystem(const std::string& folder, const SystemOptions& options);

}  // namespace teacache
