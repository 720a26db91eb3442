// Traces that look fine and are not: situations that users of public tools reported.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "calib/fit_coeffs.h"
#include "calib/report/fit_report_json.h"
#include "calib/report/fit_report_text.h"
#include "calib/score_coefficients.h"
#include "datasets/base/error.h"
#include "datasets/trace/trace_writer.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

constexpr int kCalls = 12;

// A run whose residual changes by 0.8 x.
std::vector<TraceRow> MakeRun(const std::string& prompt,
                              int64_t seed,
                              const std::string& branch = "cond") {
  std::mt19937 random(static_cast<unsigned>(prompt[0] * 100 + seed));
  std::uniform_real_distribution<double> change(0.05, 0.35);
  std::vector<TraceRow> rows;
  for (int call = 0; call < kCalls; ++call) {
    TraceRow row;
    row.prompt = prompt;
    row.seed = seed;
    row.branch = branch;
    row.call = row.step = call;
    if (call > 0) {
      const double x = change(random);
      const double noise = 0.01 * (change(random) - 0.2);
      row.mod = {400 * x, 400, 1000};
      row.res = {300 * (0.8 * x + noise), 300, 1000};
    }
    rows.push_back(row);
  }
  return rows;
}

// Runs of some prompts, changed by `edit`, as a file.
class TraceCase {
 public:
  explicit TraceCase(const std::function<void(std::vector<TraceRow>*)>& edit,
                     const std::string& prompts = "abcdef",
                     const std::string& modulated = "input") {
    TraceHeader header;
    header.model = "case";
    header.steps = header.calls = kCalls;
    header.modulated = modulated;
    TraceWriter writer(path(), header);
    for (const char prompt : prompts) {
      std::vector<TraceRow> rows = MakeRun(std::string(1, prompt), 0);
      edit(&rows);
      writer.Append(rows);
    }
    options.input.files = {path()};
    options.fit.degree = 1;
    options.diagnostics.bootstrap = 20;
    options.diagnostics.learning_repeats = 5;
  }

  std::string path() const { return dir_ / "trace.jsonl"; }
  FitCoeffsResult Fit() const { return RunFitCoeffs(options); }
  double Slope() const { return Fit().experts[0].fit.polynomial.coefficients()[0]; }

  FitCoeffsOptions options;

 private:
  TempDir dir_;
};

TEST(TraceCases, AnOverwrittenTensorIsRefusedWithItsCause) {
  const TraceCase zero([](auto* rows) {
    for (TraceRow& row : *rows) {
      if (row.call > 0) row.res = {0, 0, 1000};
    }
  });
  const TraceCase still([](auto* rows) {
    for (TraceRow& row : *rows) row.res.diff_l1 = 0;
  });
  for (const TraceCase* both : {&zero, &still}) {
    EXPECT_THAT([&] { both->Fit(); },
                ThrowsMessage<UserError>(AllOf(
                    HasSubstr("overwritten in place"), HasSubstr("66 of 66"), HasSubstr("100 %"))));
  }
  // One such row among many is left out and counted.
  const TraceCase one([](auto* rows) {
    if ((*rows)[0].prompt == "a") (*rows)[3].res.diff_l1 = 0;
  });
  EXPECT_EQ(one.Fit().experts[0].data.all.left_out.at(LeftOut::kNoChange), 1);
}

TEST(TraceCases, AChangeFromNothingIsNoPairAndIsComputed) {
  TraceCase zero([](auto* rows) { (*rows)[3].mod = {12, 0, 1000}; });
  zero.options.threshold.threshold = 100;
  const FitCoeffsResult result = zero.Fit();
  EXPECT_EQ(result.experts[0].data.all.left_out.at(LeftOut::kChangeFromZero), 6);
  for (const ReplayedRun& run : result.experts[0].replay->runs) {
    EXPECT_EQ(ScheduleText(run.computed), "CSSCSSSSSSSC");
  }
}

