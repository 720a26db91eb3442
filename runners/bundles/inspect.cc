#include "runners/bundles/inspect.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_device.h"
#include "runners/bundles/constants.h"

namespace teacache {
namespace {

const at::Tensor& At(const TensorMap& tensors, const std::string& name, const std::string& path) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) ThrowUserError(path, "must hold \"{}\" but does not", name);
  return found->second;
}

double Error(const at::Tensor& is, const at::Tensor& expected, const std::string& where) {
  if (is.sizes() != expected.sizes()) ThrowUserError(where, "must have the output's shape");
  const at::Tensor a = is.cpu().to(at::kDouble);
  const at::Tensor b = expected.to(at::kDouble);
  const double largest = b.abs().max().item<double>();
  const double error = (a - b).abs().max().item<double>();
  return largest > 0 ? error / largest : error;
}

}  // namespace

std::string DescribeBundle(const BundleManifest& manifest) {
  const BundleGuidance& guidance = manifest.guidance;
  std::string text =
      fmt::format("{}: {}, exported by teacache {} with PyTorch {}{} for {} ({}, {})\n",
                  manifest.folder,
                  manifest.model,
                  manifest.tool_version,
                  manifest.torch,
                  manifest.diffusers.empty() ? "" : " and diffusers " + manifest.diffusers,
                  manifest.device,
                  manifest.machine,
                  manifest.cpu_capability);
  text += fmt::format("called with {}\n", manifest.arguments);
  text += fmt::format("latent {}, prediction {}\n",
                      DescribeTensor({manifest.latent_shape, manifest.step_dtype}),
                      BundleDTypeName(manifest.prediction_dtype));
  text +=
      fmt::format("scheduler {}, {} steps, noise levels: {}{}\n",
                  manifest.scheduler,
                  manifest.schedule.steps,
                  manifest.schedule.sigmas,
                  manifest.schedule.mu ? fmt::format(", mu {:.6g}", *manifest.schedule.mu) : "");
  text += fmt::format("timesteps {:.6g}\n", fmt::join(manifest.schedule.timesteps, " "));
  text += fmt::format(
      "time given as {:.6g} t, {}\n", manifest.time_factor, DescribeTensor(manifest.time));
  text += fmt::format("guidance {} ({}), passes {}\n",
                      NameOf(kBundleGuidanceModes, guidance.mode),
                      NameOf(kBundleGuidanceFormulas, guidance.formula),
                      fmt::join(guidance.passes, ", "));
  text += manifest.decoder ? fmt::format("decoder {}, {:.6g} frames a second\n",
                                         manifest.decoder->file.file,
                                         manifest.decoder->fps)
                           : "no decoder\n";
  for (const BundleExpert& expert : manifest.experts) {
    text +=
        fmt::format("\n{}{}: {}, signal {}, guidance scale {}\n",
                    expert.name.empty() ? "transformer" : "expert ",
                    expert.name,
                    fmt::format("{} in {}", expert.class_name, expert.dtype),
                    expert.modulated,
                    expert.guidance_scale ? fmt::format("{:.6g}", *expert.guidance_scale) : "none");
    text += fmt::format("{:<8} {:<12} {:>6} {:>7} {:>9}  {:>9}  file\n",
                        "part",
                        "back end",
                        "inputs",
                        "outputs",
                        "constants",
                        "error");
    for (const std::string_view name : kBundleParts) {
      const BundlePart* part = expert.Find(name);
      if (part == nullptr) continue;
      const auto error = expert.verified.find(std::string(name));
      text +=
          fmt::format("{:<8} {:<12} {:>6} {:>7} {:>9}  {:>9}  {}\n",
                      name,
                      NameOf(kBundleBackends, part->backend),
                      part->inputs.size(),
                      part->outputs.size(),
                      part->constants.size(),
                      error == expert.verified.end() ? "-" : fmt::format("{:.2g}", error->second),
                      part->file.file);
    }
    for (const BundleFile& file : expert.weights) {
      text += fmt::format("weights  {}\n", BundlePath(manifest, expert, file));
    }
  }
  return text;
}

std::string DescribeTensors(const BundleExpert& expert) {
  std::string text;
  for (const std::string_view name : kBundleParts) {
    const BundlePart* part = expert.Find(name);
    if (part == nullptr) continue;
    text += fmt::format("\n{}\n", name);
    for (const std::string& input : part->inputs) {
      text += fmt::format("  in   {} {}\n", input, DescribeTensor(expert.tensors.at(input)));
    }
    for (const std::string& output : part->outputs) {
      text += fmt::format("  out  {} {}\n", output, DescribeTensor(expert.tensors.at(output)));
    }
  }
  return text;
}

CallCheck CheckCall(const BundleManifest& manifest, const BundleModel& model, at::Device device) {
  const at::NoGradGuard no_grad;
  const BundleExpert& expert = model.expert();
  const std::string path = BundlePath(manifest, expert, expert.check);
  CheckBundleDigest(path, expert.check);
  const TensorMap file = LoadTensors(path);
  TensorMap values;
  for (const std::string& name : expert.arguments) {
    values[name] = At(file, name, path).to(device);
    model.Check(path, name, values[name]);
  }
  const auto start = std::chrono::steady_clock::now();
  for (const std::string_view part : kBundleParts) {
    if (expert.Find(part) != nullptr) model.Run(part, &values);
  }
  Synchronize(device);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {Error(values.at(expert.roles.output), At(file, "output", path), path),
          Error(values.at(expert.roles.modulated), At(file, "modulated", path), path),
          seconds.count()};
}

}  // namespace teacache
