#pragma once

#include <string>
#include <vector>

#include "datasets/base/progress.h"
#include "datasets/work/shard.h"

namespace teacache {

// Files of work that is spread over processes: each writes its own, named after the whole, so that
// none replaces another's.

// "out/results.part-2-of-8.json" for part 2 of 8 of "out/results.json"; the path itself for all of
// the work, for "" and for what is no regular file (/dev/stdout).
std::string PartPath(const std::string& path, const Shard& shard);

// The parts of `path` that exist, in order; of a folder, all parts of any file in it. Where there
// is no part, or `path` is itself a file: `path`.
std::vector<std::string> FindParts(const std::string& path);

// "part 2 of 8, by RANK (--shard 0/1 does all of it)"; "" for all of the work.
std::string PartText(const Shard& shard);

// Notes that before work on a part. nullptr = silent.
void NotePart(const Shard& shard, ProgressSink* progress);

// The last line that a program prints: "This is part 2 of 8, ...\n", or "".
std::string LastLine(const Shard& shard);

}  // namespace teacache
