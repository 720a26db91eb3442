// Files of version 0.1.0 (tests/golden/compat) are read with every value.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "datasets/base/journal.h"
#include "datasets/coefficients.h"
#include "datasets/results.h"
#include "datasets/trace/trace.h"
#include "tests/support/paths.h"

namespace teacache {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Sample(const std::string& name) { return SourceDir() + "/tests/golden/compat/" + name; }

TEST(Version010, Trace) {
  const Trace trace = ReadTrace(Sample("trace.jsonl"));
  EXPECT_THAT(trace.warnings, IsEmpty());
  EXPECT_EQ(trace.header.model, "shapes");
  EXPECT_EQ(trace.header.guidance, 7);
  EXPECT_EQ(trace.header.calls, 3);
  EXPECT_EQ(trace.header.task, "");
  ASSERT_EQ(trace.rows.size(), 12u);
  const TraceRow& row = trace.rows[11];
  EXPECT_EQ(row.prompt, "\"caf\xC3\xA9\", at night");
  EXPECT_EQ(row.seed, 3);
  EXPECT_EQ(row.branch, "uncond");
  EXPECT_EQ(row.expert, "low");
  EXPECT_EQ(row.call, 2);
  EXPECT_EQ(row.timestep, 1000 - 1000.0 / 3 * 2);
  EXPECT_EQ(row.mod, (L1Sums{0.2, 7.0 / 3, 1024}));
  EXPECT_THAT(row.lookback, ElementsAre(L1Sums{0.5, 4, 1024}));
  EXPECT_EQ(row.ms_blocks, 12.25);
  EXPECT_EQ(row.evaluations, 1);
}

TEST(Version010, Coefficients) {
  const Coefficients coefficients = ReadCoefficients(Sample("coefficients.json"));
  EXPECT_THAT(coefficients.set.coefficients, ElementsAre(1733.5, -84.25, 1.0 / 3));
  EXPECT_EQ(coefficients.set.threshold, 0.15);
  EXPECT_EQ(coefficients.set.stats.at("r2").hi, 0.95);
  EXPECT_THAT(coefficients.ForExpert("low").coefficients, ElementsAre(1, 0));
  EXPECT_EQ(coefficients.provenance.pairs, 4);
  EXPECT_THAT(coefficients.provenance.traces, ElementsAre("trace.jsonl"));
}

TEST(Version010, Results) {
  const Results results = ReadResults(Sample("results.json"));
  ASSERT_EQ(results.videos.size(), 3u);
  EXPECT_EQ(results.videos[0].scores.at("psnr"), 31.5);
  EXPECT_THAT(results.videos[0].per_frame.at("ssim"), ElementsAre(0.9, 0.975));
  EXPECT_TRUE(std::isinf(results.videos[1].scores.at("psnr")));
  EXPECT_FALSE(results.videos[2].ok());
  EXPECT_EQ(results.summary.at("ssim").ci95->hi, 0.95);
  EXPECT_TRUE(std::isnan(results.summary.at("psnr").std));
  EXPECT_EQ(results.comparison.at("ssim").a_better, 1);
  EXPECT_EQ(results.context.at("tool_version"), "0.1.0");
  EXPECT_THAT(results.unmatched_gen, ElementsAre("extra-0"));
}

TEST(Version010, JournalOfARunFolder) {
  const JournalContents journal = ReadJournal(Sample("timing.jsonl"));
  EXPECT_THAT(journal.warnings, IsEmpty());
  EXPECT_EQ(journal.kind, "generate-videos");
  ASSERT_EQ(journal.entries.size(), 2u);
  std::vector<std::string> calls;
  journal.ForEachEntry([&](const JsonNode& entry) { calls.push_back(entry.At("calls").String()); });
  EXPECT_THAT(calls, ElementsAre("CCC", "CSC"));
}

}  // namespace
}  // namespace teacache
