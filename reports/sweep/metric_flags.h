#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "datasets/base/error.h"
#include "metrics/lpips/lpips_weights.h"
#include "metrics/lpips/perceptual_metric.h"
#include "metrics/vbench/evaluate_vbench.h"
#include "metrics/vbench/networks/setup.h"

namespace teacache {

// Flags of metrics that sweeps and renders share. For main functions only.

struct LpipsFlags {
  std::string net = "alex";
  std::string weights;
};

// LPIPS joins where its weights are; a folder that was named must hold them.
inline std::shared_ptr<const PerceptualMetric> ChooseLpips(const LpipsFlags& flags) {
  if (flags.net == "none") return nullptr;
  const LpipsNet net = ParseLpipsNet(flags.net);
  const LpipsFiles files = FindLpipsFiles(net, flags.weights);
  if (files.complete()) return LoadLpips({net, /*spatial=*/true}, files);
  if (!flags.weights.empty()) ThrowUserError("--lpips-weights", "{}", files.how_to);
  return nullptr;
}

inline void AddLpipsFlags(CLI::App* app, LpipsFlags* lpips) {
  app->add_option("--lpips-net", lpips->net, "alex, squeeze, vgg or none")->capture_default_str();
  app->add_option("--lpips-weights",
                  lpips->weights,
                  "Folder of the LPIPS weights; default: where build.sh weights puts them");
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
