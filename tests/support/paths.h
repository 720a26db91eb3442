#pragma once

#include <string>

namespace teacache {

// Folders of this build. In one source file, so that objects do not depend on where the tree lies
// and a compiler cache serves every checkout.
std::string SourceDir();  // the repository
std::string BinDir();     // the built programs

}  // namespace teacache
