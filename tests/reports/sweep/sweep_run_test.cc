// RunSweep on a made-up system whose runs take microseconds and fail when told to.

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <stdexcept>

#include "datasets/base/error.h"
#include "datasets/base/journal.h"
#include "datasets/video/video.h"
#include "metrics/pairs/score_video.h"
#include "reports/findings/labels.h"
#include "reports/sweep/sweep.h"
#include "tests/runners/sampling/fake_run.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct FakeOptions {
  int calls = 12;
  int branches = 1;
  bool can_change_steps = true;
  std::string failing_prompt = {};  // its runs throw
  std::string prompt_suffix = {};
  std::string decoder_digest = {};
  int* runs = nullptr;  // counts Begin()
};

class FakeSystem : public System {
 public:
  explicit FakeSystem(const FakeOptions& options) : options_(options) {
    info_.name = "fake";
    info_.description = "made up";
    info_.scheduler = "fake";
    info_.dtype = "float32";
    info_.device = "cpu";
    info_.modulated = "input";
    info_.steps = info_.calls = options.calls;
    info_.width = info_.height = 32;
    info_.frames = 3;
    info_.fps = 8;
    info_.prompt_suffix = options.prompt_suffix;
    info_.decoder_digest = options.decoder_digest;
  }

  const SystemInfo& info() const override { return info_; }
  void CheckPrompt(const std::string&) const override {}

  std::unique_ptr<DenoisingRun> Begin(const std::string& prompt) const override {
    if (prompt == options_.failing_prompt) throw std::runtime_error("the fake broke");
    if (options_.runs) ++*options_.runs;
    const auto own = static_cast<int>(std::hash<std::string>()(prompt) % 7);
    std::vector<FakeBranch> branches;
    for (int b = 0; b < options_.branches; ++b) {
      FakeBranch branch;
      branch.name = options_.branches == 1 ? "batched" : b == 0 ? "cond" : "uncond";
      float signal = 1;
      for (int call = 0; call < options_.calls; ++call) {
        branch.signal.push_back(signal);
        const float change = 0.04F + 0.02F * static_cast<float>((call * 5 + own) % 4);
        signal *= 1 + change;
        branch.residual.push_back(1 + 0.3F * signal);
      }
      branches.push_back(branch);
    }
    return std::make_unique<FakeRun>(branches);
  }
  std::unique_ptr<Scheduler> MakeScheduler() const override {
    return std::make_unique<FakeScheduler>(options_.calls, 0.1 / options_.calls);
  }
  at::Tensor Noise(int64_t seed) const override {
    return at::full({}, 0.1 * static_cast<double>(seed + 1));
  }
  Video Decode(const at::Tensor& latent) const override {
    const double z = latent.item<double>();
    Video video;
    video.fps = info_.fps;
    for (int t = 0; t < info_.frames; ++t) {
      Frame frame{info_.width, info_.height, {}};
      for (int i = 0; i < 3 * info_.width * info_.height; ++i) {
        frame.rgb.push_back(static_cast<uint8_t>(128 + 100 * std::sin(z + 0.01 * i + t)));
      }
      video.frames.push_back(std::move(frame));
    }
    return video;
  }
  std::unique_ptr<System> WithSteps(int steps) const override {
    if (!options_.can_change_steps) return nullptr;
    FakeOptions other = options_;
    other.calls = steps;
    return std::make_unique<FakeSystem>(other);
  }

 private:
  FakeOptions options_;
  SystemInfo info_;
};

SweepOptions Options(const TempDir& folder) {
  SweepOptions options;
  options.out = folder / "sweep";
  options.fit_prompts = {"fit one", "fit two", "fit three"};
  options.test_prompts = {"one", "two", "three"};
  options.thresholds = {0.1, 0.25};
  options.degree = 1;
  options.timed_runs = 2;
  options.argv = {"sweep-report"};
  return options;
}

const ReportRow& Row(const Report& report, const std::string& id) {
  const auto found = std::ranges::find(report.rows, id, &ReportRow::id);
  if (found == report.rows.end()) throw std::runtime_error("no row " + id);
  return *found;
}

int Computed(const ReportVideo& video) {
  return static_cast<int>(std::ranges::count(video.computed, true));
}

