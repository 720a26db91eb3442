// libteacache_networks.so.
#include <string_view>

#include "datasets/base/version.h"
#include "datasets/tensors/torch_device.h"
#include "metrics/gpu/gpu_scorer.h"
#include "metrics/lpips/lpips.h"
#include "metrics/lpips/weights.h"
#include "metrics/networks_module.h"
#include "metrics/vbench/networks/network_scorer.h"

namespace teacache {
namespace {

class Networks : public NetworksModule {
 public:
  std::shared_ptr<const Metric> MakeLpips(const MetricOptions& options) const override {
    const LpipsNet net = ParseLpipsNet(options.lpips_net);
    return LoadLpips({net, options.lpips_spatial}, FindLpipsFiles(net, options.weights));
  }

  std::shared_ptr<const FrameScorer> MakeScorer(const std::string& device,
                                                const Metrics& metrics,
                                                bool tf32) const override {
    const at::Device parsed = ParseDevice(device);
    if (parsed.is_cpu()) return nullptr;
    GpuScorerOptions options;
    options.tf32 = tf32;
    for (const auto& metric : metrics) {
      const auto* lpips = dynamic_cast<const Lpips*>(metric.get());
      if (lpips == nullptr) continue;
      options.lpips = lpips->options().net;
      options.spatial = lpips->options().spatial;
      options.weights = lpips->weights();
    }
    return std::make_shared<const GpuFrameScorer>(parsed, options);
  }

  std::shared_ptr<const VbenchScorer> MakeVbenchScorer(
      const std::map<std::string, std::string>& files,
      const std::vector<const VbenchDimension*>& dimensions,
      const std::string& device) const override {
    const at::Device parsed = ParseDevice(device);
    UseExactFloat32();
    return MakeNetworkScorer(files, dimensions, parsed);
  }
};

}  // namespace
}  // namespace teacache

extern "C" const teacache::NetworksModule* teacache_networks_module(const char* version) {
  static const teacache::Networks networks;
  return std::string_view(version) == teacache::kVersion ? &networks : nullptr;
}
