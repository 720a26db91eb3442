#pragma once

#include <cstdint>
#include <functional>
#include <string>

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

}  // namespace teacache
