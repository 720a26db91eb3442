#include "runners/sampling/sampler.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "calib/rules/forecast_weights.h"
#include "datasets/base/error.h"
#include "datasets/tensors/torch_device.h"
#include "runners/sampling/first_block.h"
#include "runners/sampling/forecast.h"
#include "runners/sampling/relative_l1.h"

namespace teacache {
namespace {

using Streams = std::vector<at::Tensor>;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

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

Streams Difference(const Streams& a, const Streams& b) {
  Streams result;
  for (size_t i = 0; i < a.size(); ++i) result.push_back(at::sub(a[i], b[i]));
  return result;
}

// What one guidance branch remembers from call to call.
struct BranchState {
  PolicyState policy;
  at::Tensor modulated;  // of the call before
  at::Tensor first;      // the first block's residual in the last computed call, when looked at
  Streams residual;      // of all blocks in the last computed call, when recording
  at::Tensor latent;     // of the call before, when looked at, and
  at::Tensor computed_latent, prediction;  // of the last computed call
  Forecast forecast;                       // of the residual
  Streams output;                          // of the last computed call, when recording
  bool computed = false;          // the call before, so that `residual` and `output` are its own
  std::deque<Streams> residuals;  // newest first, when recording with look-back; empty = skipped
};

// A call of one branch between its decision and its end.
struct OpenCall {
  int branch = 0;
  DenoisingRun::Embedding embedding;
  Streams first;              // output of the first block and
  at::Tensor first_residual;  // what it added to stream 0, when looked at
  CallRecord record;
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
        rule_(policy.rule() ? *policy.rule() : EngineRule()),
        options_(options),
        names_(run->branches()),
        branches_(names_.size()) {
    for (size_t branch = 0; branch < branches_.size(); ++branch) {
      branches_[branch].forecast = branch < options.forecasts.size() ? options.forecasts[branch]
                                                                     : Forecast(options.forecast);
    }
    if (policy.signal() == PolicySignal::kFirstBlock) {
      first_block_ = dynamic_cast<FirstBlockRun*>(run);
      if (!first_block_) {
        ThrowUserError("--cache",
                       "must not be fbcache: this model is not cut after its first block");
      }
    }
  }

  SampleResult Run(at::Tensor latent) {
    SampleResult result;
    Stopwatch whole(latent.device());
    whole.Lap();
    for (int call = options_.first_call; call < scheduler_->num_calls(); ++call) {
      if (options_.keep_latents) result.latents.push_back(latent);
      Streams predictions;
      for (const std::vector<int>& group : Groups()) {
        for (OpenCall& open : Decide(call, group, latent)) {
          predictions.push_back(Finish(&open, latent));
          result.calls.push_back(std::move(open.record));
        }
      }
      const at::Tensor output = run_->Guide(predictions);
      if (options_.on_output) options_.on_output(call, output);
      latent = scheduler_->Step(call, output, latent);
      if (options_.on_call) options_.on_call(call);
    }
    if (options_.keep_latents) result.latents.push_back(latent);
    result.latent = latent;
    result.seconds = whole.Lap() / 1000;
    return result;
  }

 private:
  // Branches that decide together; otherwise each is done before the next one begins, which takes
  // less memory.
  std::vector<std::vector<int>> Groups() const {
    std::vector<std::vector<int>> groups;
    for (int branch = 0; branch < std::ssize(branches_); ++branch) {
      if (groups.empty() || rule_.branches == EngineRule::Branches::kSeparate)
        groups.emplace_back();
      groups.back().push_back(branch);
    }
    return groups;
  }

  std::vector<OpenCall> Decide(int call, const std::vector<int>& group, const at::Tensor& latent) {
    std::vector<OpenCall> opened;
    std::vector<bool> skips;
    std::vector<std::string> names;
    for (const int branch : group) {
      opened.push_back(Open(call, branch, latent));
      skips.push_back(!opened.back().record.decision.compute);
      names.push_back(names_[branch]);
    }
    if (group.size() > 1) {
      const bool skip = SkipTogether(DecidingBranch(rule_, names), skips);
      for (OpenCall& open : opened) open.record.decision.compute = !skip;
    }
    return opened;
  }

  // To wait after every part would slow down a run whose time is measured as a whole.
  Stopwatch Watch(const at::Tensor& latent) const {
    return Stopwatch(options_.record ? std::optional(latent.device()) : std::nullopt);
  }

  // Embeds, and decides for this branch alone.
  OpenCall Open(int call, int branch, const at::Tensor& latent) {
    OpenCall open;
    open.branch = branch;
    CallRecord& record = open.record;
    record.call = call;
    record.step = scheduler_->StepOf(call);
    record.timestep = scheduler_->TimestepOf(call);
    record.branch = branch;
    Stopwatch watch = Watch(latent);
    const bool with_signal = options_.record || policy_.signal() == PolicySignal::kModulated;
    open.embedding = run_->Embed(call, branch, latent, with_signal);
    if (first_block_) {
      open.first = first_block_->FirstBlock(call, branch, open.embedding.streams);
      open.first_residual = at::sub(open.first[0], open.embedding.streams[0]);
    }
    record.decision = Decide(open, latent, &branches_[branch], &record);
    record.ms_embed = watch.Lap();
    return open;
  }

