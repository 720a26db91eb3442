// Decisions of published cache rules, against the plain ports in tests/golden/calib.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "calib/rules/cache_policy.h"
#include "tests/support/golden.h"

namespace teacache {
namespace {

using Rows = std::vector<std::vector<double>>;

Rows RowsOf(const nlohmann::json& json) {
  Rows rows;
  for (const auto& row : json) rows.push_back(row.get<std::vector<double>>());
  return rows;
}

// mean|a - b|
double MeanChange(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}
double MeanSize(const std::vector<double>& a) {
  return MeanChange(a, std::vector<double>(a.size(), 0));
}

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::string EasyCacheDecisions(const nlohmann::json& run) {
  const Rows latents = RowsOf(run["latents"]);
  const Rows outputs = RowsOf(run["outputs"]);
  const int calls = static_cast<int>(latents.size());
  const auto policy = MakeEasyCachePolicy({run["threshold"], run["first_calls"]});
  PolicyState state;
  std::string decisions;
  int last = -1;  // computed
  for (int call = 0; call < calls; ++call) {
    const double change = call > 0 ? MeanChange(latents[call], latents[call - 1]) : kUnknown;
    const bool compute = policy->Decide({call, calls, change}, &state).compute;
    decisions += compute ? 'C' : 'S';
    if (!compute) continue;
    ComputedCall computed{MeanSize(outputs[call])};
    if (last >= 0) {
      computed.output_change = MeanChange(outputs[call], outputs[last]);
      computed.latent_change = MeanChange(latents[call], latents[last]);
    }
    policy->Learn(computed, &state);
    last = call;
  }
  return decisions;
}

std::string FirstBlockDecisions(const nlohmann::json& run) {
  const Rows residuals = RowsOf(run["residuals"]);
  const int calls = static_cast<int>(residuals.size());
  const auto policy = MakeFirstBlockPolicy({run["threshold"]});
  PolicyState state;
  std::string decisions;
  int last = -1;  // computed
  for (int call = 0; call < calls; ++call) {
    const double change =
        last < 0 ? kUnknown
                 : MeanChange(residuals[call], residuals[last]) / MeanSize(residuals[last]);
    const bool compute = policy->Decide({call, calls, change}, &state).compute;
    decisions += compute ? 'C' : 'S';
    if (compute) last = call;
  }
  return decisions;
}

TEST(PublishedRules, DecideAsTheirPorts) {
  int compared = 0;
  for (const GoldenCase& c : FindGoldenCases("cache_rules")) {
    for (const nlohmann::json& run : c.json["runs"]) {
      const std::string decisions = run["rule"].get<std::string>() == "easycache"
                                        ? EasyCacheDecisions(run)
                                        : FirstBlockDecisions(run);
      EXPECT_EQ(decisions, run["decisions"].get<std::string>())
          << run["rule"] << " " << run["threshold"];
      compared += static_cast<int>(decisions.size());
    }
  }
  EXPECT_GE(compared, 200);
}

TEST(EasyCache, ComputesWhatItCannotForesee) {
  const auto policy = MakeEasyCachePolicy({1.0, 1});
  PolicyState state;
  EXPECT_TRUE(policy->Decide({0, 9, kUnknown}, &state).compute);
  policy->Learn({2.0}, &state);
  // One computed call: how outputs follow latents is not known.
  EXPECT_TRUE(policy->Decide({1, 9, 0.1}, &state).compute);
  policy->Learn({2.0, 0.5, 0.25}, &state);
  EXPECT_FALSE(policy->Decide({2, 9, 0.1}, &state).compute);  // 2 * 0.1 / 2
  EXPECT_TRUE(policy->Decide({3, 9, kUnknown}, &state).compute);
  // Latents that did not change between computed calls say nothing.
  policy->Learn({2.0, 0.5, 0}, &state);
  EXPECT_TRUE(policy->Decide({4, 9, 0.1}, &state).compute);
  EXPECT_TRUE(policy->Decide({8, 9, 0}, &state).compute);
}

TEST(FirstBlock, NothingToCompareWithComputes) {
  const auto policy = MakeFirstBlockPolicy({0.5});
  PolicyState state;
  EXPECT_TRUE(policy->Decide({0, 9, 0}, &state).compute);
  EXPECT_TRUE(policy->Decide({1, 9, kUnknown}, &state).compute);
  EXPECT_FALSE(policy->Decide({2, 9, 0.5}, &state).compute);
  EXPECT_TRUE(policy->Decide({3, 9, 0.5001}, &state).compute);
}

}  // namespace
}  // namespace teacache
