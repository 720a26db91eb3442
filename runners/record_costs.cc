#include "runners/record_costs.h"

#include <filesystem>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>

#include "calib/rules/cache_policy.h"
#include "datasets/base/files.h"
#include "datasets/trace/segment_costs.h"
#include "datasets/work/parts.h"
#include "runners/nn/out_of_memory.h"
#include "runners/sampling/relative_l1.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/pixel_key.h"

namespace teacache {
namespace {

using Streams = std::vector<at::Tensor>;

SampleResult RunSample(const System& system,
                       DenoisingRun* run,
                       const PromptItem& item,
                       const SampleOptions& sampling) {
  const auto scheduler = system.MakeScheduler();
  return NamingPart("transformer", [&] {
    return Sample(run, scheduler.get(), *MakeNoCachePolicy(), system.Noise(item.seed), sampling);
  });
}

std::vector<SegmentCost> MeasureResiduals(const System& system,
                                          const CostsOptions& options,
                                          const PromptItem& item,
                                          const std::function<void(int)>& on_call) {
  const auto run = system.Begin(item.prompt);
  const std::vector<double> times = system.MakeScheduler()->Timesteps();
  SegmentMeter meter(options.extent);
  SampleOptions sampling;
  sampling.on_call = on_call;
  sampling.on_residual = [&](int call, int branch, const Streams& residual) {
    meter.Add(call, branch, times[call], residual);
  };
  RunSample(system, run.get(), item, sampling);
  std::vector<SegmentCost> costs;
  for (const auto& [segment, error] : meter.Costs()) {
    costs.push_back({item.prompt, item.seed, segment, error});
  }
  return costs;
}

// An uncached run, of which others begin in the middle.
struct UncachedRun {
  PromptItem item;
  std::vector<double> times;
  std::vector<std::vector<Streams>> residuals;  // [branch][call]
  std::vector<at::Tensor> outputs;              // guided, of every call
  SampleResult result;                          // with latents
};

// The runs of pieces that follow each other are the same.
class UncachedRuns {
 public:
  explicit UncachedRuns(const System& system) : system_(system) {}

  std::shared_ptr<const UncachedRun> Of(const PromptItem& item) {
    const std::scoped_lock lock(mutex_);
    if (!last_ || last_->item.prompt != item.prompt || last_->item.seed != item.seed) {
      last_.reset();
      last_ = Make(item);
    }
    return last_;
  }

 private:
  std::shared_ptr<const UncachedRun> Make(const PromptItem& item) const {
    const auto made = std::make_shared<UncachedRun>();
    made->item = item;
    made->times = system_.MakeScheduler()->Timesteps();
    const auto run = system_.Begin(item.prompt);
    made->residuals.resize(run->branches().size());
    SampleOptions sampling;
    sampling.keep_latents = true;
    sampling.on_residual = [&](int, int branch, const Streams& residual) {
      made->residuals[branch].push_back(residual);
    };
    sampling.on_output = [&](int, const at::Tensor& output) { made->outputs.push_back(output); };
    made->result = RunSample(system_, run.get(), item, sampling);
    return made;
  }

  const System& system_;
  std::mutex mutex_;
  std::shared_ptr<const UncachedRun> last_;
};

// The final latent when only `segment` is skipped.
at::Tensor LatentWithout(const System& system,
                         DenoisingRun* run,
                         const UncachedRun& uncached,
                         const Segment& segment) {
  const auto scheduler = system.MakeScheduler();
  for (int call = 0; call < segment.start; ++call) {
    scheduler->Step(call, uncached.outputs[call], uncached.result.latents[call]);
  }
  SampleOptions sampling;
  sampling.first_call = segment.start;
  sampling.forecast = segment.order();
  for (const std::vector<Streams>& residuals : uncached.residuals) {
    Forecast& forecast = sampling.forecasts.emplace_back(segment.order());
    int from = segment.start - 1 - std::accumulate(segment.gaps.begin(), segment.gaps.end(), 0);
    for (size_t i = segment.gaps.size() + 1; i-- > 0;) {
      forecast.Add(uncached.times[from], residuals[from]);
      if (i > 0) from += segment.gaps[i - 1];
    }
  }
  std::vector<bool> computed(scheduler->num_calls(), true);
  for (int i = 0; i < segment.skipped; ++i) computed[segment.start + i] = false;
  return NamingPart("transformer", [&] {
    return Sample(run,
                  scheduler.get(),
                  *MakeMaskPolicy(computed),
                  uncached.result.latents[segment.start],
                  sampling)
        .latent;
  });
}

}  // namespace

CostsSummary RecordCosts(const System& system, CostsOptions options) {
  options.Check(system);
  const int calls = system.info().calls;
  options.extent.Check(calls);
  options.pieces = options.outcome ? calls - 1 : 1;
  CostsSummary summary;
  summary.path = PartPath(options.out, options.shard);
  const auto folder = std::filesystem::path(summary.path).parent_path();
  if (!folder.empty()) MakeFolders(folder.string());
  SegmentCostsWriter writer(summary.path,
                            MakeTraceHeader(system.info(), options.prompts, options.shard),
                            options.outcome ? "latent" : "residual");
  UncachedRuns uncached(system);
  const auto segments = [&](const PromptItem& item) {
    if (options.outcome) return SegmentsAt(item.piece + 1, calls, options.extent);
    std::vector<Segment> all;
    for (int start = 1; start < calls; ++start) {
      const std::vector<Segment> some = SegmentsAt(start, calls, options.extent);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  };
  const auto measure_outcomes = [&](const PromptItem& item) {
    const auto whole = uncached.Of(item);
    const auto run = system.Begin(item.prompt);
    std::vector<SegmentCost> costs;
    for (const Segment& segment : segments(item)) {
      const at::Tensor latent = LatentWithout(system, run.get(), *whole, segment);
      const double error = MeasureL1(latent, whole->result.latent).Ratio();
      costs.push_back({item.prompt, item.seed, segment, error});
    }
    return costs;
  };
  static_cast<WorkSummary&>(summary) = RunPromptWork(
      system,
      options,
      "measuring",
      options.outcome ? "pieces" : "runs",
      [&](const PromptItem& item) {
        for (const Segment& segment : segments(item)) {
          if (!writer.Has(item.prompt, item.seed, segment)) return false;
        }
        return true;
      },
      [&](const PromptItem& item, const std::function<void(int)>& on_call) {
        std::vector<SegmentCost> costs = options.outcome
                                             ? measure_outcomes(item)
                                             : MeasureResiduals(system, options, item, on_call);
        return [&writer, costs = std::move(costs)] { writer.Append(costs); };
      });
  return summary;
}

}  // namespace teacache
