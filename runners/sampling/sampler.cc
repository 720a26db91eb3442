#include "runners/sampling/sampler.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <deque>
#include <optional>

#include "datasets/tensors/torch_device.h"
#include "runners/sampling/relative_l1.h"

namespace teacache {
namespace {

using Streams = std::vector<at::Tensor>;

class Stopwatch {
 public:
  // `device`: also waits for its work before a look at the clock.
  explicit Stopwatch(std::optional<at::Device> device) : device_(device) {}

  // Milliseconds since construction or the last call.
  double Lap() {
    if (device_) Synchronize(*device_);
    const auto now = Clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - start_).count();
    start_ = now;
    return ms;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::optional<at::Device> device_;
  Clock::time_point start_ = Clock::now();
};

Streams Combine(const Streams& a, const Streams& b, double sign) {
  Streams result;
  for (size_t i = 0; i < a.size(); ++i) result.push_back(at::add(a[i], b[i], sign));
  return result;
}

// What one guidance branch remembers from call to call.
struct BranchState {
  PolicyState policy;
  at::Tensor modulated;           // of the call before
  Streams residual;               // of the last computed call
  Streams output;                 // of the last computed call, when recording
  std::deque<Streams> residuals;  // newest first, when recording with look-back
};

class SamplingLoop {
 public:
  SamplingLoop(DenoisingRun* run,
               Scheduler* scheduler,
               const CachePolicy& policy,
               const SampleOptions& options)
      : run_(run),
        scheduler_(scheduler),
        policy_(policy),
        options_(options),
        branches_(run->branches().size()) {}

  SampleResult Run(at::Tensor latent) {
    SampleResult result;
    Stopwatch whole(latent.device());
    whole.Lap();
    for (int call = 0; call < scheduler_->num_calls(); ++call) {
      if (options_.keep_latents) result.latents.push_back(latent);
      Streams predictions;
      for (size_t b = 0; b < branches_.size(); ++b) {
        CallRecord record;
        predictions.push_back(Call(call, static_cast<int>(b), latent, &record));
        result.calls.push_back(std::move(record));
      }
      latent = scheduler_->Step(call, run_->Guide(predictions), latent);
      if (options_.on_call) options_.on_call(call);
    }
    if (options_.keep_latents) result.latents.push_back(latent);
    result.latent = latent;
    result.seconds = whole.Lap() / 1000;
    return result;
  }

 private:
  at::Tensor Call(int call, int branch, const at::Tensor& latent, CallRecord* record) {
    BranchState& state = branches_[branch];
    record->call = call;
    record->step = scheduler_->StepOf(call);
    record->timestep = scheduler_->TimestepOf(call);
    record->branch = branch;
    // To wait after every part would slow down a run whose time is measured as a whole.
    Stopwatch watch(options_.record ? std::optional(latent.device()) : std::nullopt);
    const bool with_signal = options_.record || policy_.needs_signal();
    const DenoisingRun::Embedding embedding = run_->Embed(call, branch, latent, with_signal);
    record->decision = Decide(call, embedding.modulated, &state, record);
    record->ms_embed = watch.Lap();
    Streams streams;
    if (record->decision.compute) {
      streams = run_->Blocks(call, branch, embedding.streams);
      record->ms_blocks = watch.Lap();
      Streams residual = Combine(streams, embedding.streams, -1);
      if (options_.record) Measure(streams, residual, &state, record);
      state.residual = std::move(residual);
      watch.Lap();
    } else {
      streams = Combine(embedding.streams, state.residual, 1);
      record->ms_blocks = watch.Lap();
    }
    at::Tensor prediction = run_->Head(call, branch, streams, latent);
    record->ms_head = watch.Lap();
    return prediction;
  }

  PolicyDecision Decide(int call,
                        const at::Tensor& modulated,
                        BranchState* state,
                        CallRecord* record) const {
    if (modulated.defined()) {
      if (state->modulated.defined()) {
        if (options_.record) record->mod = MeasureL1(modulated, state->modulated);
        record->r = reference()       ? ReferenceRelativeL1(modulated, state->modulated)
                    : options_.record ? record->mod.Ratio()
                                      : MeasureL1(modulated, state->modulated).Ratio();
      }
      // The signal is compared with the call before, whether that was computed or skipped.
      state->modulated = modulated;
    }
    const int calls = scheduler_->num_calls();
    PolicyCall position{call, calls, record->r};
    if (reference()) position.forced = run_->IsFirst(call, calls) || run_->IsLast(call, calls);
    return policy_.Decide(position, &state->policy);
  }

  bool reference() const { return options_.teacache_mode == TeaCacheMode::kReference; }

  void Measure(const Streams& output,
               const Streams& residual,
               BranchState* state,
               CallRecord* record) const {
    if (!state->residual.empty()) {
      record->res = MeasureL1(residual, state->residual);
      record->out = MeasureL1(output, state->output);
    }
    state->output = output;
    if (options_.lookback < 2) return;
    for (size_t k = 1; k < state->residuals.size(); ++k) {
      record->lookback.push_back(MeasureL1(residual, state->residuals[k]));
    }
    state->residuals.push_front(residual);
    if (state->residuals.size() > static_cast<size_t>(options_.lookback)) {
      state->residuals.pop_back();
    }
  }

  DenoisingRun* run_;
  Scheduler* scheduler_;
  const CachePolicy& policy_;
  const SampleOptions& options_;
  std::vector<BranchState> branches_;
};

}  // namespace

std::vector<bool> SampleResult::Computed() const {
  std::vector<bool> computed;
  for (const CallRecord& record : calls) computed.push_back(record.decision.compute);
  return computed;
}

int SampleResult::ComputedCount() const {
  int count = 0;
  for (const CallRecord& record : calls) count += record.decision.compute;
  return count;
}

SampleResult Sample(DenoisingRun* run,
                    Scheduler* scheduler,
                    const CachePolicy& policy,
                    const at::Tensor& noise,
                    const SampleOptions& options) {
  const at::NoGradGuard no_grad;
  return SamplingLoop(run, scheduler, policy, options).Run(noise);
}

std::vector<TraceRow> TraceRows(const SampleResult& result,
                                const std::vector<std::string>& branches,
                                const std::string& prompt,
                                int64_t seed) {
  std::vector<TraceRow> rows;
  for (const CallRecord& record : result.calls) {
    TraceRow row;
    row.prompt = prompt;
    row.seed = seed;
    row.branch = branches.at(record.branch);
    row.call = record.call;
    row.step = record.step;
    row.timestep = record.timestep;
    row.mod = record.mod;
    row.res = record.res;
    row.out = record.out;
    row.lookback = record.lookback;
    row.ms_embed = record.ms_embed;
    row.ms_blocks = record.ms_blocks;
    row.ms_head = record.ms_head;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace teacache
