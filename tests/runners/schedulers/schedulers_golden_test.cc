// DDIM and PNDM against diffusers' classes (golden kind "schedulers").

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "runners/schedulers/ddim.h"
#include "runners/schedulers/pndm.h"
#include "tests/runners/models/golden_model.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

NoiseSchedule ScheduleOf(const GoldenCase& golden, const std::string& kind) {
  return ParseNoiseSchedule(golden.json.at("scheduler_config").at(kind), golden.name);
}

std::vector<int> Timesteps(const NoiseSchedule& schedule, const std::string& kind, int steps) {
  return kind == "ddim" ? DdimTimesteps({schedule, steps}) : PndmTimesteps({schedule, steps});
}

std::unique_ptr<Scheduler> Make(const NoiseSchedule& schedule, const std::string& kind, int steps) {
  return kind == "ddim" ? MakeDdimScheduler({schedule, steps})
                        : MakePndmScheduler({schedule, steps});
}

TEST(Schedulers, TimestepsEqualTheReferences) {
  for (const GoldenCase& golden : FindGoldenCases("schedulers")) {
    SCOPED_TRACE(golden.file.string());
    for (const auto& [key, expected] : golden.json.at("timesteps").items()) {
      SCOPED_TRACE(key);  // "pndm.150"
      const std::string kind = key.substr(0, key.find('.'));
      const int steps = std::stoi(key.substr(key.find('.') + 1));
      EXPECT_EQ(Timesteps(ScheduleOf(golden, kind), kind, steps), expected.get<std::vector<int>>());
    }
  }
}

TEST(Schedulers, EveryStepMatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("schedulers")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const auto& tolerance = golden.json.at("tolerance");
    const at::Tensor outputs = tensors.In("model_outputs");
    for (const auto& item : golden.json.at("scheduler_config").items()) {
      const std::string& kind = item.key();
      const NoiseSchedule schedule = ScheduleOf(golden, kind);
      const AlphaBars alpha_bars(schedule);
      const double exact = tolerance.at("alphas_cumprod_abs");
      EXPECT_TRUE(
          TensorsNear(alpha_bars.values(), tensors.Out(kind + ".alphas_cumprod"), 0, exact));
      EXPECT_TRUE(TensorsNear(
          alpha_bars.At(-1).view({1}), tensors.Out(kind + ".final_alpha_cumprod"), 0, exact));
      const double close = tolerance.at("prev_sample_max_rel_of_absmax");
      for (const int steps : golden.json.at("steps")) {
        const std::string name = kind + "." + std::to_string(steps);
        SCOPED_TRACE(name);
        const auto scheduler = Make(schedule, kind, steps);
        const at::Tensor expected = tensors.Out(name + ".prev_sample");
        ASSERT_EQ(scheduler->num_calls(), expected.size(0));
        at::Tensor x = tensors.In("sample");
        for (int call = 0; call < scheduler->num_calls(); ++call) {
          if (kind == "ddim") {
            const int t = static_cast<int>(scheduler->TimestepOf(call));
            EXPECT_TRUE(TensorsNearRel(PredictOriginal(x, outputs[call], alpha_bars.At(t)),
                                       tensors.Out(name + ".pred_original_sample")[call],
                                       close))
                << "call " << call;
          }
          x = scheduler->Step(call, outputs[call], x);
          EXPECT_TRUE(TensorsNearRel(x, expected[call], close)) << "call " << call;
        }
      }
    }
  }
}

}  // namespace
}  // namespace teacache
