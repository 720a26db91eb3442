#include "calib/rules/cache_policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "datasets/base/error.h"

namespace teacache {
namespace {

void CheckPosition(const PolicyCall& call) {
  if (call.call < 0 || call.call >= call.calls) {
    ThrowUserError("cache policy", "call must be in [0, {}) but is {}", call.calls, call.call);
  }
}

void CheckUniform(int calls, int computed_calls) {
  const bool single = calls == 1 && computed_calls == 1;
  if (!single && (computed_calls < 2 || computed_calls > calls)) {
    ThrowUserError("uniform cache",
                   "computed calls must be between 2 and the run's {} calls but is {}",
                   calls,
                   computed_calls);
  }
}

// The i-th computed call; integers, so that halves always round up.
int UniformCall(int i, int calls, int computed_calls) {
  if (computed_calls == 1) return 0;
  const int64_t gaps = computed_calls - 1;
  return static_cast<int>((2 * int64_t{i} * (calls - 1) + gaps) / (2 * gaps));
}

PolicyDecision Position(bool compute) { return {compute, true, 0, 0}; }

class NoCachePolicy : public CachePolicy {
 public:
  PolicyDecision Decide(const PolicyCall& call, PolicyState*) const override {
    CheckPosition(call);
    return Position(true);
  }
};

class TeaCachePolicy : public CachePolicy {
 public:
  explicit TeaCachePolicy(TeaCacheOptions options)
      : options_(std::move(options)), limits_(LimitsOf(options_.rule)) {}

  PolicySignal signal() const override { return PolicySignal::kModulated; }
  const EngineRule* rule() const override { return &options_.rule; }

  PolicyDecision Decide(const PolicyCall& call, PolicyState* state) const override {
    CheckPosition(call);
    const CallKind kind = Kind(call);
    if (kind != CallKind::kDecided) {
      StepSkipRule(MakeSkipCall(options_.rule, kind, 0), options_.threshold, limits_, &state->skip);
      return Position(true);
    }
    const double value = SkipValue(call.r, options_.rule, options_.polynomial, options_.range);
    const SkipStep step = StepSkipRule({value, false}, options_.threshold, limits_, &state->skip);
    return {!step.skip, false, std::isnan(value) ? 0 : value, step.sum};
  }

 private:
  CallKind Kind(const PolicyCall& call) const {
    if (!call.forced) return KindOfCall(options_.rule, call.call, call.calls);
    return *call.forced || call.call == 0 ? CallKind::kForced : CallKind::kDecided;
  }

  TeaCacheOptions options_;
  SkipLimits limits_;
};

class UniformPolicy : public CachePolicy {
 public:
  explicit UniformPolicy(int computed_calls) : computed_calls_(computed_calls) {}

  PolicyDecision Decide(const PolicyCall& call, PolicyState*) const override {
    CheckPosition(call);
    CheckUniform(call.calls, computed_calls_);
    if (call.calls == 1) return Position(true);
    // The computed call nearest to this one is number `nearest` or a neighbour of it.
    const int64_t nearest = int64_t{call.call} * (computed_calls_ - 1) / (call.calls - 1);
    for (int64_t i = nearest; i <= nearest + 1 && i < computed_calls_; ++i) {
      if (UniformCall(static_cast<int>(i), call.calls, computed_calls_) == call.call) {
        return Position(true);
      }
    }
    return Position(false);
  }

 private:
  int computed_calls_;
};

class MaskPolicy : public CachePolicy {
 public:
  explicit MaskPolicy(std::vector<bool> mask) : mask_(std::move(mask)) {}

  PolicyDecision Decide(const PolicyCall& call, PolicyState*) const override {
    CheckPosition(call);
    if (call.calls != static_cast<int>(mask_.size())) {
      ThrowUserError("mask cache",
                     "mask must have one entry per call ({}) but has {}",
                     call.calls,
                     mask_.size());
    }
    return Position(mask_[call.call]);
  }

 private:
  std::vector<bool> mask_;
};

class MagCachePolicy : public CachePolicy {
 public:
  explicit MagCachePolicy(MagCacheOptions options) : options_(std::move(options)) {}

  PolicyDecision Decide(const PolicyCall& call, PolicyState* state) const override {
    CheckPosition(call);
    if (call.calls != static_cast<int>(options_.ratios.size())) {
      ThrowUserError("magcache",
                     "ratios must be one per call ({}) but are {}",
                     call.calls,
                     options_.ratios.size());
    }
    if (call.call == 0) *state = {};
    if (call.call < std::max(1, static_cast<int>(call.calls * options_.retention))) {
      return Position(true);
    }
    state->ratio *= options_.ratios[call.call];
    const double value = std::abs(1 - state->ratio);
    SkipLimits limits;
    limits.skips = options_.max_skips;
    const SkipStep step = StepSkipRule({value, false}, options_.threshold, limits, &state->skip);
    if (!step.skip) state->ratio = 1;
    return {!step.skip, false, 0, step.sum};
  }

 private:
  MagCacheOptions options_;
};

class FirstBlockPolicy : public CachePolicy {
 public:
  explicit FirstBlockPolicy(const FirstBlockOptions& options) : options_(options) {}