// A third branch, and an unconditional one that exists in calls 2 to 4 and 6 to 7 only.
void AddInterval(std::vector<TraceRow>* rows) {
  const std::vector<TraceRow> cond = *rows;
  for (const TraceRow& row : cond) {
    if (row.call < 2 || row.call > 7 || row.call == 5) continue;
    TraceRow uncond = row;
    uncond.branch = "uncond";
    if (row.call == 2) uncond.mod = uncond.res = {};
    if (row.call == 6) {  // against call 4
      uncond.mod = {380, 400, 1000};
      uncond.res = {10, 300, 1000};
    }
    rows->push_back(uncond);
    TraceRow third = uncond;
    third.branch = "ref";
    if (row.call == 3) {
      third.mod = {360, 400, 1000};
      third.res = {30, 300, 1000};
    }
    rows->push_back(third);
  }
}

TEST(TraceCases, NoPairAcrossAGapAndNoThirdBranch) {
  TraceCase interval(AddInterval);
  interval.options.threshold.threshold = 100;
  const FitCoeffsResult result = interval.Fit();
  const CalibrationData& data = result.experts[0].data;
  // 11 of the conditional branch, calls 3, 4 and 7 of the other.
  EXPECT_EQ(data.all.pairs.size(), 6u * 14);
  EXPECT_EQ(data.all.branches, (std::vector<std::string>{"cond", "uncond"}));
  EXPECT_EQ(data.all.left_out.at(LeftOut::kGap), 12);
  EXPECT_EQ(data.all.left_out.at(LeftOut::kOtherBranch), 6 * 5);
  EXPECT_NEAR(interval.Slope(), 0.8, 0.02);
  ASSERT_TRUE(data.replay);
  EXPECT_EQ(data.replay->runs.size(), 12u);
  std::vector<std::string> schedules;
  for (size_t i = 0; i < 12; ++i) {
    schedules.push_back(
        ScheduleText(data.replay->runs[i], result.experts[0].replay->runs[i].computed));
  }
  EXPECT_THAT(schedules, Contains("CSSSSSSSSSSC").Times(6));
  EXPECT_THAT(schedules, Contains("--CSS-CS----").Times(6));
  // 10 of 12 and 3 of 5 calls are skipped: 17 of 34 ... counted over the calls that exist.
  EXPECT_NEAR(result.experts[0].replay->speedup, 17.0 / 4, 1e-12);
  const json j = json::parse(FitReportJson(result));
  EXPECT_EQ(j["experts"][0]["pairs"]["left_out"]["gap"], 12);
  EXPECT_THAT(FitReportText(result), HasSubstr("12 whose previous call is missing"));
  EXPECT_THAT(result.warnings, Contains(HasSubstr("30 of other branches")));
}

TEST(TraceCases, AThirdBranchHasAFitAndAReplayOfItsOwn) {
  TraceCase interval(AddInterval);
  SetBranches("ref", &interval.options.input.pairs);
  const FitCoeffsResult result = interval.Fit();
  EXPECT_EQ(result.experts[0].data.all.branches, std::vector<std::string>{"ref"});
  EXPECT_EQ(result.experts[0].data.all.pairs.size(), 6u * 3);
  EXPECT_EQ(result.coefficients.provenance.branches, "ref");
  ASSERT_TRUE(result.experts[0].data.replay);
  EXPECT_EQ(result.experts[0].data.replay->runs.size(), 6u);
  EXPECT_EQ(result.experts[0].data.replay->calls_per_run, 5);
  SetBranches("rof", &interval.options.input.pairs);
  EXPECT_THAT([&] { interval.Fit(); },
              ThrowsMessage<UserError>(HasSubstr("\"cond\", \"ref\", \"uncond\"")));
}

TEST(TraceCases, StateOfTheRunBeforeIsReported) {
  const TraceCase leak([](auto* rows) {
    if ((*rows)[0].prompt == "a") return;
    (*rows)[0].mod = {380, 400, 1000};
    (*rows)[0].res = {390, 300, 1000};
  });
  const FitCoeffsResult result = leak.Fit();
  EXPECT_THAT(result.warnings, Contains(HasSubstr("5 of 6 runs have a change at call 0")));
  EXPECT_EQ(result.experts[0].data.all.left_out.at(LeftOut::kFirstCall), 5);
  EXPECT_NEAR(leak.Slope(), 0.8, 0.02);
}

