#pragma once

#include <string>

namespace teacache {

// Removes what killed runs left in a folder: files and folders named as UniqueTempPath names them
// that changed for the last time more than an hour ago and that no process has locked. Anything
// that cannot be removed stays. For folders that a program is about to write into.
void RemoveStaleTemporaries(const std::string& folder);

}  // namespace teacache
