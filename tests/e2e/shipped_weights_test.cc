// The weights that the product ships: what they draw, and how caching behaves on them.

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "calib/fit/fit.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/shapes/shapes_scene.h"
#include "datasets/work/work_loop.h"
#include "runners/generate_videos.h"
#include "runners/systems/shapes_weights.h"
#include "runners/systems/system_list.h"
#include "runners/training/shapes_samples.h"
#include "tests/e2e/programs.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kFolder = SourceDir() + "/runners/weights/shapes";

std::vector<ShapesPrompt> Prompts(int count, uint64_t seed) {
  ShapesRng rng(seed);
  std::vector<ShapesPrompt> prompts;
  for (int i = 0; i < count; ++i) prompts.push_back(RandomShapesPrompt(&rng));
  return prompts;
}

class ShippedWeights : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(fs::path(kFolder) / "SHA256SUMS")) {
      GTEST_SKIP() << "runners/weights/shapes is not there (train-shapes makes it)";
    }
    if (!system_) {
      SystemOptions options;
      options.weights = kFolder;
      system_ = LoadSystem("shapes", options).release();
    }
  }
  static const System& system() { return *system_; }

  // One result of `make` per prompt, two at a time.
  template <typename Result>
  static std::vector<Result> ForEach(const std::vector<ShapesPrompt>& prompts,
                                     const std::function<Result(const ShapesPrompt&)>& make) {
    std::vector<Result> results(prompts.size());
    WorkOptions work;
    work.jobs = 2;
    work.start_thread = [] { at::set_num_threads(1); };
    const WorkSummary summary =
        RunWork(std::vector<std::string>(prompts.size()), work, {}, [&](size_t i) {
          return [&, i, result = make(prompts[i])] { results[i] = result; };
        });
    EXPECT_TRUE(summary.complete()) << SummaryText(summary, "prompts");
    return results;
  }

  static System* system_;
};
System* ShippedWeights::system_ = nullptr;

// 64 of 64 were right on every axis (overlap 0.94) when the weights were made; a processor with
// other rounding may lose one.
TEST_F(ShippedWeights, DrawWhatThePromptSays) {
  const std::vector<ShapesPrompt> asked = Prompts(64, 77);
  const auto policy = MakeNoCachePolicy();
  const auto seen = ForEach<ShapesObservation>(asked, [&](const ShapesPrompt& prompt) {
    return ObserveShapes(GenerateVideo(system(), *policy, ShapesText(prompt), 5).video, prompt);
  });
  const ShapesAdherence adherence = MeasureShapesAdherence(asked, seen);
  fmt::print("[ measured ] {}\n", Describe(adherence));
  EXPECT_GE(adherence.all, 0.9);
  EXPECT_GE(adherence.size, 0.95);
  EXPECT_GE(adherence.color, 0.95);
  EXPECT_GE(adherence.shape, 0.95);
  EXPECT_GE(adherence.motion, 0.95);
  EXPECT_GE(adherence.speed, 0.95);
  EXPECT_GE(adherence.background, 0.95);
  EXPECT_GE(adherence.largest_piece, 0.97);
  EXPECT_GE(adherence.overlap, 0.88);
}

struct SignalPairs {
  std::vector<double> x, y;  // relative changes of signal and residual, of calls that TeaCache
                             // decides about
};

SignalPairs RecordPairs(const System& system, const std::vector<ShapesPrompt>& prompts) {
  SignalPairs pairs;
  SampleOptions options;
  options.record = true;
  const auto policy = MakeNoCachePolicy();
  for (const ShapesPrompt& prompt : prompts) {
    const auto made = GenerateVideo(system, *policy, ShapesText(prompt), 3, options);
    for (const CallRecord& call : made.sample.calls) {
      if (call.call == 0 || call.call + 1 == system.info().calls) continue;
      pairs.x.push_back(call.mod.Ratio());
      pairs.y.push_back(call.res.Ratio());
    }
  }
  return pairs;
}

double Pearson(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
  }
  return xy / std::sqrt(xx * yy);
}

TEST_F(ShippedWeights, TheSignalPredictsTheResidual) {
  const SignalPairs pairs = RecordPairs(system(), Prompts(6, 88));
  const double pearson = Pearson(pairs.x, pairs.y);
  fmt::print("[ measured ] Pearson {:.3f} over {} pairs\n", pearson, pairs.x.size());
  EXPECT_GE(pearson, 0.75);
}