TEST(TraceCases, AnotherSizeIsNoPairAndIsComputed) {
  TraceCase size([](auto* rows) {
    for (TraceRow& row : *rows) {
      if (row.call >= 6) row.mod.n = row.res.n = 4000;
    }
    (*rows)[6].mod = {380, 100, 4000};
    (*rows)[6].res = {370, 100, 4000};
  });
  size.options.threshold.threshold = 100;
  const FitCoeffsResult result = size.Fit();
  EXPECT_EQ(result.experts[0].data.all.left_out.at(LeftOut::kSizeChange), 6);
  EXPECT_LT(result.experts[0].fit.x.hi, 0.36);
  for (const ReplayedRun& run : result.experts[0].replay->runs) {
    EXPECT_EQ(ScheduleText(run.computed), "CSSSSSCSSSSC");
  }
}

TEST(TraceCases, AnExpertsFirstCallOfEachRunIsNoPair) {
  TraceCase experts([](auto* rows) {
    const int change = (*rows)[0].prompt < "d" ? 5 : 6;
    for (TraceRow& row : *rows) row.expert = row.call < change ? "high" : "low";
    (*rows)[change].mod = {360, 400, 1000};
    (*rows)[change].res = {450, 300, 1000};
  });
  experts.options.threshold.threshold = 100;
  const FitCoeffsResult result = experts.Fit();
  ASSERT_EQ(result.experts.size(), 2u);
  for (const FittedExpert& expert : result.experts) {
    EXPECT_NEAR(expert.fit.polynomial.coefficients()[0], 0.8, 0.03) << expert.data.expert;
    ASSERT_TRUE(expert.data.replay);
    EXPECT_EQ(expert.data.replay->runs.size(), 6u);
  }
  const FittedExpert& low = result.experts[1];
  EXPECT_EQ(low.data.all.left_out.at(LeftOut::kExpertChange), 6);
  EXPECT_EQ(low.data.all.pairs.size(), 3u * 6 + 3 * 5);
  // Its last call is always computed, of short runs, too.
  EXPECT_EQ(low.data.fitted.pairs.size(), 3u * 5 + 3 * 4);
  EXPECT_EQ(ScheduleText(low.data.replay->runs[5], low.replay->runs[5].computed), "CSSSSC-");
}

TEST(TraceCases, ACallThatWasNotRecordedIsAGap) {
  const TraceCase gap([](auto* rows) { rows->erase(rows->begin() + 4); });
  const FitCoeffsResult result = gap.Fit();
  EXPECT_EQ(result.experts[0].data.all.left_out.at(LeftOut::kGap), 6);
  EXPECT_FALSE(result.experts[0].data.replay);
  // Without a row of call 0, where nothing is measured, call 1 has a predecessor.
  const TraceCase first([](auto* rows) { rows->erase(rows->begin()); });
  EXPECT_EQ(first.Fit().experts[0].data.all.pairs.size(), 6u * 11);
  EXPECT_EQ(first.Fit().experts[0].data.replay->runs.size(), 6u);
}

TEST(TraceCases, OrderOfRowsDoesNotMatter) {
  TraceCase straight([](auto*) {});
  TraceCase reversed([](auto* rows) { std::reverse(rows->begin(), rows->end()); });
  EXPECT_EQ(reversed.Fit().coefficients.set.coefficients,
            straight.Fit().coefficients.set.coefficients);
}

TEST(TraceCases, CopiesOfARunCountOnce) {
  const TraceCase copies(
      [](auto* rows) {
        const std::string name = (*rows)[0].prompt;
        const std::vector<TraceRow> source = MakeRun(name < "d" ? "a" : name, 0);
        *rows = source;
        for (TraceRow& row : *rows) row.prompt = name;
      },
      "abcdef");
  const FitCoeffsResult result = copies.Fit();
  EXPECT_EQ(result.coefficients.provenance.prompts, 4);
  EXPECT_EQ(result.experts[0].data.replay->runs.size(), 4u);
  EXPECT_EQ(result.experts[0].diagnostics.num_groups, 4);
  EXPECT_EQ(result.experts[0].data.all.left_out.at(LeftOut::kCopy), 24);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("2 of 6 runs are exact copies")));
}

std::string CsvOf(const std::function<std::string(char prompt, int call)>& line) {
  std::string text = "x,y,prompt,call\n";
  for (const char prompt : std::string("abcde")) {
    for (int call = 1; call <= 24; ++call) text += line(prompt, call) + "\n";
  }
  return text;
}