TEST(RunSweep, BaselinesHaveAsManyCalls) {
  const TempDir folder;
  const SweepOutcome outcome = RunSweep(FakeSystem({}), Options(folder));
  EXPECT_EQ(outcome.failed, 0);
  const Report& report = outcome.report;
  ASSERT_EQ(report.rows.size(), 11u);
  for (const ReportRow& row : report.rows) {
    ASSERT_EQ(row.videos.size(), 3u) << row.id;
    for (const ReportVideo& video : row.videos) {
      EXPECT_EQ(video.total_runs.size(), 2u) << row.id;
      EXPECT_TRUE(std::filesystem::exists(folder / ("sweep/" + video.path)));
      EXPECT_TRUE(std::filesystem::exists(folder / ("sweep/" + video.scored_path)));
    }
    if (row.matches.empty() || row.policy == "magcache") continue;
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(Computed(row.videos[i]), Computed(Row(report, row.matches).videos[i])) << row.id;
    }
  }
  EXPECT_LT(Row(report, "teacache-0.25").computed_mean, Row(report, "teacache-0.1").computed_mean);
  EXPECT_EQ(report.comparisons.size(), 8u);
  EXPECT_EQ(report.context.fit_prompts.size(), 3u);
}

// Counts how often a frame of a ground truth is looked at.
class CountingMetric : public Metric {
 public:
  CountingMetric() : Metric({.name = "counting", .label = "counting"}) {}
  std::vector<double> Score(std::span<const FramePair> pairs) const override {
    ++calls_;
    return std::vector<double>(pairs.size(), 0.5);
  }
  int calls() const { return calls_; }

 private:
  mutable std::atomic<int> calls_ = 0;
};

// Of all settings at once (of eight at a time), with the digits of each video by itself.
TEST(RunSweep, ScoresAllSettingsInOnePass) {
  const TempDir folder;
  SweepOptions options = Options(folder);
  const auto counting = std::make_shared<const CountingMetric>();
  options.metrics.push_back(counting);
  options.baselines = {"uniform"};
  const Report report = RunSweep(FakeSystem({}), options).report;
  ASSERT_EQ(report.rows.size(), 5u);
  const ReportRow& uncached = Row(report, "none");
  int scored = 0;
  for (const ReportRow& row : report.rows) {
    if (row.policy == "none") continue;
    for (size_t i = 0; i < row.videos.size(); ++i) {
      const ReportVideo& video = row.videos[i];
      const VideoScore alone =
          ScoreVideos(ReadVideo(folder / ("sweep/" + uncached.videos[i].scored_path)),
                      ReadVideo(folder / ("sweep/" + video.scored_path)));
      for (const char* metric : {"psnr", "ssim"}) {
        const double expected = alone.scores.at(metric);
        ASSERT_EQ(video.scores.contains(metric), std::isfinite(expected)) << row.id;
        if (!std::isfinite(expected)) continue;
        EXPECT_EQ(video.scores.at(metric), expected) << row.id;
      }
      ++scored;
    }
  }
  EXPECT_EQ(scored, 4 * 3);
  EXPECT_EQ(counting->calls(), 3 * 3);  // prompts, frames
}

TEST(RunSweep, PicturesTooSmallForAMetricAreRefusedBeforeTheWork) {
  const TempDir folder;
  SweepOptions options = Options(folder);
  options.metrics = MakeMetrics("psnr,ms-ssim");
  int runs = 0;
  EXPECT_THAT([&] { RunSweep(FakeSystem({.runs = &runs}), options); },
              testing::ThrowsMessage<UserError>(
                  HasSubstr("--metrics: MS-SSIM needs pictures of 176x176 or larger but those of "
                            "fake are 32x32")));
  EXPECT_EQ(runs, 0);
}

// Every branch decides for itself; a baseline gets the mean of the branches.
TEST(RunSweep, SeveralBranches) {
  const TempDir folder;
  const SweepOutcome outcome = RunSweep(FakeSystem({.branches = 2}), Options(folder));
  EXPECT_EQ(outcome.failed, 0);
  const ReportRow& teacache = Row(outcome.report, "teacache-0.25");
  EXPECT_EQ(teacache.calls, 24);
  EXPECT_EQ(teacache.videos[0].computed.size(), 24u);
  EXPECT_EQ(teacache.videos[0].replayed.size(), 24u);
  EXPECT_DOUBLE_EQ(Row(outcome.report, "uniform-as-0.25").computed_mean, teacache.computed_mean);
}

