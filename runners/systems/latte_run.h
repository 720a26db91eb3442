#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "runners/models/latte_t2v.h"
#include "runners/sampling/denoising_run.h"

namespace teacache {

// LatteT2V as Latte and Open-Sora-Plan sample it (reference: LattePipeline and OpenSoraPlanPipeline
// of videosys): batch [negative, prompt], guidance on all channels, of which the first in_channels
// go to the scheduler. A call is computed for sure when the value of its timestep is the first or
// the last one of the list.
class LatteRun : public DenoisingRun {
 public:
  // `text` [2, L, caption_channels] = [negative, prompt], or the prompt alone for a run without
  // guidance; `timesteps` of every call; `latent_shape` [1, C, F, H, W].
  LatteRun(const LatteT2V& model,
           const at::Tensor& text,
           std::vector<double> timesteps,
           double guidance,
           at::IntArrayRef latent_shape);

  std::vector<std::string> branches() const override { return {"batched"}; }
  Embedding Embed(int call, int branch, const at::Tensor& latent, bool with_signal) override;
  std::vector<at::Tensor> Blocks(int call,
                                 int branch,
                                 const std::vector<at::Tensor>& streams) override;
  // [2 or 1, C_out, F, H, W].
  at::Tensor Head(int call,
                  int branch,
                  const std::vector<at::Tensor>& streams,
                  const at::Tensor& latent) override;
  at::Tensor Guide(const std::vector<at::Tensor>& predictions) override;
  bool IsFirst(int call, int calls) const override;
  bool IsLast(int call, int calls) const override;

 private:
  const LatteT2V& model_;
  LatteT2V::Condition condition_;
  std::vector<double> timesteps_;
  double guidance_;
  LatteT2V::Call call_;  // of the last Embed
};

}  // namespace teacache
