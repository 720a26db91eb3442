#pragma once

#include <string>
#include <vector>

#include "runners/models/stdit3.h"
#include "runners/sampling/denoising_run.h"

namespace teacache {

// Timesteps as a model of this dtype gets them: rounded to it.
std::vector<double> TimestepsAsTold(const std::vector<float>& timesteps, at::ScalarType dtype);

// The reference's rule for forced calls compares the timestep that the model gets with the whole
// part of another one, so that the last call is forced only where its timestep happens to be whole.
bool IsWholePartOf(double told, double other);

// STDiT3 as Open-Sora 1.2 samples it (reference: RFLOW.sample in videosys'
// scheduling_rflow_open_sora.py): batch [cond, uncond], the first half of the output's channels
// kept before guidance, u + scale (c - u). Without guidance (scale 1) only [cond] is computed.
class OpenSoraRun : public DenoisingRun {
 public:
  // `model` must outlive the run. `condition` is for a batch of 2, or of 1 without guidance.
  OpenSoraRun(const StDiT3& model,
              StDiT3::Condition condition,
              const std::vector<float>& timesteps,
              double guidance);

  std::vector<std::string> branches() const override { return {"batched"}; }
  Embedding Embed(int call, int branch, const at::Tensor& latent, bool with_signal) override;
  std::vector<at::Tensor> Blocks(int call,
                                 int branch,
                                 const std::vector<at::Tensor>& streams) override;
  at::Tensor Head(int call,
                  int branch,
                  const std::vector<at::Tensor>& streams,
                  const at::Tensor& latent) override;
  at::Tensor Guide(const std::vector<at::Tensor>& predictions) override;
  bool IsFirst(int call, int calls) const override;
  bool IsLast(int call, int calls) const override;

 private:
  const StDiT3& model_;
  StDiT3::Condition condition_;
  std::vector<float> timesteps_;
  std::vector<double> told_;
  double guidance_;
  StDiT3::Call call_;  // of the call in progress
};

}  // namespace teacache
