#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace teacache {

// The part of the items that this process does: items i with i % count == index.
struct Shard {
  int index = 0;       // 0 ... count - 1
  int count = 1;       // 1 = everything
  std::string source;  // what said so: "--shard", "RANK", ...; "" = nothing did

  bool Contains(int64_t item) const { return item % count == index; }
};

// "i/n" with 0 <= i < n. Throws UserError.
Shard ParseShard(const std::string& text);

// The shard that the environment gives: a Slurm array (SLURM_ARRAY_TASK_ID of
// SLURM_ARRAY_TASK_COUNT) times the ranks of torchrun (RANK of WORLD_SIZE) or MPI
// (OMPI_COMM_WORLD_RANK, PMI_RANK, MV2_COMM_WORLD_RANK). Throws UserError for values that make no
// sense. `get` returns a variable's value or nullptr.
Shard ShardFromEnvironment(const std::function<const char*(const char*)>& get);

// ParseShard(flag), or the environment's shard when the flag is empty.
Shard ChooseShard(const std::string& flag);

// Where results of a merge say which parts they lack ("1/4, 3/4").
inline constexpr const char* kMissingParts = "missing_parts";

// The part that results are by their context ("shard"), "" for none. Throws UserError, starting
// with "--merge", for the result of a merge that lacks parts.
std::string PartOf(const std::map<std::string, std::string>& context);

// Checks the parts of a merge: "i/n" as each file says, "" for results that are no part. Returns
// the missing ones as "1/4, 3/4", "" when all are there. Throws UserError, starting with "--merge",
// for a part that is given twice, parts of different n, a part beside results that are none, and
// for missing ones unless `allow_missing`.
std::string CheckParts(const std::vector<std::string>& parts, bool allow_missing);

}  // namespace teacache
