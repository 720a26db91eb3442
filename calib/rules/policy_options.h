#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/rules/cache_policy.h"
#include "calib/rules/teacache_mode.h"

namespace teacache {

// The cache policies that programs offer: one struct for each, with the parameters that a user sets
// and defaults for them. PolicyOptions below is the list; a new policy is a struct here and an
// entry there. Every struct has
//
//   kName           in flags, run folders and ids
//   kLabel          in reports
//   Make(calls)     the policy for a run of `calls` calls; throws UserError, naming the flag, for
//                   what does not fit
//   Id()            for folders and reports: the name and what tells two settings apart
//   VisitFields(f)  f("field", value) for all that decides about pixels, as run folders keep it
//   AddFlags(app)   its flags, for a CLI::App; --threshold is shared (CacheFlags in
//                   runners/generate_videos_main.cc)

struct NoCache {
  static constexpr std::string_view kName = "none";
  static constexpr std::string_view kLabel = "uncached";

  std::unique_ptr<CachePolicy> Make(int calls) const;
  std::string Id() const { return std::string(kName); }
  template <typename Field>
  void VisitFields(const Field& /*field*/) const {}
  template <typename App>
  void AddFlags(App* /*app*/) {}
};

struct TeaCache {
  static constexpr std::string_view kName = "teacache";
  static constexpr std::string_view kLabel = "TeaCache";

  double threshold = 0.1;           // >= 0; 0 = never skip
  Polynomial polynomial;            // highest power first
  std::string engine = "teacache";  // whose rule decides (FindEngineRule)
  Interval range;                   // calibrated x, for engines that guard it; (0, 0) = unknown
  TeaCacheMode mode = TeaCacheMode::kStrict;

  std::unique_ptr<CachePolicy> Make(int calls) const;
  // "teacache-0.1", "teacache-0.1-comfyui"
  std::string Id() const;
  template <typename Field>
  void VisitFields(const Field& field) const {
    field("threshold", threshold);
    field("coefficients", polynomial.coefficients());
    field("teacache_mode", std::string(NameOf(kTeaCacheModes, mode)));
    // Absent in run folders that know no engines.
    if (engine != kName) field("engine", engine);
    if (FindEngineRule(engine).guards_range && range.width() > 0) {
      field("range", std::vector<double>{range.lo, range.hi});
    }
  }
  template <typename App>
  void AddFlags(App* app) {
    app->add_option("--engine",
                    engine,
                    "teacache: engine whose rule decides what is skipped (fit-coeffs list)")
        ->capture_default_str();
  }
};

struct UniformSkipping {
  static constexpr std::string_view kName = "uniform";
  static constexpr std::string_view kLabel = "uniform skipping";

  int computed_calls = 0;  // 1 to the run's calls

  std::unique_ptr<CachePolicy> Make(int calls) const;
  std::string Id() const { return fmt::format("{}-{}", kName, computed_calls); }
  template <typename Field>
  void VisitFields(const Field& field) const {
    field("computed_calls", computed_calls);
  }
  template <typename App>
  void AddFlags(App* app) {
    app->add_option(
        "--computed-calls",
        computed_calls,
        "uniform: how many calls to compute, evenly spaced; schedule: which one of the plan");
  }
};

struct FixedMask {
  static constexpr std::string_view kName = "mask";
  static constexpr std::string_view kLabel = "fixed mask";

  std::string mask;  // "CCSC...", C computed, S skipped, one letter per call

  std::unique_ptr<CachePolicy> Make(int calls) const;
  // "mask-12": computed calls
  std::string Id() const;
  template <typename Field>
  void VisitFields(const Field& field) const {
    field("mask", mask);
  }
  template <typename App>
  void AddFlags(App* app) {
    app->add_option("--mask", mask, "mask: one letter per call, C computed, S skipped");
  }
};

// A mask that was planned for this system (SchedulePlan), which the file of a plan is read for.
struct PlannedMask : FixedMask {
  static constexpr std::string_view kName = "schedule";
  static constexpr std::string_view kLabel = "planned schedule";

