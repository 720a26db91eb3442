#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace teacache {

// One sample being denoised: a model with its condition, cut where caching needs it. For every
// transformer call and guidance branch the sampler calls
//
//   Embed -> (Blocks, or the streams plus the kept residual) -> Head
//
// and Guide once per call. Branches that decide together (EngineRule::branches) are all embedded
// before the blocks of the first one run. A skipped call costs Embed and Head only, so what depends
// on the timestep alone belongs into the constructor.
class DenoisingRun {
 public:
  virtual ~DenoisingRun() = default;

  // "batched" when both guidance halves go through the transformer together (one cache decision),
  // or "cond", "uncond", each with a state of its own.
  virtual std::vector<std::string> branches() const = 0;

  // Which of several transformers makes a call ("high", "low"); "" = the only one. Each has its
  // calls in one piece of the run, and its own state of caching.
  virtual std::string ExpertOf(int /*call*/) const { return ""; }

  struct Embedding {
    std::vector<at::Tensor> streams;  // input of the blocks; several for multi-stream models
    at::Tensor modulated;             // TeaCache's signal: block 0's timestep-modulated input
  };
  // `with_signal` false saves the computation of `modulated`.
  virtual Embedding Embed(int call, int branch, const at::Tensor& latent, bool with_signal) = 0;

  // Same shapes out as in.
  virtual std::vector<at::Tensor> Blocks(int call,
                                         int branch,
                                         const std::vector<at::Tensor>& streams) = 0;

  // The branch's prediction; `latent` is the one given to Embed.
  virtual at::Tensor Head(int call,
                          int branch,
                          const std::vector<at::Tensor>& streams,
                          const at::Tensor& latent) = 0;

  // Predictions of all branches -> what the scheduler takes, in the latent's shape.
  virtual at::Tensor Guide(const std::vector<at::Tensor>& predictions) = 0;

  // Whether the reference implementation forces this call to be computed, by comparing timesteps
  // (TeaCacheMode::kReference). Default: the first and the last.
  virtual bool IsFirst(int call, int /*calls*/) const { return call == 0; }
  virtual bool IsLast(int call, int calls) const { return call == calls - 1; }

  // Keeps the model that the run refers to alive as long as the run.
  void KeepAlive(std::shared_ptr<const void> model) { model_ = std::move(model); }

 private:
  std::shared_ptr<const void> model_;
};

}  // namespace teacache
