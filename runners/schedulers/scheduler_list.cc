#include "runners/schedulers/scheduler_list.h"

#include <fmt/format.h>

#include <vector>

#include "datasets/base/choices.h"
#include "datasets/base/error.h"
#include "runners/schedulers/ddim.h"
#include "runners/schedulers/dpm_solver.h"
#include "runners/schedulers/flow_euler.h"
#include "runners/schedulers/unipc.h"

namespace teacache {
namespace {

using nlohmann::json;

constexpr int kMostTimesteps = 1'000'000;

// Settings that are not supported must be as they are by default.
void RefuseTrue(const JsonFields& config, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (config.Bool(name, false)) {
      ThrowUserError(config.where(), "{} must be false but is true", name);
    }
  }
}

void MustBe(const JsonFields& config, std::string_view name, const std::string& value) {
  const std::string given = config.String(name, value);
  if (given != value) ThrowUserError(config.where(), "{} must be {} but is {}", name, value, given);
}

template <typename E, size_t N>
E Choose(const JsonFields& config,
         std::string_view name,
         const Choices<E, N>& choices,
         std::string_view fallback) {
  return ChoiceOf(choices,
                  config.String(name, std::string(fallback)),
                  fmt::format("{}: {}", config.where(), name));
}

int Integer(const JsonFields& config, std::string_view name, int fallback, int most) {
  const int64_t value = config.Integer(name, fallback);
  if (value < 0 || value > most) {
    ThrowUserError(config.where(), "{} must be 0 to {} but is {}", name, most, value);
  }
  return static_cast<int>(value);
}

int TrainTimesteps(const JsonFields& config) {
  const int train = Integer(config, "num_train_timesteps", 1000, kMostTimesteps);
  if (train < 1) ThrowUserError(config.where(), "num_train_timesteps must be at least 1");
  return train;
}

FlowShift ParseShift(const JsonFields& config, std::string_view shift) {
  FlowShift flow;
  flow.shift = config.Number(shift, 1);
  flow.dynamic = config.Bool("use_dynamic_shifting", false);
  const std::string type = config.String("time_shift_type", "exponential");
  if (type != "exponential" && type != "linear") {
    ThrowUserError(config.where(), "time_shift_type must be exponential or linear but is {}", type);
  }
  flow.exponential = type == "exponential";
  const double terminal = config.Number("shift_terminal", 0);
  if (terminal != 0) flow.terminal = terminal;
  return flow;
}

void RefuseSigmas(const JsonFields& config, const SigmaList& sigmas) {
  if (sigmas.kind != SigmaList::Kind::kScheduler) {
    ThrowUserError(config.where(), "must make its own noise levels but the pipeline gives them");
  }
}

std::unique_ptr<Scheduler> FlowEuler(const JsonFields& config,
                                     const json& /*file*/,
                                     const SigmaList& sigmas) {
  RefuseTrue(
      config,
      {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "stochastic_sampling"});
  FlowEulerOptions options;
  options.num_train_timesteps = TrainTimesteps(config);
  options.shift = ParseShift(config, "shift");
  options.invert_sigmas = config.Bool("invert_sigmas", false);
  options.sigmas = sigmas;
  return MakeFlowEulerScheduler(options);
}

std::unique_ptr<Scheduler> UniPc(const JsonFields& config,
                                 const json& file,
                                 const SigmaList& sigmas) {
  using Prediction = UniPcOptions::Prediction;
  static constexpr Choices<Prediction, 3> kPredictions = {{{"flow_prediction", Prediction::kFlow},
                                                           {"sample", Prediction::kSample},
                                                           {"epsilon", Prediction::kEpsilon}}};
  RefuseTrue(config,
             {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "thresholding"});
  if (!config.Bool("use_flow_sigmas", false) || !config.Bool("predict_x0", true)) {
    ThrowUserError(config.where(), "use_flow_sigmas and predict_x0 must be true but are not");
  }
  MustBe(config, "solver_type", "bh2");  // of bh1 the reference makes NaN in the last call
  if (config.Has("solver_p")) ThrowUserError(config.where(), "solver_p must be null but is given");
  UniPcOptions options;
  options.num_train_timesteps = TrainTimesteps(config);
  options.order = Integer(config, "solver_order", 2, 3);
  options.lower_order_final = config.Bool("lower_order_final", true);
  options.final_sigma_zero = Choose(config,
                                    "final_sigmas_type",
                                    Choices<bool, 2>{{{"zero", true}, {"sigma_min", false}}},
                                    "zero");
  options.prediction = Choose(config, "prediction_type", kPredictions, "epsilon");
  if (file.contains("disable_corrector")) {
    for (const int64_t call : config.Integers("disable_corrector")) {
      options.disable_corrector.push_back(static_cast<int>(call));
    }
  }
  options.shift = ParseShift(config, "flow_shift");
  options.sigmas = sigmas;
  return MakeUniPcScheduler(options);
}

std::unique_ptr<Scheduler> DpmSolver(const JsonFields& config,
                                     const json& file,
                                     const SigmaList& sigmas) {
  using Prediction = DpmSolverOptions::Prediction;
  static constexpr Choices<Prediction, 4> kPredictions = {{{"epsilon", Prediction::kEpsilon},
                                                           {"sample", Prediction::kSample},
                                                           {"v_prediction", Prediction::kV},
                                                           {"flow_prediction", Prediction::kFlow}}};
  RefuseTrue(config,
             {"use_karras_sigmas",
              "use_exponential_sigmas",
              "use_beta_sigmas",
              "use_lu_lambdas",
              "thresholding",
              "rescale_betas_zero_snr",
              "use_dynamic_shifting"});
  MustBe(config, "algorithm_type", "dpmsolver++");
  for (const std::string_view name : {"trained_betas", "variance_type"}) {
    if (config.Has(name)) ThrowUserError(config.where(), "{} must be null but is given", name);
  }
  if (config.Has("lambda_min_clipped") && !file["lambda_min_clipped"].is_string()) {
    if (config.Number("lambda_min_clipped") > -1e30) {
      ThrowUserError(config.where(), "lambda_min_clipped must not clip but does");
    }
  }
  RefuseSigmas(config, sigmas);
  DpmSolverOptions options;
  options.schedule =
      ParseBetas(file, config.where(), {.timestep_spacing = NoiseSchedule::Spacing::kLinspace});
  options.steps = sigmas.steps;
  options.order = Integer(config, "solver_order", 2, 3);
  options.midpoint = Choose(
      config, "solver_type", Choices<bool, 2>{{{"midpoint", true}, {"heun", false}}}, "midpoint");
  options.lower_order_final = config.Bool("lower_order_final", true);
  options.euler_at_final = config.Bool("euler_at_final", false);
  options.final_sigma_zero = Choose(config,
                                    "final_sigmas_type",
                                    Choices<bool, 2>{{{"zero", true}, {"sigma_min", false}}},
                                    "zero");
  options.flow = config.Bool("use_flow_sigmas", false);
  options.flow_shift = config.Number("flow_shift", 1);
  options.prediction = Choose(config, "prediction_type", kPredictions, "epsilon");
  return MakeDpmSolverScheduler(options);
}

using DdimPrediction = DdimOptions::Prediction;
constexpr Choices<DdimPrediction, 3> kDdimPredictions = {{{"epsilon", DdimPrediction::kEpsilon},
                                                          {"sample", DdimPrediction::kSample},
                                                          {"v_prediction", DdimPrediction::kV}}};

std::unique_ptr<Scheduler> Ddim(const JsonFields& config,
                                const json& file,
                                const SigmaList& sigmas) {
  RefuseTrue(config, {"thresholding", "rescale_betas_zero_snr"});
  if (config.Has("trained_betas")) {
    ThrowUserError(config.where(), "trained_betas must be null but are given");
  }
  RefuseSigmas(config, sigmas);
  DdimOptions options;
  options.schedule = ParseBetas(file, config.where());
  options.steps = sigmas.steps;
  options.prediction = Choose(config, "prediction_type", kDdimPredictions, "epsilon");
  if (config.Bool("clip_sample", true)) options.clip = config.Number("clip_sample_range", 1);
  return MakeDdimScheduler(options);
}

// It does not clip, whatever clip_sample says.
std::unique_ptr<Scheduler> CogVideoXDdim(const JsonFields& config,
                                         const json& file,
                                         const SigmaList& sigmas) {
  if (config.Has("trained_betas")) {
    ThrowUserError(config.where(), "trained_betas must be null but are given");
  }
  RefuseSigmas(config, sigmas);
  DdimOptions options;
  options.schedule = ParseBetas(file,
                                config.where(),
                                {.beta_start = 0.00085,
                                 .beta_end = 0.0120,
                                 .beta_schedule = NoiseSchedule::Betas::kScaledLinear,
                                 .in_double = true});
  options.schedule.snr_shift_scale = config.Number("snr_shift_scale", 3);
  options.schedule.zero_terminal_snr = config.Bool("rescale_betas_zero_snr", false);
  options.steps = sigmas.steps;
  options.prediction = Choose(config, "prediction_type", kDdimPredictions, "epsilon");
  return MakeDdimScheduler(options);
}

struct Entry {
  std::string_view name;
  std::unique_ptr<Scheduler> (*make)(const JsonFields&, const json&, const SigmaList&);
};
constexpr Entry kSchedulers[] = {
    {"CogVideoXDDIMScheduler", CogVideoXDdim},
    {"DDIMScheduler", Ddim},
    {"DPMSolverMultistepScheduler", DpmSolver},
    {"FlowMatchEulerDiscreteScheduler", FlowEuler},
    {"UniPCMultistepScheduler", UniPc},
};

}  // namespace

std::unique_ptr<Scheduler> MakeDiffusersScheduler(std::string_view name,
                                                  const json& config,
                                                  const std::string& where,
                                                  const SigmaList& sigmas) {
  if (sigmas.steps < 1 || sigmas.steps > kMostTimesteps) {
    ThrowUserError("--steps", "must be 1 to {} but is {}", kMostTimesteps, sigmas.steps);
  }
  const JsonFields whole(config, where);  // an object
  json file = json::object();
  for (const auto& [key, value] : config.items()) {
    if (!value.is_null()) file[key] = value;  // null is "not given"
  }
  for (const Entry& entry : kSchedulers) {
    if (entry.name == name) {
      return entry.make(JsonFields(file, fmt::format("{}: {}", where, name)), file, sigmas);
    }
  }
  ThrowUserError(
      where, "the scheduler must be one of {} but is {}", DiffusersSchedulerNames(), name);
}

std::string DiffusersSchedulerNames() {
  std::string names;
  for (const Entry& entry : kSchedulers) {
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  return names;
}

}  // namespace teacache