FitCoeffsResult FitText(const std::string& text, const std::string& name = "pairs.csv") {
  TempDir dir;
  std::ofstream(dir / name) << text;
  FitCoeffsOptions options;
  options.input.files = {dir / name};
  options.fit.degree = 1;
  options.diagnostics.bootstrap = 20;
  options.diagnostics.learning_repeats = 5;
  return RunFitCoeffs(options);
}

TEST(TraceCases, EverySecondXOfZeroLooksLikeTwoBranches) {
  const FitCoeffsResult result = FitText(CsvOf([](char prompt, int call) {
    const double x = call % 2 == 1 ? 0 : 0.1 + 0.01 * ((call * 7 + prompt) % 13);
    return fmt::format("{},{},{},{}", x, 0.1 + 0.01 * ((call * 5 + prompt) % 11), prompt, call);
  }));
  EXPECT_EQ(result.experts[0].diagnostics.verdict, Verdict::kWrongData);
  EXPECT_THAT(result.experts[0].diagnostics.verdict_text, HasSubstr("two branches"));
  EXPECT_THAT(result.warnings, Contains(HasSubstr("Every second x is exactly 0")));
}

TEST(TraceCases, CopiesInPairsCountOnce) {
  const FitCoeffsResult result = FitText(CsvOf([](char prompt, int call) {
    const int of = prompt == 'e' ? 1 : 0;
    const double x = 0.1 + 0.01 * ((call * 7 + of) % 13);
    return fmt::format("{},{},{},{}", x, 0.8 * x + 0.001 * (call % 3), prompt, call);
  }));
  EXPECT_THAT(result.warnings, Contains(HasSubstr("3 of 5 runs are exact copies")));
  EXPECT_EQ(result.experts[0].data.all.pairs.size(), 48u);
  EXPECT_EQ(result.experts[0].data.all.prompts, (std::vector<std::string>{"a", "e"}));
}

TEST(TraceCases, TargetsOfZeroInPairsAreRefused) {
  EXPECT_THAT(
      [] {
        FitText(CsvOf([](char prompt, int call) {
          return fmt::format("{},{},{},{}", 0.1 + 0.01 * (call % 5), 0, prompt, call);
        }));
      },
      ThrowsMessage<UserError>(HasSubstr("overwritten in place")));
}

TEST(TraceCases, TheNumberOfPromptsDecidesAboutAnMlxFile) {
  TempDir dir;
  std::ofstream(dir / "c.json")
      << R"({"variant": "m", "num_inference_steps": 4, "n_fit_prompts": 3, "signals": {"A":
             {"x_values": [0.05, 0.2, 0.05, 0.21, 0.06, 0.19],
              "y_values": [0.04, 0.15, 0.05, 0.16, 0.04, 0.14]}}})";
  CalibrationInput input;
  input.files = {dir / "c.json"};
  const Calibration calibration = ReadCalibration(input);
  EXPECT_EQ(calibration.experts[0].all.prompts.size(), 3u);
  EXPECT_EQ(calibration.experts[0].all.calls, 3);
  EXPECT_THAT(calibration.warnings, Contains(HasSubstr("the number of prompts decides")));
}

TEST(TraceCases, WhatXIsOfMustBeKnown) {
  TraceCase silent([](auto*) {}, "abcdef", "");
  EXPECT_THAT([&] { silent.Fit(); }, ThrowsMessage<UserError>(HasSubstr("--modulated")));
  silent.options.input.modulated = "time_embed";
  EXPECT_EQ(silent.Fit().coefficients.provenance.modulated, "time_embed");
  TraceCase other([](auto*) {});
  other.options.input.modulated = "time";
  EXPECT_THAT([&] { other.Fit(); }, ThrowsMessage<UserError>(HasSubstr("\"input\"")));
}

