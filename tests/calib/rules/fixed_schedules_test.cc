#include "calib/rules/fixed_schedules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "calib/replay/replay.h"
#include "datasets/base/error.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

TEST(StaticMask, FollowsTheMeanChange) {
  PairSet pairs;
  pairs.calls = 8;
  pairs.branches = {"batched"};
  for (int call = 1; call < 8; ++call) {
    Pair pair;
    pair.call = call;
    pair.y = call == 4 ? 10 : 1;
    pairs.pairs.push_back(pair);
  }
  const auto mask = StaticMask(pairs, 3);
  EXPECT_EQ(std::count(mask.begin(), mask.end(), false) >= 3, true);
  EXPECT_TRUE(mask[0]);
  EXPECT_TRUE(mask[4]);  // the large change
  EXPECT_TRUE(mask[7]);
  EXPECT_EQ(StaticMask(pairs, 0), std::vector<bool>(8, true));
  const auto all = StaticMask(pairs, 100);
  EXPECT_EQ(std::count(all.begin(), all.end(), true), 2);
}

TEST(MagnitudeRatios, FromSumsOfPreviousTensors) {
  Trace trace;
  trace.header.calls = 4;
  const double norms[] = {10, 5, 4};  // |residual| at calls 0, 1, 2
  for (int prompt = 0; prompt < 2; ++prompt) {
    for (int call = 0; call < 4; ++call) {
      TraceRow row;
      row.prompt = std::to_string(prompt);
      row.branch = "batched";
      row.call = call;
      if (call > 0) row.res = {1, norms[call - 1] * (1 + prompt), 100};
      trace.rows.push_back(row);
    }
  }
  const auto ratios = MagnitudeRatios(trace);
  ASSERT_EQ(ratios.size(), 1u);
  EXPECT_TRUE(Near(ratios.at("batched"), std::vector{1.0, 0.5, 0.8, 0.8}, 0, 1e-15));
  trace.rows.clear();
  EXPECT_TRUE(MagnitudeRatios(trace).empty());
}

// Cost of a mask as StepMask's header defines it, the plain way.
double MaskCost(const std::vector<double>& change, const std::vector<bool>& mask) {
  double cost = 0;
  double since = 0;
  for (size_t call = 1; call < mask.size(); ++call) {
    since = mask[call] ? 0 : since + change[call];
    if (!mask[call]) cost += since;
  }
  return cost;
}

std::vector<bool> BestMaskByTryingAll(const std::vector<double>& change, int computed) {
  const int calls = static_cast<int>(change.size());
  std::vector<bool> best;
  double least = std::numeric_limits<double>::infinity();
  for (int bits = 0; bits < (1 << calls); ++bits) {
    std::vector<bool> mask;
    for (int call = 0; call < calls; ++call) mask.push_back((bits >> call) & 1);
    if (!mask.front() || !mask.back() || std::ranges::count(mask, true) != computed) continue;
    if (const double cost = MaskCost(change, mask); cost < least) {
      least = cost;
      best = mask;
    }
  }
  return best;
}

TEST(StepMask, IsTheCheapestOfAll) {
  std::mt19937 random(3);
  for (const int calls : {2, 3, 7, 12}) {
    std::vector<double> change(calls, 0);
    for (int call = 1; call < calls; ++call) change[call] = 0.01 + random() % 1000 / 500.0;
    for (int computed = 2; computed <= calls; ++computed) {
      const std::vector<bool> mask = StepMask(change, computed);
      EXPECT_EQ(std::ranges::count(mask, true), computed);
      EXPECT_TRUE(mask.front() && mask.back());
      EXPECT_NEAR(
          MaskCost(change, mask), MaskCost(change, BestMaskByTryingAll(change, computed)), 1e-12)
          << calls << " " << computed;
    }
  }
}

TEST(StepMask, RefusesImpossibleNumbers) {
  EXPECT_EQ(StepMask({0}, 1), std::vector<bool>{true});
  for (const int computed : {-1, 0, 1, 4}) {
    EXPECT_THROW(StepMask({0, 1, 1}, computed), UserError) << computed;
  }
  EXPECT_THROW(StepMask({}, 1), UserError);
}

TEST(MeanChangeByCall, AveragesByCallNumber) {
  PairSet pairs;
  pairs.calls = 4;
  for (const auto& [call, y] : {std::pair{1, 0.2}, {1, 0.4}, {3, 0.5}}) {
    Pair pair;
    pair.call = call;
    pair.y = y;
    pairs.pairs.push_back(pair);
  }
  const std::vector<double> change = MeanChangeByCall(pairs);
  ASSERT_EQ(change.size(), 4u);
  EXPECT_EQ(change[0], 0);
  EXPECT_NEAR(change[1], 0.3, 1e-15);
  EXPECT_EQ(change[2], 0.5);  // never measured
  EXPECT_EQ(change[3], 0.5);
  pairs.calls = 1;
  EXPECT_THROW(MeanChangeByCall(pairs), UserError);
}

