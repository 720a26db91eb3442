// teacache._native: what the Python package calls. The package checks types and gives defaults; the
// functions here do the work without Python's lock and return numbers, or JSON as text.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calib/fit_coeffs.h"
#include "calib/published_coefficients.h"
#include "calib/replay/threshold_sweep.h"
#include "calib/report/fit_report_json.h"
#include "datasets/base/error.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/version.h"
#include "metrics/frames/psnr.h"
#include "metrics/frames/ssim.h"
#include "metrics/metric_list.h"
#include "metrics/networks_module.h"
#include "metrics/pairs/evaluate.h"
#include "runners/python/array_video.h"

namespace nb = nanobind;

namespace teacache {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;

// Long work: without Python's lock, and ended by Ctrl-C where no other call is doing the same.
template <typename Work>
auto WithoutPython(const Work& work) {
  static std::mutex mutex;
  const nb::gil_scoped_release release;
  const std::unique_lock lock(mutex, std::try_to_lock);
  std::optional<InterruptGuard> guard;
  if (lock.owns_lock()) guard.emplace();
  return work();
}

ArrayVideo VideoOf(const std::string& where, const Array& array) {
  std::vector<int64_t> shape, strides;
  for (size_t i = 0; i < array.ndim(); ++i) {
    shape.push_back(static_cast<int64_t>(array.shape(i)));
    strides.push_back(array.stride(i));
  }
  const nb::dlpack::dtype type = array.dtype();
  using Type = ArrayVideo::Type;
  const std::vector<std::pair<nb::dlpack::dtype, Type>> types = {
      {nb::dtype<uint8_t>(), Type::kU8},
      {{static_cast<uint8_t>(nb::dlpack::dtype_code::Float), 16, 1}, Type::kF16},
      {{static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat), 16, 1}, Type::kBF16},
      {nb::dtype<float>(), Type::kF32},
      {nb::dtype<double>(), Type::kF64}};
  for (const auto& [known, value] : types) {
    if (known == type) return ArrayVideo(where, array.data(), value, shape, strides);
  }
  ThrowUserError(where, "must have values of type uint8, or float from 0 to 1, but has others");
}

// One value: of the samples as they lie there where the metric takes them so, else of copies of the
// two frames.
double ScoreFrame(const ArrayVideo& gt, const ArrayVideo& gen, int64_t t, const Metric& metric) {
  std::span<const uint8_t> a = gt.Samples(t), b = gen.Samples(t);
  Frame gt_copy, gen_copy;
  const auto copy = [t](const ArrayVideo& video, Frame* frame, std::span<const uint8_t>* samples) {
    *frame = video.Copy(t);
    *samples = frame->rgb;
  };
  if (a.empty()) copy(gt, &gt_copy, &a);
  if (b.empty()) copy(gen, &gen_copy, &b);
  const uint64_t error = SquaredError(a, b);
  if (error == 0) return metric.info().best;
  if (metric.info().name == "psnr") {
    return std::min(PsnrFromSquaredError(error, a.size()), metric.info().best);
  }
  if (metric.Kernel() == "ssim") return GaussianSsim(a, b, gt.width(), gt.height(), 3);
  if (gt_copy.rgb.empty()) copy(gt, &gt_copy, &a);
  if (gen_copy.rgb.empty()) copy(gen, &gen_copy, &b);
  const FramePair pair{&gt_copy, &gen_copy, error};
  return metric.Score({&pair, 1})[0];
}

MetricOptions OptionsOf(double psnr_cap,
                        const std::string& ssim_variant,
                        const std::string& lpips_net,
                        bool lpips_spatial,
                        const std::string& weights) {
  return {psnr_cap, ssim_variant, lpips_net, lpips_spatial, weights};
}

// Values of the frames, and the one of the video.
std::pair<std::vector<double>, double> Score(const std::string& name,
                                             const Array& gt_array,
                                             const Array& gen_array,
                                             const MetricOptions& options) {
  const ArrayVideo gt = VideoOf("a", gt_array), gen = VideoOf("b", gen_array);
  if (gt.width() != gen.width() || gt.height() != gen.height() || gt.frames() != gen.frames()) {
    ThrowUserError("b",
                   "must have the size of a, {} frames of {}x{}, but has {} of {}x{}",
                   gt.frames(),
                   gt.width(),
                   gt.height(),
                   gen.frames(),
                   gen.width(),
                   gen.height());
  }
  return WithoutPython([&] {
    const std::shared_ptr<const Metric> metric = MakeMetrics(name, options)[0];
    if (std::min(gt.width(), gt.height()) < metric->MinSize()) {
      ThrowUserError(metric->info().label,
                     "pictures must be at least {0}x{0} but are {1}x{2}",
                     metric->MinSize(),
                     gt.width(),
                     gt.height());
    }
    std::vector<double> values;
    for (int64_t t = 0; t < gt.frames(); ++t) {
      if (Interrupted()) throw Interruption(metric->info().label);
      values.push_back(ScoreFrame(gt, gen, t, *metric));
    }
    return std::pair(values, gt.is_picture() ? values[0] : metric->Pool(values));
  });
}

