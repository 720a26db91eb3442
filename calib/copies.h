#pragma once

// Runs that are exact copies of others: every rank of a tensor-parallel engine writes the same run
// under a name of its own. Counted several times they make intervals and cross-validation lie.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace teacache {

using RunName = std::pair<std::string, int64_t>;  // prompt and seed

// 128 bits of what a row holds.
class RowDigest {
 public:
  void Add(std::string_view text);
  void Add(double number);

  uint64_t a = 0x9E3779B97F4A7C15;
  uint64_t b = 0xC2B2AE3D27D4EB4F;
};

struct CopiedRuns {
  std::set<RunName> runs;  // all but the first of each kind
  std::string text;        // one sentence; "" = none
};

// The order of a run's rows does not matter.
class RunDigests {
 public:
  // `moves`: the row has a change that is not 0; runs without any are nobody's copies.
  void Add(const std::string& prompt, int64_t seed, const RowDigest& digest, bool moves);
  CopiedRuns Copies() const;

 private:
  struct Run {
    RunName name;
    uint64_t a = 0;
    uint64_t b = 0;
    int64_t rows = 0;
    bool moves = false;
  };
  std::vector<Run> runs_;
  std::unordered_map<std::string, std::unordered_map<int64_t, size_t>> index_;
  size_t last_ = SIZE_MAX;
};

}  // namespace teacache