TEST(TraceCases, AnotherSignalThanTheEnginesIsTheFirstWarning) {
  TempDir out;
  TraceCase input([](auto*) {});
  input.options.threshold.threshold = 0.3;
  input.options.emit = {"comfyui"};
  input.options.emit_folder = out / "e";
  input.options.model = "Wan2.1-T2V-1.3B";
  const FitCoeffsResult result = input.Fit();
  ASSERT_FALSE(result.warnings.empty());
  EXPECT_THAT(result.warnings[0], HasSubstr("comfyui looks at the time embedding"));
  std::ifstream file(out / "e/comfyui.py.provenance.json");
  const json provenance = json::parse(file);
  EXPECT_THAT(provenance["warnings"][0].get<std::string>(), HasSubstr("the time embedding"));
  EXPECT_EQ(provenance["by_rule"]["verdict"]["kind"],
            ToString(result.experts[0].diagnostics.verdict));
  input.options.model = "FLUX.1-dev";
  EXPECT_THAT(input.Fit().warnings, Not(Contains(HasSubstr("looks at"))));

  ScoreCoefficientsOptions score;
  score.input.files = {input.path()};
  score.coefficients = "wan2.1-t2v-1.3b";
  const ScoreResult scored = RunScore(score);
  EXPECT_THAT(scored.warnings[0], HasSubstr("for the time embedding"));
  EXPECT_THAT(
      ScoreReportText(scored),
      AllOf(HasSubstr("Verdict: x of this trace is of"), Not(HasSubstr("worse than a constant"))));
}

TEST(TraceCases, EachEngineGetsTheThresholdOfItsOwnRule) {
  TempDir out;
  TraceCase trace([](auto*) {});
  trace.options.threshold.target_skips = 4;
  trace.options.emit = {"sglang", "lightx2v"};
  trace.options.emit_folder = out / "e";
  const FitCoeffsResult result = trace.Fit();
  const auto read = [&](const std::string& name) {
    std::ifstream file(out / ("e/" + name));
    return json::parse(file);
  };
  EXPECT_EQ(read("lightx2v.json")["teacache_thresh"], *result.coefficients.set.threshold);
  const json facts = read("sglang.json.provenance.json")["by_rule"];
  EXPECT_GE(facts["predicted_skips"].get<double>(), 4);
  // SGLang computes five calls at the start: it needs a larger one.
  EXPECT_GT(read("sglang.json")["teacache_thresh"].get<double>(),
            *result.coefficients.set.threshold);
  trace.options.threshold.target_skips = 9;
  const FitCoeffsResult unreachable = trace.Fit();
  EXPECT_THAT(unreachable.warnings, Contains(HasSubstr("sglang: 9 skips cannot be reached")));
}

// Two files whose headers differ in one field.
class MixedFiles : public testing::TestWithParam<std::string TraceHeader::*> {};

TEST_P(MixedFiles, AreMergedOnPurposeOnly) {
  TempDir dir;
  CalibrationInput input;
  for (const char* value : {"first", "second"}) {
    TraceHeader header;
    header.model = "case";
    header.steps = header.calls = kCalls;
    header.modulated = "input";
    header.*GetParam() = value;
    input.files.push_back(dir / (std::string(value) + ".jsonl"));
    TraceWriter writer(input.files.back(), header);
    writer.Append(MakeRun(value, 0));
  }
  EXPECT_THAT(
      [&] { ReadCalibration(input); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("differs in "), HasSubstr("--allow-mixed"))));
  input.allow_mixed = true;
  const Calibration mixed = ReadCalibration(input);
  EXPECT_THAT(mixed.warnings, Contains(HasSubstr("mixed on purpose")));
  EXPECT_EQ(mixed.experts[0].all.pairs.size(), 22u);
}

INSTANTIATE_TEST_SUITE_P(TraceCases,
                         MixedFiles,
                         testing::Values(&TraceHeader::task,
                                         &TraceHeader::revision,
                                         &TraceHeader::weights_sha256));

// Video and audio in one call: audio changes twice as much and has a quarter of the size.
void AddAudio(std::vector<TraceRow>* rows) {
  const std::vector<TraceRow> video = *rows;
  for (TraceRow& row : *rows) row.stream = "video";
  for (TraceRow row : video) {
    row.stream = "audio";
    if (row.call > 0) {
      row.mod = {2 * row.mod.diff_l1 / 4, 100, 250};
      row.res = {2 * row.res.diff_l1 / 4, 75, 250};
    }
    rows->push_back(row);
  }
}

