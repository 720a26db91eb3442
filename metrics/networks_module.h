#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/base/error.h"
#include "metrics/metric.h"

namespace teacache {

class FrameScorer;
struct VbenchDimension;
class VbenchScorer;

// The part of metrics/ that needs LibTorch: LPIPS, the comparison of frames on a GPU and VBench's
// networks. It is a shared library of its own, libteacache_networks.so, which is loaded when the
// first of them is asked for: programs start, and compute everything else, without LibTorch.

// Something that a metric needs is missing: the library, LibTorch or weights. "LPIPS: ..."
class NotInstalled : public UserError {
 public:
  NotInstalled(std::string_view what, std::string_view reason)
      : UserError(what, reason), subject(what), reason(reason) {}
  const std::string subject;  // "LPIPS"
  const std::string reason;
};

class NetworksModule {
 public:
  virtual ~NetworksModule() = default;

  // Throws NotInstalled where weights are missing, UserError for wrong ones.
  virtual std::shared_ptr<const Metric> MakeLpips(const MetricOptions& options) const = 0;

  // Where to compare frames: null for "cpu", a GpuFrameScorer for "cuda" and "cuda:N", with the
  // network of that one of `metrics` which is LPIPS. `tf32`: see GpuScorerOptions. Throws UserError
  // for a device that the machine does not have, and in a build without CUDA.
  virtual std::shared_ptr<const FrameScorer> MakeScorer(const std::string& device,
                                                        const Metrics& metrics,
                                                        bool tf32) const = 0;

  // See MakeNetworkScorer; `files`: NetworkFiles.
  virtual std::shared_ptr<const VbenchScorer> MakeVbenchScorer(
      const std::map<std::string, std::string>& files,
      const std::vector<const VbenchDimension*>& dimensions,
      const std::string& device) const = 0;
};

// Loads the library once, from the first of these folders that is set or has it: the environment
// variable TEACACHE_MODULES, ../lib/teacache beside the program's folder, lib/teacache beside the
// file that this code is in (the Python package). Throws NotInstalled, saying that `what` is not
// installed, where it is missing, cannot be loaded or is of another version.
const NetworksModule& LoadNetworksModule(std::string_view what);

// What the library exports, under the name "teacache_networks_module": null unless `version` is its
// own.
using NetworksModuleFunction = const NetworksModule*(const char* version);

}  // namespace teacache