// The ratios that MagCache publishes for Open-Sora.
std::vector<double> OpenSoraRatios() {
  std::vector<double> ratios = {1.0};
  for (const double squared :
       {0.93359, 0.96484, 0.99609, 1.0,     0.99609, 0.99609, 0.99219, 1.0,     1.0,     0.99609,
        0.99219, 1.0,     0.99219, 0.99609, 0.99219, 0.99609, 0.99609, 0.99609, 0.99219, 0.99219,
        0.99219, 0.98828, 0.98828, 0.98438, 0.98438, 0.97656, 0.97656, 0.96484, 0.96484}) {
    ratios.push_back(std::sqrt(squared));
  }
  return ratios;
}

// Expected: the rule of MagCache4Wan2.1/magcache_generate.py run in Python on these ratios.
TEST(MagCacheSchedule, AsTheReference) {
  MagCacheOptions options;
  options.ratios = OpenSoraRatios();
  const auto schedule = [&options](double threshold, int max_skips, double retention) {
    options.threshold = threshold;
    options.max_skips = max_skips;
    options.retention = retention;
    return ScheduleText(MagCacheSchedule(options));
  };
  EXPECT_EQ(schedule(0.12, 3, 0.2), "CCCCCCSSSCSSSCSSSCSSSCSSSCSSSC");
  EXPECT_EQ(schedule(0.02, 3, 0.2), "CCCCCCSSSCSSSCSSSCSSSCSSCSCSCS");
  EXPECT_EQ(schedule(0.06, 5, 0.1), "CCCSSSSSCSSSSSCSSSSSCSSSSCSSCS");
  EXPECT_EQ(schedule(0.5, 29, 0.34), "CCCCCCCCCCSSSSSSSSSSSSSSSSSCSS");
  EXPECT_EQ(schedule(0, 3, 0.2), std::string(30, 'C'));
  EXPECT_EQ(schedule(1e9, 29, 0), "C" + std::string(29, 'S'));
}

TEST(MatchMagCache, HasTheCallsAskedFor) {
  std::vector<double> ratios = OpenSoraRatios();
  const auto computed_of = [](const MagCacheOptions& options) {
    return static_cast<int>(std::ranges::count(MagCacheSchedule(options), true));
  };
  EXPECT_EQ(computed_of(MatchMagCache(ratios, 30)), 30);
  // Rounded ratios of exactly 1 are always skipped, so some numbers cannot be had; others can.
  int exact = 0;
  for (int computed = 1; computed <= 30; ++computed) {
    const int got = computed_of(MatchMagCache(ratios, computed));
    EXPECT_LE(std::abs(got - computed), 2) << computed;
    exact += got == computed;
  }
  EXPECT_GE(exact, 22);
  // What the published retention and limit reach is reached with them.
  const MagCacheOptions twelve = MatchMagCache(ratios, 12);
  EXPECT_EQ(computed_of(twelve), 12);
  EXPECT_EQ(twelve.retention, 0.2);
  EXPECT_EQ(twelve.max_skips, 3);
  const MagCacheOptions five = MatchMagCache(ratios, 5);
  EXPECT_EQ(computed_of(five), 5);
  EXPECT_LT(five.retention, 0.2);
}

TEST(MagCache, RefusesWhatMakesNoSense) {
  MagCacheOptions options;
  EXPECT_THROW(MakeMagCachePolicy(options), UserError);  // no ratios
  options.ratios = {1, 0.9};
  EXPECT_NO_THROW(MakeMagCachePolicy(options));
  const auto with = [&options](auto change) {
    MagCacheOptions changed = options;
    change(&changed);
    return changed;
  };
  EXPECT_THROW(MakeMagCachePolicy(with([](auto* o) { o->threshold = -1; })), UserError);
  EXPECT_THROW(MakeMagCachePolicy(with([](auto* o) { o->threshold = std::nan(""); })), UserError);
  EXPECT_THROW(MakeMagCachePolicy(with([](auto* o) { o->max_skips = 0; })), UserError);
  EXPECT_THROW(MakeMagCachePolicy(with([](auto* o) { o->retention = 1.5; })), UserError);
  EXPECT_THROW(MakeMagCachePolicy(with([](auto* o) { o->ratios[1] = 0; })), UserError);
  PolicyState state;
  EXPECT_THROW(MakeMagCachePolicy(options)->Decide({0, 3, 0}, &state), UserError);
}

}  // namespace
}  // namespace teacache
