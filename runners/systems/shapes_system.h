#pragma once

#include <memory>

#include "runners/systems/system.h"

namespace teacache {

// The embedded model (shapes_weights.h) sampled by rectified flow with uniform steps: a strongly
// shifted schedule would destroy the correlation that TeaCache lives on.
std::unique_ptr<System> LoadShapesSystem(const SystemOptions& options);

}  // namespace teacache