// results.json as text, and what the user should know.
std::pair<std::string, std::vector<std::string>> EvaluatePaths(EvaluateOptions* options,
                                                               const std::string& metrics,
                                                               const MetricOptions& metric_options,
                                                               const std::string& device) {
  return WithoutPython([&] {
    ScoreOptions& score = options->score;
    std::vector<std::string> notes;
    score.metrics = ChooseMetrics(metrics, metric_options, &notes);
    if (device != "cpu") {
      score.scorer = LoadNetworksModule("The comparison on a GPU")
                         .MakeScorer(device, score.metrics, /*tf32=*/false);
    }
    return std::pair(ResultsToJson(EvaluateFolders(*options)[0]), notes);
  });
}

std::string Fit(FitCoeffsOptions* options) {
  return WithoutPython(
      [&] { return FitReportJson(RunFitCoeffs(*options), {.pairs = 0, .runs = SIZE_MAX}); });
}

nlohmann::ordered_json RunsJson(const std::string& expert,
                                const ReplayInput& input,
                                const ReplaySummary& summary) {
  nlohmann::ordered_json records = nlohmann::ordered_json::array();
  for (size_t i = 0; i < summary.runs.size(); ++i) {
    const SignalRun& run = input.runs[i];
    records.push_back({{"expert", expert},
                       {"threshold", summary.threshold},
                       {"prompt", input.prompts[run.prompt]},
                       {"seed", run.seed},
                       {"branch", run.branch},
                       {"skips", summary.runs[i].skips},
                       {"longest_run", summary.runs[i].longest_run},
                       {"schedule", ScheduleText(run, summary.runs[i].computed)}});
  }
  return records;
}

// Records as JSON: of a threshold, or with `runs` of a threshold and run.
std::string ReplayTraces(const CalibrationInput& input,
                         const std::string& coefficients,
                         const std::vector<double>& thresholds,
                         bool runs) {
  return WithoutPython([&] {
    const Coefficients given = ResolveCoefficients(coefficients);
    const Calibration calibration = ReadCalibration(input);
    nlohmann::ordered_json records = nlohmann::ordered_json::array();
    for (const CalibrationData& data : calibration.experts) {
      if (!data.replay) {
        ThrowUserError(input.files[0], "must have numbered calls to be replayed but has none");
      }
      const CoefficientSet& set = given.ForExpert(data.expert);
      ReplayOptions options{
          calibration.rule, Polynomial(set.coefficients), 0, {set.x_min, set.x_max}};
      if (runs) {
        for (const double threshold : thresholds) {
          options.threshold = threshold;
          for (auto& record : RunsJson(data.expert, *data.replay, Replay(*data.replay, options))) {
            records.push_back(std::move(record));
          }
        }
        continue;
      }
      for (const SweepPoint& point : Sweep(*data.replay, options, thresholds)) {
        records.push_back({{"expert", data.expert},
                           {"threshold", point.threshold},
                           {"calls", data.replay->calls},
                           {"mean_skips", point.mean_skips},
                           {"min_skips", point.min_skips},
                           {"max_skips", point.max_skips},
                           {"longest_run", point.longest_run},
                           {"speedup", point.speedup}});
      }
    }
    return records.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  });
}

// "where: what" becomes teacache.TeaCacheError("where", "what").
void Translate(const std::exception_ptr& exception, void* /*payload*/) {
  try {
    std::rethrow_exception(exception);
  } catch (const Interruption&) {
    PyErr_SetNone(PyExc_KeyboardInterrupt);
  } catch (const UserError& error) {
    const std::string text = error.what();
    const size_t colon = text.find(": ");
    const nb::object type = nb::module_::import_("teacache.errors").attr("TeaCacheError");
    const nb::object value = type(text.substr(0, colon), text.substr(colon + 2));
    PyErr_SetObject(type.ptr(), value.ptr());
  }
}

}  // namespace
}  // namespace teacache