TEST(RunSweep, AFailedPromptIsShownAndTriedAgain) {
  const TempDir folder;
  const SweepOptions options = Options(folder);
  const SweepOutcome broken = RunSweep(FakeSystem({.failing_prompt = "two"}), options);
  EXPECT_EQ(broken.failed, 11);
  const ReportRow& row = Row(broken.report, "teacache-0.25");
  EXPECT_EQ(row.failed, 1);
  EXPECT_THAT(row.videos[1].error, HasSubstr("the fake broke"));
  EXPECT_EQ(row.scores.at("psnr").n + row.scores.at("psnr").identical, 2);
  EXPECT_EQ(row.total.n, 4);
  EXPECT_THAT(row.notes, Contains(HasSubstr("2 of 3 videos")));
  EXPECT_THAT(Row(broken.report, "uniform-as-0.25").videos[1].error, HasSubstr("no number"));
  EXPECT_THAT(ConclusionTexts(broken.report), Contains(HasSubstr("11 of 33 videos failed")));

  int runs = 0;
  const SweepOutcome healed = RunSweep(FakeSystem({.runs = &runs}), options);
  EXPECT_EQ(healed.failed, 0);
  // One recording and two timed runs of every setting of that prompt; nothing of the others.
  EXPECT_EQ(runs, 1 + 2 * 11);
}

TEST(RunSweep, AVideoThatWasCutIsMadeAgain) {
  const TempDir folder;
  const SweepOptions options = Options(folder);
  const Report first = RunSweep(FakeSystem({}), options).report;
  const std::string path = options.out + "/" + Row(first, "teacache-0.25").videos[1].scored_path;
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size / 2);
  int runs = 0;
  EXPECT_EQ(RunSweep(FakeSystem({.runs = &runs}), options).failed, 0);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(std::filesystem::file_size(path), size);
}

TEST(RunSweep, FewerStepsNeedASystemThatCanChangeThem) {
  const TempDir folder;
  const SweepOutcome outcome = RunSweep(FakeSystem({.can_change_steps = false}), Options(folder));
  EXPECT_EQ(outcome.failed, 0);
  EXPECT_EQ(outcome.report.rows.size(), 9u);
  EXPECT_THAT(outcome.report.context.warnings, Contains(HasSubstr("cannot change its steps")));
}

TEST(RunSweep, TimeDecidesHowManyPrompts) {
  const TempDir folder;
  SweepOptions options = Options(folder);
  options.max_minutes = 1e-6;
  const SweepOutcome outcome = RunSweep(FakeSystem({}), options);
  EXPECT_EQ(outcome.report.context.test_prompts, std::vector<std::string>{"one"});
  EXPECT_EQ(outcome.report.context.prompts_asked, 3);
  for (const ReportRow& row : outcome.report.rows) EXPECT_EQ(row.videos.size(), 1u);
  EXPECT_THAT(ConclusionTexts(outcome.report), Contains(HasSubstr("the time allowed no more")));
  // With more time it goes on.
  options.max_minutes = 0;
  EXPECT_EQ(RunSweep(FakeSystem({}), options).report.context.test_prompts.size(), 3u);
}

TEST(RunSweep, ThresholdsThatSkipNothingOrEverything) {
  const TempDir folder;
  SweepOptions options = Options(folder);
  options.thresholds = {0, 1e6};
  const Report report = RunSweep(FakeSystem({}), options).report;
  const ReportRow& nothing = Row(report, "teacache-0");
  EXPECT_EQ(nothing.computed_min, 12);
  EXPECT_EQ(nothing.scores.at("psnr").identical, 3);
  EXPECT_FALSE(nothing.scores.at("psnr").mean.has_value());
  EXPECT_THAT(nothing.notes, Contains(HasSubstr("Skips nothing")));
  const ReportRow& all = Row(report, "teacache-1000000");
  EXPECT_EQ(all.computed_max, 2);
  EXPECT_THAT(all.notes, Contains(HasSubstr("only the first and the last")));
  EXPECT_THAT(ConclusionTexts(report), Contains(HasSubstr("Nothing is skipped at threshold 0.")));
}