  std::unique_ptr<CachePolicy> Make(int calls) const;
  // "schedule-12": computed calls
  std::string Id() const;
  template <typename App>
  void AddFlags(App* /*app*/) {}
};

// Ratios are resampled where they are not one per call.
struct MagCache : MagCacheOptions {
  static constexpr std::string_view kName = "magcache";
  static constexpr std::string_view kLabel = "MagCache";

  MagCache() { threshold = 0.1; }  // of the flag, for all policies that accumulate

  std::unique_ptr<CachePolicy> Make(int calls) const;
  std::string Id() const { return fmt::format("{}-{}", kName, threshold); }
  template <typename Field>
  void VisitFields(const Field& field) const {
    field("threshold", threshold);
    field("max_skips", max_skips);
    field("retention", retention);
    field("ratios", ratios);
  }
  template <typename App>
  void AddFlags(App* app) {
    app->add_option("--max-skips", max_skips, "magcache: most skips in a row")
        ->capture_default_str();
    app->add_option(
           "--retention", retention, "magcache: share of the run that is computed at its start")
        ->capture_default_str();
  }
};

struct FirstBlockCache : FirstBlockOptions {
  static constexpr std::string_view kName = "fbcache";
  static constexpr std::string_view kLabel = "first-block cache";

  std::unique_ptr<CachePolicy> Make(int calls) const;
  std::string Id() const { return fmt::format("{}-{}", kName, threshold); }
  template <typename Field>
  void VisitFields(const Field& field) const {
    field("threshold", threshold);
  }
  template <typename App>
  void AddFlags(App* /*app*/) {}
};

struct EasyCache : EasyCacheOptions {
  static constexpr std::string_view kName = "easycache";
  static constexpr std::string_view kLabel = "EasyCache";

  std::unique_ptr<CachePolicy> Make(int calls) const;
  std::string Id() const { return fmt::format("{}-{}", kName, threshold); }
  template <typename Field>
  void VisitFields(const Field& field) const {
    field("threshold", threshold);
    field("first_calls", first_calls);
  }
  template <typename App>
  void AddFlags(App* app) {
    app->add_option("--first-calls", first_calls, "easycache: calls computed at the start")
        ->capture_default_str();
  }
};

// Every n-th call from the first one on (as FORA).
struct IntervalSkipping {
  static constexpr std::string_view kName = "interval";
  static constexpr std::string_view kLabel = "interval skipping";

  int interval = 0;  // >= 1; 1 = never skip

  std::unique_ptr<CachePolicy> Make(int calls) const;
  std::string Id() const { return fmt::format("{}-{}", kName, interval); }
  template <typename Field>
  void VisitFields(const Field& field) const {
    field("interval", interval);
  }
  template <typename App>
  void AddFlags(App* app) {
    app->add_option(
        "--interval", interval, "interval: compute every so many calls, the first one on");
  }
};

// In the order in which they are listed to users.
using PolicyOptions = std::variant<NoCache,
                                   TeaCache,
                                   UniformSkipping,
                                   IntervalSkipping,
                                   FixedMask,
                                   PlannedMask,
                                   MagCache,
                                   FirstBlockCache,
                                   EasyCache>;

std::string PolicyName(const PolicyOptions& options);
std::string PolicyId(const PolicyOptions& options);
std::unique_ptr<CachePolicy> MakePolicy(const PolicyOptions& options, int calls);

// Throws UserError (--forecast) for an order that does not exist, or that the calls which the
// policy computes in a run of `calls` calls are too few for, where they are known before the run: a
// forecast of order k is made of k + 1 computed calls.
void CheckForecast(int order, const CachePolicy& policy, int calls);

// With its defaults. Throws UserError (--cache) listing the names for one that is not known.
PolicyOptions DefaultPolicy(std::string_view name);
// "none, teacache, ... or magcache"
std::string PolicyNames();
// "" for a name that is not known.
std::string_view LabelOfPolicy(std::string_view name);

// The ratios in a file of `fit-coeffs --emit magcache`, {"mag_ratios": [...]}. Throws UserError.
std::vector<double> ReadMagRatios(const std::string& path);

// "CCSC" -> true, true, false, true. Throws UserError for other letters.
std::vector<bool> ParseMask(const std::string& text);

}  // namespace teacache