NB_MODULE(_native, m) {
  using namespace teacache;  // NOLINT(google-build-using-namespace)
  nb::register_exception_translator(Translate, nullptr);
  m.attr("version") = kVersion;
  m.def("metric_names", [] { return MetricNames(); });

  nb::class_<MetricOptions>(m, "MetricOptions")
      .def("__init__",
           [](MetricOptions* self,
              double psnr_cap,
              const std::string& ssim_variant,
              const std::string& lpips_net,
              bool lpips_spatial,
              const std::string& weights) {
             new (self) MetricOptions(
                 OptionsOf(psnr_cap, ssim_variant, lpips_net, lpips_spatial, weights));
           });
  m.def("score", &Score);

  nb::class_<EvaluateOptions>(m, "EvaluateOptions")
      .def(nb::init<>())
      .def_rw("gt", &EvaluateOptions::gt)
      .def_rw("gens", &EvaluateOptions::gens)
      .def_rw("recursive", &EvaluateOptions::recursive)
      .def_rw("jobs", &EvaluateOptions::jobs)
      .def_prop_rw(
          "items",
          [](const EvaluateOptions& /*o*/) { return ""; },
          [](EvaluateOptions& o, const std::string& name) { o.items = ParseItems(name); })
      .def_prop_rw(
          "size",
          [](const EvaluateOptions& o) { return std::string(NameOf(kSizePolicies, o.score.size)); },
          [](EvaluateOptions& o, const std::string& name) {
            o.score.size = ChoiceOf(kSizePolicies, name, "size");
          })
      .def_prop_rw(
          "length",
          [](const EvaluateOptions& o) {
            return std::string(NameOf(kLengthPolicies, o.score.length));
          },
          [](EvaluateOptions& o, const std::string& name) {
            o.score.length = ChoiceOf(kLengthPolicies, name, "length");
          })
      .def_prop_rw(
          "per_frame",
          [](const EvaluateOptions& o) { return o.score.per_frame; },
          [](EvaluateOptions& o, bool value) { o.score.per_frame = value; })
      .def_prop_rw(
          "bootstrap",
          [](const EvaluateOptions& o) { return o.pooling.bootstrap_samples; },
          [](EvaluateOptions& o, int value) { o.pooling.bootstrap_samples = value; })
      .def_prop_rw(
          "seed",
          [](const EvaluateOptions& o) { return o.pooling.seed; },
          [](EvaluateOptions& o, uint64_t value) { o.pooling.seed = value; });
  m.def("evaluate", &EvaluatePaths);

  nb::class_<CalibrationInput>(m, "CalibrationInput")
      .def(nb::init<>())
      .def_rw("files", &CalibrationInput::files)
      .def_rw("text", &CalibrationInput::text)
      .def_rw("engine", &CalibrationInput::engine)
      .def_rw("all_calls", &CalibrationInput::all_calls)
      .def_rw("modulated", &CalibrationInput::modulated)
      .def_prop_rw(
          "branch",
          [](const CalibrationInput& input) { return BranchesName(input.pairs); },
          [](CalibrationInput& input, const std::string& name) { SetBranches(name, &input.pairs); })
      .def_prop_rw(
          "target",
          [](const CalibrationInput& input) { return ToString(input.pairs.target); },
          [](CalibrationInput& input, const std::string& name) {
            input.pairs.target = ChoiceOf(kPairTargets, name, "target");
          });
  m.def("replay", &ReplayTraces);

  nb::class_<FitCoeffsOptions>(m, "FitOptions")
      .def(nb::init<>())
      .def_rw("input", &FitCoeffsOptions::input)
      .def_rw("weights", &FitCoeffsOptions::weights)
      .def_rw("choose_degree", &FitCoeffsOptions::choose_degree)
      .def_rw("lower_degree", &FitCoeffsOptions::lower_degree)
      .def_rw("allow_worse_degree", &FitCoeffsOptions::allow_worse_degree)
      .def_prop_rw(
          "degree",
          [](const FitCoeffsOptions& o) { return o.fit.degree; },
          [](FitCoeffsOptions& o, int value) { o.fit.degree = value; })
      .def_prop_rw(
          "method",
          [](const FitCoeffsOptions& o) { return ToString(o.fit.method); },
          [](FitCoeffsOptions& o, const std::string& name) {
            o.fit.method = ChoiceOf(kFitMethods, name, "method");
          })
      .def_prop_rw(
          "non_negative",
          [](const FitCoeffsOptions& o) { return o.fit.non_negative; },
          [](FitCoeffsOptions& o, bool value) { o.fit.non_negative = value; })
      .def_prop_rw(
          "monotone",
          [](const FitCoeffsOptions& o) { return o.fit.monotone; },
          [](FitCoeffsOptions& o, bool value) { o.fit.monotone = value; })
      .def_prop_rw(
          "through_origin",
          [](const FitCoeffsOptions& o) { return o.fit.through_origin; },
          [](FitCoeffsOptions& o, bool value) { o.fit.through_origin = value; })
      .def_prop_rw(
          "bootstrap",
          [](const FitCoeffsOptions& o) { return o.diagnostics.bootstrap; },
          [](FitCoeffsOptions& o, int value) { o.diagnostics.bootstrap = value; })
      .def_prop_rw(
          "seed",
          [](const FitCoeffsOptions& o) { return o.diagnostics.seed; },
          [](FitCoeffsOptions& o, uint64_t value) { o.diagnostics.seed = value; })
      .def_prop_rw(
          "threshold",
          [](const FitCoeffsOptions& o) { return o.threshold.threshold; },
          [](FitCoeffsOptions& o, double value) { o.threshold.threshold = value; })
      .def_prop_rw(
          "target_speedup",
          [](const FitCoeffsOptions& o) { return o.threshold.target_speedup; },
          [](FitCoeffsOptions& o, double value) { o.threshold.target_speedup = value; })
      .def_prop_rw(
          "target_skips",
          [](const FitCoeffsOptions& o) { return o.threshold.target_skips; },
          [](FitCoeffsOptions& o, double value) { o.threshold.target_skips = value; });
  m.def("fit", &Fit);
}
