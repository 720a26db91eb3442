#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "calib/emit_plan.h"
#include "calib/fit_coeffs.h"
#include "calib/plan/plan_schedules.h"
#include "calib/score_coefficients.h"
#include "datasets/base/error.h"
#include "datasets/base/program.h"

namespace teacache {

// The command line of fit-coeffs as texts; header-only, since only programs link CLI11.
struct FitCoeffsArguments {
  FitCoeffsOptions fit;
  std::string coefficients;  // of score
  std::string branch = "all";
  std::string steps;
  std::string expert;
  std::string format = "auto";
  std::string degree;  // "" = 4, or less where the pairs cannot bear it
  std::optional<QualityTarget> target_quality;
  bool worst = false;
  std::vector<std::string> sweep;
  std::string json;
  std::string report;
  OutputOwner owner;
};

// Of `fit-coeffs plan`.
struct PlanArguments {
  PlanOptions plan;
  bool frontier = false;
  std::string out;
  std::vector<std::string> emit;
  std::string emit_folder = ".";
  std::string request;
  OutputOwner owner;
};

inline void AddPlanOptions(CLI::App* app, PlanArguments* a) {
  PlanOptions& plan = a->plan;
  app->add_option("costs", plan.costs, "Files of record-diffs --costs (.jsonl), all of one setting")
      ->required();
  app->add_option("--outcome",
                  plan.outcomes,
                  "Files of record-diffs --costs 1 --outcome: weight each call's error by what it "
                  "does to the final latent")
      ->allow_extra_args(false);
  app->add_option("--budget", plan.budgets, "Calls to compute, one or several, like 15,10,6")
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_flag("--frontier", a->frontier, "Every number of computed calls instead");
  app->add_option_function<int>(
         "--forecast",
         [&plan](const int order) { plan.forecast = order; },
         "What skipped calls get: 0 the last residual, 1 or 2 a linear or quadratic extrapolation")
      ->default_str("the cheapest for each number of calls");
  AddChoice(app,
            "--objective",
            &plan.objective,
            kPlanObjectives,
            "Smallest sum of the segments' errors, of their squares, or smallest worst one, then "
            "second worst");
  app->add_option("--first", plan.limits.first, "Calls that are always computed at the start")
      ->capture_default_str();
  app->add_option("--last", plan.limits.last, "Calls that are always computed at the end")
      ->capture_default_str();
  app->add_option("--longest",
                  plan.limits.longest,
                  "Most calls skipped in a row; 0 = as many as the costs are of")
      ->capture_default_str();
  app->add_option("--out", a->out, "Plan to write (.json), for generate-videos --cache schedule");
  app->add_option("--emit", a->emit, fmt::format("Formats to write: {}", PlanFormatNames()))
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_option("--emit-dir", a->emit_folder, "Folder of the emitted files")
      ->capture_default_str();
  app->add_option("--request",
                  a->request,
                  "dpcache: file with the block \"request\" of a DPCache schedule for the same "
                  "requests");
  AddOverwriteFlag(app, &a->owner);
}

// Throws UserError.
inline void FinishPlanOptions(const PlanArguments& a) {
  if (a.frontier == a.plan.budgets.empty()) return;
  ThrowUserError("plan", "needs either --budget or --frontier{}", a.frontier ? ", not both" : "");
}

// Puts what was added to the program since it had `before` options under a heading of the help.
inline void GroupOptions(CLI::App* app, size_t before, const std::string& heading) {
  const std::vector<CLI::Option*> options = app->get_options();
  for (size_t i = before; i < options.size(); ++i) options[i]->group(heading);
}

inline void AddInputOptions(CLI::App* app, FitCoeffsArguments* a) {
  CalibrationInput& input = a->fit.input;
  const size_t before = app->get_options().size();
  app->add_option("files",
                  input.files,
                  "Traces of record-diffs (.jsonl), or files of SGLang, mlx-teacache, Difflet, "
                  "vLLM-Omni, or CSV (x,y and optionally prompt,seed,branch,expert,step)");
  app->add_option("--engine",
                  input.engine,
                  "Whose rule is replayed and says which calls are always computed (see: list)")
      ->capture_default_str();
  app->add_flag(
      "--all-calls", input.all_calls, "Use the calls that the engine always computes too");
  AddChoice(app,
            "--target",
            &input.pairs.target,
            kPairTargets,
            "What f predicts: residual or output of the blocks");
  app->add_option(
         "--branch",
         a->branch,
         "Guidance branches: all, worst (larger y), average, cond or uncond; or the name of a "
         "further branch of the trace, which is left out otherwise")
      ->capture_default_str();
  app->add_option("--expert", a->expert, "Only this expert of a model with several");
  app->add_option(
      "--stream",
      input.stream,
      "Of traces with several streams (video, audio) only this one; default their sums");
  app->add_option("--modulated",
                  input.modulated,
                  "What x is of, where the files do not say: input, time or the name of a tap");
  app->add_flag("--allow-mixed", input.allow_mixed, "Merge traces of several tasks or weights");
  app->add_option("--steps", a->steps, "Only denoising steps A:B, both included, e.g. 3:27");
  app->add_option("--format",
                  a->format,
                  fmt::format("Of imported files: auto, {}", fmt::join(ImportFormats(), ", ")))
      ->capture_default_str();
  app->add_option("--signal", input.import.signal, "Of mlx-teacache files with several: A or B");
  AddJsonFlag(app, &a->json);
  AddOverwriteFlag(app, &a->owner);
  GroupOptions(app, before, "Input");
}

// Turns the texts into options; throws UserError.
inline void FinishInputOptions(FitCoeffsArguments* a) {
  CalibrationInput& input = a->fit.input;
  // Not required() of CLI11: sub-commands have files of their own.
  if (input.files.empty()) ThrowUserError("files", "at least one is required (see --help)");
  SetBranches(a->branch, &input.pairs);
  input.import.format = a->format;
  CheckImportFormat(a->format);
  if (!a->expert.empty()) input.pairs.expert = a->expert;
  if (a->steps.empty()) return;
  int first = 0, last = 0;
  char rest = 0;
  if (std::sscanf(a->steps.c_str(), "%d:%d%c", &first, &last, &rest) != 2 || first < 0 ||
      last < first) {
    ThrowUserError("--steps", "must be A:B with 0 <= A <= B but is \"{}\"", a->steps);
  }
  input.pairs.first_step = first;
  input.pairs.last_step = last;
}

inline void AddFitOptions(CLI::App* app, FitCoeffsArguments* a) {
  FitCoeffsOptions& fit = a->fit;
  size_t before = app->get_options().size();
  AddChoice(app,
            "--method",
            &fit.fit.method,
            kFitMethods,
            "Least squares by ceres or, as numpy, by polyfit; or robust against outliers: huber, "
            "cauchy, tukey");
  app->add_option("--degree",
                  a->degree,
                  "0 to 12, or auto: the smallest whose cross-validated error is within a standard "
                  "error of the best; default 4, or less where a single prompt cannot bear it");
  app->add_flag("--allow-worse-degree",
                fit.allow_worse_degree,
                "Keep a degree that predicts more than 5 % worse than a lower one");
  app->add_flag("--non-negative", fit.fit.non_negative, "f >= 0 on the observed range of x");
  app->add_flag("--monotone", fit.fit.monotone, "f increases on the observed range of x");
  app->add_flag("--through-origin", fit.fit.through_origin, "f(0) = 0");
  app->add_option("--weights",
                  fit.weights,
                  "none, steps (every step counts the same) or variance (noisy steps count less)")
      ->capture_default_str();
  app->add_option("--bootstrap", fit.diagnostics.bootstrap, "Resamples of prompts for intervals")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option("--seed", fit.diagnostics.seed, "Seed of the resampling")->capture_default_str();
  GroupOptions(app, before, "Fit");

  before = app->get_options().size();
  app->add_option("--out", fit.out, "Coefficients file to write (.json), for generate-videos");
  app->add_option("--report", a->report, "Page to write (.html): charts, verdict, skip map");
  app->add_option("--emit", fit.emit, "Formats to write, separated by commas (see: list)")
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_option("--emit-dir", fit.emit_folder, "Folder of the emitted files")
      ->capture_default_str();
  app->add_option("--model", fit.model, "The engine's name for the model, for --emit");
  GroupOptions(app, before, "Output");
}

inline void AddThresholdOptions(CLI::App* app, FitCoeffsArguments* a) {
  ThresholdOptions& t = a->fit.threshold;
  const size_t before = app->get_options().size();
  app->add_option("--threshold", t.threshold, "Threshold of the accumulated f(x)");
  app->add_option("--target-speedup",
                  t.target_speedup,
                  "Choose the threshold for this speed-up of the transformer calls");
  app->add_option(
      "--target-skips", t.target_skips, "Choose it for this many skipped calls of a run");
  const auto quality = [&](const char* name, const char* metric, bool higher, const char* text) {
    app->add_option_function<double>(
        name,
        [a, metric, higher](const double& value) {
          a->target_quality = QualityTarget{metric, value, false, higher};
        },
        text);
  };
  quality(
      "--target-psnr", "psnr", true, "Choose the largest that keeps this PSNR (dB; needs --sweep)");
  quality("--target-ssim", "ssim", true, "... this SSIM (0 to 1, higher is better)");
  quality("--target-lpips", "lpips", false, "... this LPIPS (lower is better)");
  app->add_option("--sweep",
                  a->sweep,
                  "Measured quality, once per threshold: THRESHOLD=results.json of eval-metrics")
      ->allow_extra_args(false);
  app->add_flag(
      "--worst", a->worst, "The target is for the 5 % of videos that are worst, not for the mean");
  GroupOptions(app, before, "Threshold");
}

inline void FinishFitOptions(FitCoeffsArguments* a) {
  FinishInputOptions(a);
  FitCoeffsOptions& fit = a->fit;
  if (a->degree.empty()) {
    fit.lower_degree = true;
  } else if (a->degree == "auto") {
    fit.choose_degree = true;
  } else {
    char rest = 0;
    if (std::sscanf(a->degree.c_str(), "%d%c", &fit.fit.degree, &rest) != 1) {
      ThrowUserError("--degree", "must be a number or auto but is \"{}\"", a->degree);
    }
  }
  if (a->target_quality) {
    fit.threshold.target_quality = a->target_quality;
    fit.threshold.target_quality->worst = a->worst;
  } else if (a->worst) {
    ThrowUserError("--worst", "needs --target-psnr, --target-ssim or --target-lpips");
  }
  for (const std::string& item : a->sweep) {
    double threshold = 0;
    int used = 0;
    if (std::sscanf(item.c_str(), "%lf=%n", &threshold, &used) != 1 || used == 0 ||
        static_cast<size_t>(used) == item.size()) {
      ThrowUserError("--sweep", "must be THRESHOLD=results.json but is \"{}\"", item);
    }
    fit.threshold.result_thresholds.push_back(threshold);
    fit.threshold.results.push_back(item.substr(used));
  }
}

}  // namespace teacache
