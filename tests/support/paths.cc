#include "tests/support/paths.h"

namespace teacache {

std::string SourceDir() { return TEACACHE_SOURCE_DIR; }

std::string BinDir() { return TEACACHE_BIN_DIR; }

}  // namespace teacache