  PolicySignal signal() const override { return PolicySignal::kFirstBlock; }

  PolicyDecision Decide(const PolicyCall& call, PolicyState*) const override {
    CheckPosition(call);
    if (call.call == 0) return Position(true);
    const double value = std::isfinite(call.r) ? call.r : 0;
    return {!(call.r <= options_.threshold), false, value, value};
  }

 private:
  FirstBlockOptions options_;
};

EngineRule FollowingCond() {
  EngineRule rule;
  rule.name = "easycache";
  rule.branches = EngineRule::Branches::kCond;
  return rule;
}

class EasyCachePolicy : public CachePolicy {
 public:
  explicit EasyCachePolicy(const EasyCacheOptions& options) : options_(options) {}

  PolicySignal signal() const override { return PolicySignal::kLatent; }
  const EngineRule* rule() const override { return &rule_; }

  PolicyDecision Decide(const PolicyCall& call, PolicyState* state) const override {
    CheckPosition(call);
    if (call.call == 0 || call.call < options_.first_calls || call.call == call.calls - 1) {
      state->skip = {};
      return Position(true);
    }
    const double value = state->rate * (call.r / state->output_size);
    const SkipStep step = StepSkipRule(
        {std::isfinite(value) ? value : NAN, false}, options_.threshold, {}, &state->skip);
    return {!step.skip, false, std::isfinite(value) ? value : 0, step.sum};
  }

  void Learn(const ComputedCall& computed, PolicyState* state) const override {
    state->output_size = computed.output_size;
    if (!std::isnan(computed.latent_change)) {
      state->rate = computed.output_change / computed.latent_change;
    }
  }

 private:
  EasyCacheOptions options_;
  EngineRule rule_ = FollowingCond();
};

void CheckThreshold(const char* policy, double threshold) {
  if (!std::isfinite(threshold) || threshold < 0) {
    ThrowUserError(policy, "threshold must be a finite number >= 0 but is {}", threshold);
  }
}

}  // namespace

std::unique_ptr<CachePolicy> MakeNoCachePolicy() { return std::make_unique<NoCachePolicy>(); }

std::unique_ptr<CachePolicy> MakeTeaCachePolicy(const TeaCacheOptions& options) {
  CheckThreshold("teacache", options.threshold);
  if (options.polynomial.coefficients().empty()) {
    ThrowUserError("teacache", "coefficients must be given (highest power first) but are empty");
  }
  for (double c : options.polynomial.coefficients()) {
    if (!std::isfinite(c)) {
      ThrowUserError("teacache",
                     "coefficients must be finite but are {}",
                     FormatCoefficients(options.polynomial.coefficients()));
    }
  }
  return std::make_unique<TeaCachePolicy>(options);
}

std::unique_ptr<CachePolicy> MakeUniformPolicy(int computed_calls) {
  if (computed_calls < 1) {
    ThrowUserError("uniform cache", "computed calls must be at least 1 but is {}", computed_calls);
  }
  return std::make_unique<UniformPolicy>(computed_calls);
}

std::unique_ptr<CachePolicy> MakeMaskPolicy(std::vector<bool> mask) {
  if (mask.empty() || !mask.front()) {
    ThrowUserError("mask cache",
                   "mask must have entries and compute call 0 but {}",
                   mask.empty() ? "is empty" : "skips it");
  }
  return std::make_unique<MaskPolicy>(std::move(mask));
}

std::unique_ptr<CachePolicy> MakeMagCachePolicy(MagCacheOptions options) {
  CheckThreshold("magcache", options.threshold);
  if (options.max_skips < 1) {
    ThrowUserError("magcache", "skips in a row must be at least 1 but are {}", options.max_skips);
  }
  if (!(options.retention >= 0 && options.retention <= 1)) {
    ThrowUserError("magcache", "retention must be between 0 and 1 but is {}", options.retention);
  }
  if (options.ratios.empty()) ThrowUserError("magcache", "ratios must be given but are empty");
  for (const double ratio : options.ratios) {
    if (!std::isfinite(ratio) || ratio <= 0) {
      ThrowUserError("magcache", "ratios must be finite and above 0 but one is {}", ratio);
    }
  }
  return std::make_unique<MagCachePolicy>(std::move(options));
}

std::unique_ptr<CachePolicy> MakeFirstBlockPolicy(const FirstBlockOptions& options) {
  CheckThreshold("fbcache", options.threshold);
  return std::make_unique<FirstBlockPolicy>(options);
}

std::unique_ptr<CachePolicy> MakeEasyCachePolicy(const EasyCacheOptions& options) {
  CheckThreshold("easycache", options.threshold);
  if (options.first_calls < 0) {
    ThrowUserError("easycache", "first calls must be at least 0 but are {}", options.first_calls);
  }
  return std::make_unique<EasyCachePolicy>(options);
}

std::vector<bool> UniformMask(int calls, int computed_calls) {
  CheckUniform(calls, computed_calls);
  std::vector<bool> mask(calls, false);
  for (int i = 0; i < computed_calls; ++i) mask[UniformCall(i, calls, computed_calls)] = true;
  return mask;
}

}  // namespace teacache
