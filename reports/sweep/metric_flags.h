#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "datasets/base/error.h"
#include "metrics/metric_list.h"
#include "metrics/networks_module.h"
#include "metrics/vbench/evaluate_vbench.h"
#include "metrics/vbench/networks/setup.h"

namespace teacache {

// Flags of metrics that sweeps and renders share. For main functions only.

struct MetricFlags {
  std::string names;
  MetricOptions options;
};

inline void AddMetricFlags(CLI::App* app, MetricFlags* flags) {
  app->add_option("--metrics",
                  flags->names,
                  "Any of " + MetricNames() + "; default: " + MetricNames(true) +
                      ", of these what is installed");
  app->add_option("--lpips-net", flags->options.lpips_net, "alex, squeeze or vgg")
      ->capture_default_str();
  app->add_option("--lpips-weights",
                  flags->options.weights,
                  "Folder of the LPIPS weights; default: where build.sh weights puts them");
}

// A folder of weights that was named must hold them. Notes are for the report.
inline Metrics ChooseMetrics(const MetricFlags& flags, std::vector<std::string>* notes) {
  if (flags.options.lpips_net == "none") {
    ThrowUserError("--lpips-net", "must be a network; to leave LPIPS out use --metrics psnr,ssim");
  }
  try {
    return ChooseMetrics(flags.names, flags.options, notes);
  } catch (const NotInstalled& error) {
    if (!flags.options.weights.empty()) ThrowUserError("--lpips-weights", "{}", error.what());
    throw;
  }
}

// Like vbench-score's, for videos of any prompts.
inline void AddVbenchFlags(CLI::App* app, VbenchSetup* setup) {
  app->add_option("--vbench",
                  setup->dimensions,
                  "VBench dimensions, with commas, or none; default: all that can be computed, "
                  "which without networks is temporal_flickering");
  app->add_option(
      "--vbench-networks", setup->networks, "Folder of VBench's networks (docs/vbench-export.md)");
  app->add_option("--vbench-network",
                  setup->network,
                  "NAME=FILE: a network with another file name; may be given several times");
}

inline VbenchOptions ChooseVbench(VbenchSetup setup, const std::string& device) {
  VbenchOptions options;
  options.custom = true;
  if (setup.dimensions == "none") return options;
  setup.device = device;
  try {
    SetUpVbench(setup, &options);
  } catch (const UserError& error) {
    // It names the flag of vbench-score.
    const std::string text = error.what();
    const std::string flag = "--dimensions: ";
    if (!text.starts_with(flag)) throw;
    ThrowUserError("--vbench", "{}", text.substr(flag.size()));
  }
  return options;
}

}  // namespace teacache