  at::Tensor Finish(OpenCall* open, const at::Tensor& latent) {
    BranchState& state = branches_[open->branch];
    CallRecord& record = open->record;
    Stopwatch watch = Watch(latent);
    const Streams input = std::move(open->embedding.streams);
    Streams streams;
    if (record.decision.compute) {
      streams = first_block_ ? first_block_->OtherBlocks(record.call, open->branch, open->first)
                             : run_->Blocks(record.call, open->branch, input);
      record.ms_blocks = watch.Lap();
      Streams residual = Difference(streams, first_block_ ? open->first : input);
      if (options_.record) {
        Measure(streams, first_block_ ? Difference(streams, input) : residual, &state, &record);
      }
      if (options_.on_residual) options_.on_residual(record.call, open->branch, residual);
      state.forecast.Add(record.timestep, std::move(residual));
      state.first = open->first_residual;
      watch.Lap();
    } else {
      streams = state.forecast.Apply(record.timestep, first_block_ ? open->first : input);
      record.ms_blocks = watch.Lap();
      if (options_.lookback >= 2) Remember({}, &state);
    }
    state.computed = record.decision.compute;
    at::Tensor prediction = run_->Head(record.call, open->branch, streams, latent);
    record.ms_head = watch.Lap();
    if (by_latent() && record.decision.compute) Learn(latent, prediction, &state);
    return prediction;
  }

  PolicyDecision Decide(const OpenCall& open,
                        const at::Tensor& latent,
                        BranchState* state,
                        CallRecord* record) const {
    double signal = ModulatedChange(open.embedding.modulated, state, record);
    if (first_block_) signal = Change(open.first_residual, state->first);
    if (by_latent()) signal = MeanChange(latent, std::exchange(state->latent, latent));
    if (std::isfinite(signal)) record->r = signal;
    const int calls = scheduler_->num_calls();
    PolicyCall position{record->call, calls, signal};
    if (reference()) {
      position.forced = run_->IsFirst(record->call, calls) || run_->IsLast(record->call, calls);
    }
    return policy_.Decide(position, &state->policy);
  }

  // The signal is compared with the call before, whether that was computed or skipped.
  double ModulatedChange(const at::Tensor& modulated,
                         BranchState* state,
                         CallRecord* record) const {
    if (!modulated.defined()) return kUnknown;
    const at::Tensor before = std::exchange(state->modulated, modulated);
    if (!before.defined()) return kUnknown;
    if (!options_.record) return Change(modulated, before);
    record->mod = MeasureL1(modulated, before);
    return reference() ? ReferenceRelativeL1(modulated, before)
                       : RelativeChange(record->mod, rule_);
  }

  // For policies that look at the latent.
  void Learn(const at::Tensor& latent, const at::Tensor& prediction, BranchState* state) const {
    const double size = MeanChange(prediction, at::zeros_like(prediction));
    policy_.Learn({size,
                   MeanChange(prediction, state->prediction),
                   MeanChange(latent, state->computed_latent)},
                  &state->policy);
    state->prediction = prediction;
    state->computed_latent = latent;
  }

  // mean|now - before|; NaN without a tensor to compare with.
  static double MeanChange(const at::Tensor& now, const at::Tensor& before) {
    if (!before.defined()) return kUnknown;
    const L1Sums sums = MeasureL1(now, before);
    return sums.diff_l1 / static_cast<double>(sums.n);
  }

  // The same over mean|before|.
  double Change(const at::Tensor& now, const at::Tensor& before) const {
    if (!before.defined()) return kUnknown;
    return reference() ? ReferenceRelativeL1(now, before)
                       : RelativeChange(MeasureL1(now, before), rule_);
  }

  bool by_latent() const { return policy_.signal() == PolicySignal::kLatent; }
  bool reference() const { return options_.teacache_mode == TeaCacheMode::kReference; }

  // A residual can be compared with that of the call before only if that was computed.
  void Measure(const Streams& output,
               const Streams& residual,
               BranchState* state,
               CallRecord* record) const {
    if (state->computed) {
      record->res = MeasureL1(residual, state->residual);
      record->out = MeasureL1(output, state->output);
    }
    state->residual = residual;
    state->output = output;
    if (options_.lookback < 2) return;
    for (size_t k = 1; k < state->residuals.size(); ++k) {
      const Streams& before = state->residuals[k];
      record->lookback.push_back(before.empty() ? L1Sums() : MeasureL1(residual, before));
    }
    Remember(residual, state);
  }

  void Remember(const Streams& residual, BranchState* state) const {
    state->residuals.push_front(residual);
    if (state->residuals.size() > static_cast<size_t>(options_.lookback)) {
      state->residuals.pop_back();
    }
  }

  DenoisingRun* run_;
  FirstBlockRun* first_block_ = nullptr;  // of the run, for policies that look at it
  Scheduler* scheduler_;
  const CachePolicy& policy_;
  const EngineRule rule_;  // the plain one for policies that follow no engine
  const SampleOptions& options_;
  const std::vector<std::string> names_;  // of the branches
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
  CheckForecastOrder(options.forecast);
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
