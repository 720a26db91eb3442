#include "runners/training/training_loop.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_tensors.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Regression on data that every (seed, step, row) gives again: y = w x + b with w = (2, -1, 0.5)
// and b = 3. `rows` of a step are shared out over the replicas in order.
class Regression {
 public:
  explicit Regression(int rows_per_replica) : rows_(rows_per_replica) {}

  static TensorMap Start() {
    return {{"w", at::zeros({3})}, {"b", at::zeros({1})}, {"frozen", at::ones({2})}};
  }
  static bool Trainable(const std::string& name) { return name != "frozen"; }

  at::Tensor operator()(const TensorMap& parameters, int64_t step, int replica) const {
    const at::Tensor x =
        at::randn({16, 3}, at::detail::createCPUGenerator(MixSeed(1, 2, step, 0)), at::kFloat);
    const at::Tensor y = at::matmul(x, at::tensor({2.0F, -1.0F, 0.5F})) + 3;
    const at::Tensor rows = x.slice(0, replica * rows_, (replica + 1) * rows_);
    const at::Tensor error = at::matmul(rows, parameters.at("w")) + parameters.at("b") -
                             y.slice(0, replica * rows_, (replica + 1) * rows_);
    return error.square().mean();
  }

 private:
  int rows_;
};

TrainingOptions Options(int64_t steps, int replicas) {
  TrainingOptions options;
  options.stage = "regression";
  options.steps = steps;
  options.replicas = replicas;
  options.learning_rate = 0.05;
  options.warmup_steps = 5;
  options.clip_norm = 10;
  options.ema = 0.9;
  options.settings = "seed 1";
  return options;
}

TrainedParameters Fit(const TrainingOptions& options,
                      const TrainingObserver& observer = {},
                      const std::function<bool()>& stop = {}) {
  return Train(Regression::Start(),
               Regression::Trainable,
               Regression(16 / options.replicas),
               options,
               observer,
               stop);
}

void ExpectEqual(const TrainedParameters& actual, const TrainedParameters& expected) {
  for (const auto& [name, tensor] : expected.parameters) {
    EXPECT_TRUE(TensorsEqual(actual.parameters.at(name), tensor)) << name;
    EXPECT_TRUE(TensorsEqual(actual.ema.at(name), expected.ema.at(name))) << name;
  }
}

TEST(Train, LossFallsToTheAnswer) {
  TrainingOptions options = Options(300, 2);
  options.log_every = 50;
  std::vector<double> losses;
  std::vector<int64_t> steps;
  const TrainedParameters trained = Fit(options, [&](const TrainingProgress& progress) {
    losses.push_back(progress.loss);
    steps.push_back(progress.step);
    EXPECT_TRUE(progress.ema->contains("w"));
  });
  EXPECT_THAT(steps, ::testing::ElementsAre(50, 100, 150, 200, 250, 300));
  EXPECT_LT(losses.back(), 1e-3 * losses.front());
  EXPECT_EQ(trained.last_loss, losses.back());
  for (const TensorMap* values : {&trained.parameters, &trained.ema}) {
    EXPECT_TRUE(TensorsNear(values->at("w").detach(), at::tensor({2.0F, -1.0F, 0.5F}), 0, 0.02));
    EXPECT_TRUE(TensorsNear(values->at("b").detach(), at::tensor({3.0F}), 0, 0.02));
    EXPECT_TRUE(TensorsEqual(values->at("frozen"), at::ones({2})));
  }
}

TEST(Train, SameSeedSameBits) {
  for (const int replicas : {1, 2, 4}) {
    ExpectEqual(Fit(Options(40, replicas)), Fit(Options(40, replicas)));
  }
}

TEST(Train, StartingValuesAreNotTouched) {
  const TensorMap start = Regression::Start();
  Train(start, Regression::Trainable, Regression(16), Options(3, 1));
  EXPECT_TRUE(TensorsEqual(start.at("w"), at::zeros({3})));
}

// Two replicas of 8 rows have the mean gradient of one of 16.
TEST(Train, ReplicasAreALargerBatch) {
  const TrainedParameters one = Fit(Options(60, 1));
  for (const int replicas : {2, 4}) {
    const TrainedParameters several = Fit(Options(60, replicas));
    EXPECT_TRUE(TensorsNear(several.parameters.at("w"), one.parameters.at("w"), 1e-4, 1e-5));
    EXPECT_TRUE(TensorsNear(several.ema.at("b"), one.ema.at("b"), 1e-4, 1e-5));
  }
}

TEST(Train, ResumedIsUninterrupted) {
  const TrainedParameters whole = Fit(Options(40, 2));
  for (const int stop_after : {1, 7, 20, 39}) {
    const TempDir folder;
    TrainingOptions options = Options(40, 2);
    options.checkpoint_path = folder / "checkpoint.safetensors";
    int polls = 0;
    Fit(options, {}, [&] { return ++polls >= stop_after; });
    EXPECT_EQ(polls, stop_after);
    int steps = 0;
    const TrainedParameters resumed = Fit(options, {}, [&] { return ++steps < 0; });
    EXPECT_EQ(steps, 40 - stop_after);
    ExpectEqual(resumed, whole);
    // Once finished, running again changes nothing.
    ExpectEqual(Fit(options), whole);
  }
}

