#include "metrics/vbench/networks/network_scorer.h"

#include <algorithm>
#include <string>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_threads.h"
#include "metrics/vbench/networks/network_parts.h"

namespace teacache {
namespace {

class NetworkSession : public VbenchSession {
 public:
  explicit NetworkSession(std::vector<std::unique_ptr<NetworkPart>> parts)
      : parts_(std::move(parts)) {}

  void Add(std::span<const Frame> frames) override {
    const TorchThreads one_thread(1);
    FrameBatch batch(frames);
    for (const auto& part : parts_) {
      if (!part->done()) Guarded(*part, [&] { part->Add(batch); });
    }
  }

  bool Finish(int64_t total, VbenchVideoScore* score) override {
    const TorchThreads one_thread(1);
    bool again = false;
    for (const auto& part : parts_) {
      if (part->done()) continue;
      Guarded(*part, [&] { part->Finish(total, score); });
      again |= !part->done();
    }
    for (const auto& [dimension, error] : errors_) score->errors[dimension] = error;
    return again;
  }

 private:
  // A failing dimension does not stop the others.
  template <typename Function>
  void Guarded(NetworkPart& part, const Function& function) {
    try {
      function();
    } catch (const UserError& error) {
      for (const std::string& dimension : part.dimensions()) errors_[dimension] = error.what();
      part.Stop();
    }
  }

  std::vector<std::unique_ptr<NetworkPart>> parts_;
  std::map<std::string, std::string> errors_;
};

class NetworkScorer : public VbenchScorer {
 public:
  NetworkScorer(const NetworkFiles& files,
                const std::vector<const VbenchDimension*>& dimensions,
                at::Device device)
      : networks_(files, dimensions, device), dimensions_(dimensions), device_(device.str()) {}

  std::vector<const VbenchDimension*> Dimensions() const override { return dimensions_; }
  std::map<std::string, std::string> Context() const override {
    std::map<std::string, std::string> context = networks_.digests();
    context["device"] = device_;
    return context;
  }
  std::unique_ptr<VbenchSession> Start(const SuiteVideo& video,
                                       const std::vector<const VbenchDimension*>& dimensions,
                                       const VideoInfo& info) const override {
    std::vector<const VbenchDimension*> mine;
    for (const VbenchDimension* dimension : dimensions) {
      if (std::find(dimensions_.begin(), dimensions_.end(), dimension) != dimensions_.end()) {
        mine.push_back(dimension);
      }
    }
    if (mine.empty()) return nullptr;
    return std::make_unique<NetworkSession>(MakeNetworkParts(networks_, video, mine, info));
  }

 private:
  NetworkSet networks_;
  std::vector<const VbenchDimension*> dimensions_;
  std::string device_;
};

}  // namespace

std::shared_ptr<const VbenchScorer> MakeNetworkScorer(
    const NetworkFiles& files,
    const std::vector<const VbenchDimension*>& dimensions,
    at::Device device) {
  for (const VbenchDimension* dimension : dimensions) {
    if (dimension->source != VbenchSource::kNetworks || !MissingFiles(*dimension, files).empty()) {
      ThrowUserError("--dimensions", "{}", HowToCompute(*dimension, files));
    }
  }
  return std::make_shared<NetworkScorer>(files, dimensions, device);
}

}  // namespace teacache