TEST(TraceCases, StreamsAreAddedUpOrTakenAlone) {
  TraceCase both(AddAudio);
  TraceCase plain([](auto*) {});
  const auto xs = [](const TraceCase& c) { return Xs(c.Fit().experts[0].data.all); };
  const std::vector<double> video = xs(plain);
  const std::vector<double> sums = xs(both);
  ASSERT_EQ(sums.size(), video.size());
  for (size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(sums[i], 1.2 * video[i], 1e-12);
  both.options.input.stream = "video";
  EXPECT_EQ(xs(both), video);
  both.options.input.stream = "text";
  EXPECT_THAT([&] { both.Fit(); }, ThrowsMessage<UserError>(HasSubstr("\"audio\", \"video\"")));
}

TEST(TraceCases, SegmentsAndSamplesAreComparedWithThemselves) {
  TraceCase pieces([](auto* rows) {
    const std::vector<TraceRow> first = *rows;
    for (TraceRow row : first) {
      row.segment = 1;
      row.mod.n = row.res.n = row.call > 0 ? 500 : 0;
      rows->push_back(row);
    }
    for (TraceRow row : first) {
      row.sample = 1;
      rows->push_back(row);
    }
  });
  pieces.options.threshold.threshold = 100;
  const FitCoeffsResult result = pieces.Fit();
  EXPECT_EQ(result.experts[0].data.all.pairs.size(), 6u * 33);
  EXPECT_TRUE(result.experts[0].data.all.left_out.empty());
  EXPECT_EQ(result.experts[0].data.replay->runs.size(), 18u);
  EXPECT_EQ(result.experts[0].replay->mean_skips, 10);
}

TEST(TraceCases, SpeedUpsCountEvaluations) {
  TraceCase heun([](auto* rows) {
    for (TraceRow& row : *rows) row.evaluations = row.call + 1 < kCalls ? 2 : 1;
  });
  heun.options.threshold.threshold = 100;
  const FittedExpert expert = heun.Fit().experts[0];
  // 23 evaluations, of which the first two and the last one are computed.
  EXPECT_NEAR(expert.replay->speedup, 23.0 / 3, 1e-12);
  EXPECT_NEAR(expert.sweep.back().speedup, 23.0 / 3, 1e-12);
}

TEST(TraceCases, OnePromptGetsADegreeThatItCanBear) {
  TraceCase one([](auto*) {}, "a");
  one.options.fit.degree = 4;
  one.options.lower_degree = true;
  const FitCoeffsResult result = one.Fit();
  EXPECT_LT(result.experts[0].options.degree, 4);
  EXPECT_EQ(result.experts[0].diagnostics.verdict, Verdict::kTooFew);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("record more prompts")));
}

TEST(TraceCases, AutoTakesNoDegreeThatWigglesBetweenFewX) {
  // A time signal: the same 11 x in every prompt.
  TraceCase time(
      [](auto* rows) {
        for (TraceRow& row : *rows) {
          if (row.call == 0) continue;
          const double x = 0.02 * row.call;
          row.mod = {400 * x, 400, 1000};
          row.res = {
              300 * (0.2 + 0.1 * ((row.call * 7) % 5) + 0.001 * (row.prompt[0] % 3)), 300, 1000};
        }
      },
      "abcdefgh",
      "time");
  time.options.choose_degree = true;
  EXPECT_LE(time.Fit().experts[0].options.degree, 2);
}

TEST(TraceCases, TheLearningCurveEndsAtTheLeftOneOutError) {
  const TraceCase plain([](auto*) {});
  const Diagnostics d = plain.Fit().experts[0].diagnostics;
  ASSERT_FALSE(d.learning.empty());
  EXPECT_EQ(d.learning.back().prompts, 5);
  EXPECT_EQ(d.learning.back().rmse, d.cv.rmse);
}

TEST(TraceCases, AFixedCadenceInDisguise) {
  const TraceCase plain([](auto*) {});
  ScoreCoefficientsOptions score;
  score.input.files = {plain.path()};
  score.coefficients = "0.1, 0.6";
  score.threshold = 1;
  EXPECT_THAT(RunScore(score).engine_warnings, Contains(HasSubstr("a fixed cadence in disguise")));
  score.threshold = 2;
  EXPECT_THAT(RunScore(score).engine_warnings, Not(Contains(HasSubstr("cadence"))));
}

}  // namespace
}  // namespace teacache
