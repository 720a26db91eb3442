#pragma once

#include <ATen/Functions.h>

#include <string>
#include <vector>

#include "runners/sampling/denoising_run.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// What a fake model does in each call of one branch.
struct FakeBranch {
  std::string name = "batched";
  std::vector<float> signal;    // TeaCache's signal, one number per call
  std::vector<float> residual;  // the blocks add this to stream 0 and twice this to stream 1
};

// A model whose answers are known by hand: streams are {z, 10 z}, the blocks add their residual,
// the head sums the streams. So an output is 11 z + 3 residual.
class FakeRun : public DenoisingRun {
 public:
  explicit FakeRun(std::vector<FakeBranch> branches) : branches_(std::move(branches)) {}

  std::vector<std::string> branches() const override {
    std::vector<std::string> names;
    for (const FakeBranch& branch : branches_) names.push_back(branch.name);
    return names;
  }
  Embedding Embed(int call, int branch, const at::Tensor& latent, bool with_signal) override {
    signals_asked += with_signal;
    Embedding embedding{{latent, latent * 10}, {}};
    if (with_signal) embedding.modulated = at::full({2, 3}, branches_[branch].signal.at(call));
    return embedding;
  }
  std::vector<at::Tensor> Blocks(int call,
                                 int branch,
                                 const std::vector<at::Tensor>& streams) override {
    ++blocks_run;
    const float residual = branches_[branch].residual.at(call);
    return {streams[0] + residual, streams[1] + 2 * residual};
  }
  at::Tensor Head(int, int, const std::vector<at::Tensor>& streams, const at::Tensor&) override {
    heads.push_back((streams[0] + streams[1]).item<double>());
    return streams[0] + streams[1];
  }
  at::Tensor Guide(const std::vector<at::Tensor>& predictions) override {
    at::Tensor sum = predictions[0].clone();
    for (size_t b = 1; b < predictions.size(); ++b) sum += predictions[b];
    return sum;
  }
  bool IsFirst(int call, int) const override { return call <= last_first_call; }
  bool IsLast(int call, int calls) const override { return last_call_is_last && call == calls - 1; }

  int signals_asked = 0;
  int blocks_run = 0;
  int last_first_call = 0;  // calls up to this one count as first
  bool last_call_is_last = true;
  std::vector<double> heads;  // every output of a head, in order

 private:
  std::vector<FakeBranch> branches_;
};

// z stays what it is, or moves by `rate` times the output.
class FakeScheduler : public Scheduler {
 public:
  explicit FakeScheduler(int calls, double rate = 0) : calls_(calls), rate_(rate) {}
  std::string name() const override { return "fake"; }
  int num_calls() const override { return calls_; }
  int StepOf(int call) const override { return call / 2; }
  double TimestepOf(int call) const override { return times.empty() ? 100.0 - call : times[call]; }
  at::Tensor Step(int, const at::Tensor& output, const at::Tensor& latent) override {
    return rate_ == 0 ? latent : latent + output * rate_;
  }

  std::vector<double> times;  // of every call; empty = 100, 99, ...

 private:
  int calls_;
  double rate_;
};

}  // namespace teacache