TEST(RunSweep, MoreTimedRunsAddOnlyWhatIsMissing) {
  const TempDir folder;
  SweepOptions options = Options(folder);
  options.baselines = {};
  RunSweep(FakeSystem({}), options);
  int runs = 0;
  options.timed_runs = 3;
  const Report report = RunSweep(FakeSystem({.runs = &runs}), options).report;
  EXPECT_EQ(runs, 3 * 3);  // settings x prompts
  EXPECT_EQ(Row(report, "teacache-0.1").total.n, 9);
}

// Another text after every prompt makes other videos, and other traces to fit; another decoder too.
TEST(RunSweep, AnotherSystemMakesAllAgain) {
  const TempDir folder;
  const SweepOptions options = Options(folder);
  int first = 0;
  RunSweep(FakeSystem({.runs = &first}), options);
  int again = 0;
  RunSweep(FakeSystem({.runs = &again}), options);
  EXPECT_EQ(again, 0);
  RunSweep(FakeSystem({.prompt_suffix = " motion score: 4.", .runs = &again}), options);
  EXPECT_EQ(again, first);
  RunSweep(FakeSystem({.decoder_digest = "d2", .runs = &again}), options);
  EXPECT_EQ(again, 2 * first);
}

TEST(RunSweep, SeveralCoefficientSets) {
  const TempDir folder;
  SweepOptions options = Options(folder);
  options.baselines = {"uniform"};
  options.coeffs = {"fitted", "[2, 0]", "opensora"};
  options.thresholds = {0.2};
  EXPECT_THROW(RunSweep(FakeSystem({}), options), UserError);  // no such published set
  options.coeffs.pop_back();
  const Report report = RunSweep(FakeSystem({}), options).report;
  ASSERT_EQ(report.fits.size(), 2u);
  EXPECT_EQ(report.fits[1].coefficients, (std::vector<double>{2, 0}));
  EXPECT_TRUE(report.fits[1].r2.has_value());
  EXPECT_EQ(report.rows.size(), 5u);
  EXPECT_EQ(report.decisions.size(), 2u);
  EXPECT_THAT(report.rows[2].id, HasSubstr("teacache-0.2-"));
  EXPECT_EQ(report.rows[4].matches, report.rows[2].id);
}

TEST(RunSweep, ThresholdsSpaceThemselves) {
  const TempDir folder;
  SweepOptions options = Options(folder);
  options.baselines = {};
  options.thresholds = {};
  options.auto_thresholds = 4;
  const Report report = RunSweep(FakeSystem({.calls = 30}), options).report;
  ASSERT_GE(report.rows.size(), 4u);
  ASSERT_LE(report.rows.size(), 5u);
  for (size_t i = 2; i < report.rows.size(); ++i) {
    EXPECT_GT(*report.rows[i].threshold, *report.rows[i - 1].threshold);
    EXPECT_LT(report.rows[i].computed_mean, report.rows[i - 1].computed_mean);
  }
  EXPECT_LE(report.rows.back().computed_mean, 4);  // where nothing more can be skipped
}

TEST(SweepOptions, SaysWhatIsWrong) {
  const TempDir folder;
  const auto error = [&](auto change) -> std::string {
    SweepOptions options = Options(folder);
    change(&options);
    try {
      options.Validate();
    } catch (const UserError& wrong) {
      return wrong.what();
    }
    return "no error";
  };
  EXPECT_EQ(error([](auto*) {}), "no error");
  EXPECT_THAT(error([](auto* o) { o->timed_runs = 0; }), HasSubstr("--timed-runs"));
  EXPECT_THAT(error([](auto* o) { o->baselines = {"luck"}; }), HasSubstr("'luck'"));
  EXPECT_THAT(error([](auto* o) { o->max_minutes = -1; }), HasSubstr("--max-minutes"));
  EXPECT_THAT(error([](auto* o) { o->crf = 52; }), HasSubstr("--crf"));
  EXPECT_THAT(error([](auto* o) { o->coeffs = {"fitted", "fitted"}; }), HasSubstr("--coeffs"));
  EXPECT_THAT(error([](auto* o) { o->thresholds = {-0.1}; }), HasSubstr("at least 0"));
}

}  // namespace
}  // namespace teacache
