#pragma once

#include <cstdint>
#include <string>

#include "runners/systems/system.h"

namespace teacache {

// What a run will take, known before anything is loaded: a line for each part with its parameters,
// bytes on the disk and bytes of weights on the device, then the most that is on the device at one
// time. Activations come on top.
std::string DescribePlan(const System& system, bool offload, int64_t videos);

// "4.23 GB", "391 MB", "12 kB" (powers of 1000).
std::string FormatBytes(int64_t bytes);

}  // namespace teacache
