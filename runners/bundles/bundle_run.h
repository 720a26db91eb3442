#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runners/bundles/bundle_model.h"
#include "runners/bundles/bundle_prompts.h"
#include "runners/sampling/denoising_run.h"
#include "runners/sampling/first_block.h"

namespace teacache {

// A loaded bundle: its manifest and one model per expert.
struct Bundle {
  BundleManifest manifest;
  std::map<std::string, BundleModel> models;  // by the expert's name
  double boundary = 0;                        // timestep from which on "high" is used

  // The expert of a timestep.
  const BundleModel& ModelAt(double timestep) const;
};

// One sample of a bundle. The branches are the passes of guidance; without guidance (scale 1) of a
// pipeline that calls its transformer for each pass, the conditional one alone.
class BundleRun : public DenoisingRun, public FirstBlockRun {
 public:
  // `scales`: of guidance, by expert, 1 = none; of embedded guidance relative to the bundle's own.
  // `bundle` must outlive the run (KeepAlive).
  BundleRun(const Bundle& bundle,
            const BundlePrompts& prompts,
            const std::string& prompt,
            std::vector<double> timesteps,
            std::map<std::string, double> scales,
            at::Device device);

  std::vector<std::string> branches() const override;
  std::string ExpertOf(int call) const override;
  Embedding Embed(int call, int branch, const at::Tensor& latent, bool with_signal) override;
  std::vector<at::Tensor> Blocks(int call,
                                 int branch,
                                 const std::vector<at::Tensor>& streams) override;
  std::vector<at::Tensor> FirstBlock(int call,
                                     int branch,
                                     const std::vector<at::Tensor>& streams) override;
  std::vector<at::Tensor> OtherBlocks(int call,
                                      int branch,
                                      const std::vector<at::Tensor>& streams) override;
  at::Tensor Head(int call,
                  int branch,
                  const std::vector<at::Tensor>& streams,
                  const at::Tensor& latent) override;
  at::Tensor Guide(const std::vector<at::Tensor>& predictions) override;

 private:
  // What a pass has in one transformer.
  struct Pass {
    TensorMap prepared;  // arguments and what "prepare" gives: the same in every call
    TensorMap values;    // of the call in progress
    TensorMap kept;      // roles.kept of the last computed call
  };

  Pass& PassOf(int call, int branch);

  const Bundle& bundle_;
  std::vector<std::string> passes_;
  std::vector<double> timesteps_;
  std::map<std::string, double> scales_;
  at::Device device_;
  std::map<std::string, std::vector<Pass>> state_;  // by expert
  int call_ = 0;                                    // in progress
};

// How predictions become one, of `formula` and `scale`; c, u: of the prompt and without it.
at::Tensor MixGuidance(BundleGuidance::Formula formula,
                       const at::Tensor& c,
                       const at::Tensor& u,
                       double scale);

}  // namespace teacache
