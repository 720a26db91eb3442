#include "metrics/choose_scorer.h"

#include "datasets/tensors/torch_device.h"
#include "metrics/gpu/gpu_scorer.h"

namespace teacache {

std::shared_ptr<const FrameScorer> ChooseScorer(const std::string& device,
                                                const Lpips* lpips,
                                                bool tf32) {
  const at::Device parsed = ParseDevice(device);
  if (parsed.is_cpu()) return nullptr;
  GpuScorerOptions options;
  options.tf32 = tf32;
  if (lpips != nullptr) {
    options.lpips = lpips->options().net;
    options.spatial = lpips->options().spatial;
    options.weights = lpips->weights();
  }
  return std::make_shared<const GpuFrameScorer>(parsed, options);
}

}  // namespace teacache
