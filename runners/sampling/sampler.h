#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "calib/rules/cache_policy.h"
#include "calib/rules/teacache_mode.h"
#include "datasets/trace/trace.h"
#include "runners/sampling/denoising_run.h"
#include "runners/sampling/forecast.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

struct SampleOptions {
  // Measure every call (see CallRecord); costs copies of the streams. A fit needs runs whose calls
  // are all computed. The trace of a cached run holds the signal of every call, so that its replay
  // by the same rule gives the live decisions; residuals are measured only where a call and the one
  // before it were computed.
  bool record = false;
  // Look-back distances of the residual for k = 2 ... lookback; 0 or 1 = none. Only with `record`.
  int lookback = 0;
  // How r is rounded and which calls are computed whatever it is.
  TeaCacheMode teacache_mode = TeaCacheMode::kStrict;
  // Order of the residual that a skipped call gets (forecast.h): 0 = the last one, 1 = linear,
  // 2 = quadratic.
  int forecast = 0;
  // Called after every call of the transformer (of all branches).
  std::function<void(int call)> on_call;
  // Called with the residual of the blocks in every computed call of a branch; not with policies
  // that look at the first block.
  std::function<void(int call, int branch, const std::vector<at::Tensor>& residual)> on_residual;
  // Called with the guided output of every call.
  std::function<void(int call, const at::Tensor& output)> on_output;
  // Keep the latent before every call and the final one.
  bool keep_latents = false;
  // A run that goes on at this call: `noise` is the latent before it, the scheduler has taken the
  // steps before, and `forecasts`, one for each branch, have the residuals of computed calls. Only
  // with policies that look at no signal, and without `record`.
  int first_call = 0;
  std::vector<Forecast> forecasts;
};

// What happened in one transformer call of one branch.
struct CallRecord {
  int call = 0;
  int step = 0;
  double timestep = 0;
  int branch = 0;
  double r = 0;  // the policy's signal (PolicySignal); 0 where it is unknown or not looked at
  // `compute` as joined with the other branches of the call, the rest of this branch alone.
  PolicyDecision decision;
  // With SampleOptions::record, against the call before; residual and output only where both calls
  // were computed.
  L1Sums mod;
  L1Sums res;
  L1Sums out;
  std::vector<L1Sums> lookback;
  double ms_embed = 0;  // milliseconds, wall clock
  double ms_blocks = 0;
  double ms_head = 0;
};

struct SampleResult {
  at::Tensor latent;
  std::vector<CallRecord> calls;
  std::vector<at::Tensor> latents;  // with SampleOptions::keep_latents
  double seconds = 0;               // of the whole loop

  // Calls whose blocks ran, over all branches, in order.
  std::vector<bool> Computed() const;
  int ComputedCount() const;
};

// Denoises `noise` with the decisions of `policy`, whose state lives here, one per branch. An
// uncached run and a cached run that skips nothing give the same bits.
SampleResult Sample(DenoisingRun* run,
                    Scheduler* scheduler,
                    const CachePolicy& policy,
                    const at::Tensor& noise,
                    const SampleOptions& options = {});

// Trace rows of a recorded run.
std::vector<TraceRow> TraceRows(const SampleResult& result,
                                const std::vector<std::string>& branches,
                                const std::string& prompt,
                                int64_t seed);

}  // namespace teacache
