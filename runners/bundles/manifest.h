#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/base/choices.h"
#include "datasets/tensors/safetensors.h"

namespace teacache {

// bundle.json: a transformer that was exported from Python (teacache.export), as parts that run one
// after the other. A bundle is a folder with this file, a file per part, constants.safetensors and
// prompts.safetensors. Reading is strict: unknown fields, names of tensors that nothing gives,
// shapes and counts that do not fit are UserErrors.

// The parts in the order in which they run. "prepare" may be missing.
inline constexpr std::array<std::string_view, 5> kBundleParts = {
    "prepare", "embed", "first", "blocks", "head"};

enum class BundleBackend {
  kTorchScript,  // .pt
  kAoti,         // .pt2 of AOTInductor: native code
};
inline constexpr Choices<BundleBackend, 2> kBundleBackends = {
    {{"torchscript", BundleBackend::kTorchScript}, {"aoti", BundleBackend::kAoti}}};

// What a tensor that crosses between parts must be; always contiguous.
struct BundleTensor {
  std::vector<int64_t> shape;
  DType dtype = DType::kF32;
};

// A file of the bundle, relative to the folder of its expert.
struct BundleFile {
  std::string file;
  std::string sha256;
};

struct BundlePart {
  BundleBackend backend = BundleBackend::kTorchScript;
  BundleFile file;
  std::vector<std::string> inputs;     // names of tensors, in order
  std::vector<std::string> outputs;    // the same
  std::vector<std::string> constants;  // keys of weights and buffers, in order
};

// Which tensors are what.
struct BundleRoles {
  std::string latent;     // argument
  std::string time;       // argument
  std::string h0;         // before the first block
  std::string modulated;  // the signal
  std::string first;      // after the first block, like h0
  std::string h1;         // after the last block, like h0
  std::string output;     // the prediction
  // What the head needs of first and blocks besides h1: in a skipped call those of the last
  // computed one.
  std::vector<std::string> kept;
};

// One transformer.
struct BundleExpert {
  std::string name;    // "" = the only one, "high", "low"
  std::string folder;  // relative to the bundle
  std::string class_name;
  std::string dtype;      // of the weights
  std::string modulated;  // "input", "time" or the name of a module
  std::map<std::string, BundlePart> parts;
  std::vector<std::string> arguments;  // tensors that a call gives
  BundleRoles roles;
  std::vector<BundleFile> weights;   // published safetensors that serve as they are
  BundleFile constants;              // the rest
  BundleFile check;                  // a call: its arguments, and the model's output and signal
  std::vector<std::string> complex;  // keys of constants whose last dimension is (real, imaginary)
  std::map<std::string, BundleTensor> tensors;
  std::map<std::string, double> verified;  // part -> largest error over largest value
  std::optional<double> guidance_scale;    // none = without classifier-free guidance

  const BundlePart* Find(std::string_view part) const;
};

// The VAE: TorchScript with its weights inside, from the latent after the last step to frames
// [T, 3, height, width] in [-1, 1].
struct BundleDecoder {
  BundleFile file;
  double fps = 0;
};

// How the prediction is made of the passes of a step.
struct BundleGuidance {
  enum class Mode {
    kCalls,     // a call of the transformer for each pass
    kBatched,   // one call of both, the unconditional half first
    kEmbedded,  // the scale is an argument
    kNone,
  };
  enum class Formula {
    kNone,     // the output
    kCfg,      // u + s (c - u)
    kCfgNorm,  // the same, with the length of c along the last dimension
    kUnknown,
  };
  Mode mode = Mode::kNone;
  Formula formula = Formula::kNone;
  std::vector<std::string> passes;  // "cond", "uncond"; as prompts.safetensors names them
  int64_t batch = 1;                // of the latent in a call
};
inline constexpr Choices<BundleGuidance::Mode, 4> kBundleGuidanceModes = {
    {{"calls", BundleGuidance::Mode::kCalls},
     {"batched", BundleGuidance::Mode::kBatched},
     {"embedded", BundleGuidance::Mode::kEmbedded},
     {"none", BundleGuidance::Mode::kNone}}};
inline constexpr Choices<BundleGuidance::Formula, 4> kBundleGuidanceFormulas = {
    {{"none", BundleGuidance::Formula::kNone},
     {"cfg", BundleGuidance::Formula::kCfg},
     {"cfg_norm", BundleGuidance::Formula::kCfgNorm},
     {"unknown", BundleGuidance::Formula::kUnknown}}};

// How the pipeline sets the scheduler's timesteps, and what came of it for `steps`.
struct BundleSchedule {
  int steps = 0;
  std::string sigmas;         // "scheduler", "linear", "linear_quadratic", "given"
  std::vector<double> given;  // with "given": for exactly `steps`
  std::optional<double> mu;   // of a shift that depends on the size
  std::vector<double> timesteps;
};

struct BundleManifest {
  std::string folder;  // where bundle.json is
  std::string path;    // of bundle.json
  std::string sha256;  // of bundle.json, which has those of the parts and weights
  std::string tool_version;
  std::string model;             // class of the pipeline
  std::string torch;             // version
  std::string diffusers;         // version; "" = unknown
  std::string device;            // "cpu", "cuda"
  std::string machine;           // "x86_64"
  std::string cpu_capability;    // of the CPU that compiled: "AVX2", ...
  std::string scheduler;         // class
  std::string scheduler_config;  // JSON object
  BundleSchedule schedule;
  BundleGuidance guidance;
  double time_factor = 1;             // the argument is this times the scheduler's timestep,
  BundleTensor time;                  // in this shape and type
  std::vector<int64_t> latent_shape;  // of what is denoised: a batch of 1
  DType noise_dtype = DType::kF32;
  DType step_dtype = DType::kF32;        // of the latent after a step
  DType prediction_dtype = DType::kF32;  // of what the scheduler is given
  std::optional<BundleDecoder> decoder;  // none = latents are all that it gives
  std::string prompts;                   // file, relative
  std::string arguments;                 // JSON object: what the pipeline was called with
  std::optional<double> boundary_ratio;  // "high" where t >= this share of the training timesteps
  std::vector<BundleExpert> experts;     // "" alone, or "high" and "low"

  // Of pixels and frames in `arguments`; 0 = not given.
  int64_t Argument(std::string_view name) const;
  const BundleExpert& Expert(std::string_view name) const;
};

// Reads folder/bundle.json. Throws UserError.
BundleManifest ReadBundleManifest(const std::string& folder);
// `where` is the file, for messages.
BundleManifest ParseBundleManifest(const std::string& text, const std::string& where);

// Whether `path` is a folder with a bundle.json.
bool IsBundle(const std::string& path);

// "float32", "int64", "complex64", ...: PyTorch's names.
std::string_view BundleDTypeName(DType dtype);
// "[1, 16, 3] float32"
std::string DescribeTensor(const BundleTensor& tensor);

}  // namespace teacache
