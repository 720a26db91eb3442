#pragma once

namespace teacache {

// Written into every output file; CHANGELOG.md says what changed when.
inline constexpr const char* kVersion = "0.1.0";

}  // namespace teacache