// A run that was killed goes on from its last checkpoint.
TEST(Train, KilledRunsGoOnFromTheCheckpoint) {
  const TempDir folder;
  TrainingOptions options = Options(40, 2);
  options.checkpoint_path = folder / "checkpoint.safetensors";
  options.checkpoint_every = 10;
  const Regression regression(8);
  std::set<int64_t> seen;
  std::mutex mutex;
  const auto run = [&](int64_t fails_at) {
    seen.clear();
    return Train(
        Regression::Start(),
        Regression::Trainable,
        [&](const TensorMap& parameters, int64_t step, int replica) {
          if (step == fails_at && replica == 1) throw std::runtime_error("power cut");
          const std::lock_guard lock(mutex);
          seen.insert(step);
          return regression(parameters, step, replica);
        },
        options);
  };
  try {
    run(25);
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "power cut");
  }
  const TrainedParameters resumed = run(-1);
  EXPECT_EQ(*seen.begin(), 20);
  ExpectEqual(resumed, Fit(Options(40, 2)));
}

TEST(Train, TheLastLossSurvivesAFinishedRun) {
  const TempDir folder;
  TrainingOptions options = Options(20, 1);
  options.checkpoint_path = folder / "checkpoint.safetensors";
  const double loss = Fit(options).last_loss;
  ASSERT_GT(loss, 0);
  EXPECT_DOUBLE_EQ(Fit(options).last_loss, loss);
}

TEST(Train, ChecksWhoseCheckpointItIs) {
  const TempDir folder;
  TrainingOptions options = Options(10, 1);
  options.checkpoint_path = folder / "checkpoint.safetensors";
  Fit(options);
  const auto error = [&](const TrainingOptions& other) -> std::string {
    try {
      Fit(other);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  TrainingOptions other = options;
  other.settings = "seed 2";
  EXPECT_THAT(error(other), AllOf(HasSubstr("checkpoint.safetensors"), HasSubstr("settings")));
  other = options;
  other.stage = "another";
  EXPECT_THAT(error(other), HasSubstr("stage 'another'"));
  // Another model with the same settings.
  SaveTensors(options.checkpoint_path,
              {{"value.w", at::zeros({3})}},
              {{"stage", "regression"}, {"step", "3"}, {"settings", "seed 1"}});
  EXPECT_THAT(error(options), HasSubstr("value.b"));
}

// First step, by hand: gradient g clipped to norm 1, moment1 = 0.1 g, AdamW moves by the rate,
// the average follows with 1 - (1 + 1) / (10 + 1).
TEST(Train, FirstStepByHand) {
  const TempDir folder;
  TrainingOptions options;
  options.stage = "s";
  options.steps = 1;
  options.replicas = 1;
  options.learning_rate = 0.1;
  options.warmup_steps = 0;
  options.decay_share = 0;
  options.clip_norm = 1;
  options.checkpoint_path = folder / "c.safetensors";
  const TrainedParameters trained = Train(
      {{"w", at::tensor({1.0F, 1.0F})}},
      [](const std::string&) { return true; },
      [](const TensorMap& p, int64_t, int) {
        return (p.at("w") * at::tensor({3.0F, -4.0F})).sum();  // gradient of norm 5
      },
      options);
  const TensorMap checkpoint = LoadTensors(options.checkpoint_path);
  EXPECT_TRUE(TensorsNear(checkpoint.at("moment1.w"), at::tensor({0.06F, -0.08F}), 1e-5, 0));
  EXPECT_TRUE(TensorsNear(trained.parameters.at("w"), at::tensor({0.9F, 1.1F}), 1e-5, 0));
  EXPECT_TRUE(TensorsNear(
      trained.ema.at("w"), at::tensor({1 - 0.1F * 9 / 11, 1 + 0.1F * 9 / 11}), 1e-5, 0));
}

TEST(Train, AnObserverThatThrowsLeavesACheckpoint) {
  const TempDir folder;
  TrainingOptions options = Options(40, 2);
  options.checkpoint_path = folder / "checkpoint.safetensors";
  options.log_every = 7;
  EXPECT_THROW(Fit(options, [](const TrainingProgress&) { throw std::runtime_error("disk full"); }),
               std::runtime_error);
  EXPECT_TRUE(std::filesystem::exists(options.checkpoint_path));
  options.log_every = 100;
  ExpectEqual(Fit(options), Fit(Options(40, 2)));
}

TEST(TrainingOptions, RateByHand) {
  TrainingOptions options;
  options.steps = 100;
  options.warmup_steps = 10;
  options.decay_share = 0.4;
  options.final_share = 0.02;
  EXPECT_DOUBLE_EQ(options.RateAt(0), 0.1);
  EXPECT_DOUBLE_EQ(options.RateAt(9), 1);
  EXPECT_DOUBLE_EQ(options.RateAt(59), 1);
  EXPECT_NEAR(options.RateAt(80), 0.5, 1e-12);
  EXPECT_NEAR(options.RateAt(99), 0.025, 1e-12);
  options.steps = 10000;
  EXPECT_DOUBLE_EQ(options.RateAt(9999), 0.02);
  options.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(options.RateAt(0), 1);
}

TEST(MixSeed, EveryMicroBatchHasItsOwn) {
  std::set<uint64_t> seeds;
  for (uint64_t stage = 0; stage < 7; ++stage) {
    for (uint64_t step = 0; step < 1000; ++step) {
      for (uint64_t replica = 0; replica < 4; ++replica) {
        seeds.insert(MixSeed(1, stage, step, replica));
      }
    }
  }
  EXPECT_EQ(seeds.size(), 7u * 1000 * 4);
  EXPECT_NE(MixSeed(1, 5, 0, 0), MixSeed(2, 5, 0, 0));
}

}  // namespace
}  // namespace teacache