TEST_F(ShippedWeights, FewerCallsAtHigherThresholds) {
  const SignalPairs pairs = RecordPairs(system(), Prompts(6, 88));
  const FitSummary fit = FitPolynomialQr(pairs.x, pairs.y, 4);
  std::vector<double> computed;
  for (const double threshold : {0.0, 0.05, 0.1, 0.2, 0.4, 0.8}) {
    const auto policy = MakeTeaCachePolicy({threshold, fit.polynomial});
    const auto counts = ForEach<int>(Prompts(4, 99), [&](const ShapesPrompt& prompt) {
      return GenerateVideo(system(), *policy, ShapesText(prompt), 1).sample.ComputedCount();
    });
    computed.push_back(std::accumulate(counts.begin(), counts.end(), 0.0) / 4);
    fmt::print("[ measured ] threshold {}: {} of {} calls\n",
               threshold,
               computed.back(),
               system().info().calls);
  }
  EXPECT_EQ(computed[0], system().info().calls);
  for (size_t i = 1; i < computed.size(); ++i) EXPECT_LE(computed[i], computed[i - 1]);
  EXPECT_LT(computed[2], computed[0]);
  EXPECT_LT(computed.back(), 0.5 * computed[0]);
  EXPECT_GE(computed.back(), 2);
}

TEST_F(ShippedWeights, Threshold0EqualsUncachedBitForBit) {
  for (const ShapesPrompt& prompt : Prompts(2, 11)) {
    const std::string text = ShapesText(prompt);
    const auto uncached = GenerateVideo(system(), *MakeNoCachePolicy(), text, 2);
    const auto zero =
        GenerateVideo(system(), *MakeTeaCachePolicy({0, Polynomial({1, 0})}), text, 2);
    EXPECT_TRUE(at::equal(zero.sample.latent, uncached.sample.latent));
    EXPECT_EQ(zero.sample.ComputedCount(), system().info().calls);
    for (size_t t = 0; t < uncached.video.frames.size(); ++t) {
      ASSERT_EQ(zero.video.frames[t].rgb, uncached.video.frames[t].rgb);
    }
  }
}

// Cached videos still show what was asked, at a threshold that skips about half of the calls.
TEST_F(ShippedWeights, CachedVideosStayRight) {
  const std::vector<ShapesPrompt> asked = Prompts(16, 55);
  const auto policy = MakeUniformPolicy(system().info().calls / 2);
  const auto seen = ForEach<ShapesObservation>(asked, [&](const ShapesPrompt& prompt) {
    return ObserveShapes(GenerateVideo(system(), *policy, ShapesText(prompt), 5).video, prompt);
  });
  const ShapesAdherence adherence = MeasureShapesAdherence(asked, seen);
  fmt::print("[ measured ] half of the calls: {}\n", Describe(adherence));
  EXPECT_GE(adherence.all, 0.8);
}

TEST_F(ShippedWeights, AreSmallAndSayHowTheyWereMade) {
  uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(kFolder)) bytes += entry.file_size();
  fmt::print("[ measured ] {} bytes, {} parameters of the transformer\n",
             bytes,
             system().info().parameters);
  EXPECT_LE(bytes, 20u * 1000 * 1000);
  const ShapesModel model = LoadShapesModel(kFolder);
  for (const char* key : {"config", "seed", "steps", "data", "loss", "tool"}) {
    EXPECT_TRUE(model.metadata.contains(key)) << key;
    EXPECT_NE(model.metadata.at(key), "") << key;
  }
}

TEST_F(ShippedWeights, DamageIsFound) {
  const TempDir copy;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    fs::copy(entry.path(), copy.path() / entry.path().filename());
  }
  const auto error = [&]() -> std::string {
    try {
      LoadShapesModel(copy.path().string());
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  ASSERT_EQ(error(), "no error");
  std::string bytes = ReadFile(copy / "transformer.safetensors");
  bytes[bytes.size() * 3 / 4] ^= 1;
  AtomicWriteFile(copy / "transformer.safetensors", bytes);
  EXPECT_THAT(error(), AllOf(HasSubstr("transformer.safetensors"), HasSubstr("sha256")));
  fs::remove(copy / "autoencoder.safetensors");
  EXPECT_THAT(error(), AllOf(HasSubstr("autoencoder.safetensors"), HasSubstr("missing")));
}

// Programs find the shipped weights without being told.
TEST_F(ShippedWeights, AreTheProgramsDefault) {
  const TempDir folder;
  const ProcessResult result =
      RunTool("generate-videos", {"--prompt", kShapesPrompts[1], "--out", folder / "run"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto run = nlohmann::json::parse(ReadFile(folder / "run/run.json"));
  EXPECT_EQ(run.at("weights_sha256"), system().info().weights_digest);
}

}  // namespace
}  // namespace teacache
