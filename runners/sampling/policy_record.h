#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace teacache {

// What decides about the pixels in a cache policy, as run.json and the journals of run folders and
// sweeps keep it. Fields of other policies are absent.
struct PolicyRecord {
  std::string cache;  // the policy's name
  std::optional<double> threshold;
  std::vector<double> coefficients;                // of teacache
  std::optional<std::string> teacache_mode;        // of teacache
  std::optional<std::string> engine;               // of teacache; absent = its own rule
  std::optional<std::pair<double, double>> range;  // of engines that guard it
  std::optional<int> computed_calls;               // of uniform
  std::optional<std::string> mask;                 // of mask, and in sweeps of magcache
  std::optional<int> max_skips;                    // of magcache
  std::optional<double> retention;                 // of magcache
  std::vector<double> ratios;                      // of magcache
  std::optional<int> steps;                        // of sweeps' runs with fewer steps
};

// In the order of the names, which keys of sweeps are digests of.
template <typename Archive>
void Visit(Archive& archive, PolicyRecord& record) {
  archive.Required("cache", record.cache);
  archive.Optional("coefficients", record.coefficients);
  archive.Optional("computed_calls", record.computed_calls);
  archive.Optional("engine", record.engine);
  archive.Optional("mask", record.mask);
  archive.Optional("max_skips", record.max_skips);
  archive.Optional("range", record.range);
  archive.Optional("ratios", record.ratios);
  archive.Optional("retention", record.retention);
  archive.Optional("steps", record.steps);
  archive.Optional("teacache_mode", record.teacache_mode);
  archive.Optional("threshold", record.threshold);
}

}  // namespace teacache
