#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calib/fit/polynomial.h"
#include "datasets/base/progress.h"
#include "datasets/trace/trace.h"
#include "datasets/video/video.h"
#include "datasets/work/shard.h"
#include "runners/sampling/denoising_run.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// What a user may set of any system; 0 and "" mean the system's own default.
struct SystemOptions {
  std::string weights;         // folder or file; "" = the shipped or installed ones
  std::string device = "cpu";  // "cpu", "cuda", "cuda:N"
  std::string dtype;           // "float32", "bfloat16", "float16"
  int steps = 0;               // denoising steps
  double guidance = -1;        // classifier-free guidance scale; < 0 = default, 1 = none

  // Systems of published checkpoints only (systems/checkpoint_system.h):
  // Folders or files of single parts; "" = found in `weights` by their published names.
  std::string transformer;
  std::string vae;
  std::string text_encoder;
  std::string tokenizer;
  std::string prompt_embeddings;  // prompts file (text/prompts_file.h) instead of a text encoder
  bool offload = false;           // parts take turns on the device
  int frames = 0;
  int width = 0;  // pixels; both or neither
  int height = 0;
  std::string resolution;    // "144p", "240p", ... where the system has such names
  std::string aspect_ratio;  // "9:16", ...
  // What is appended to every prompt, where the system does so (Open-Sora).
  std::optional<double> aesthetic_score;  // default 6.5; below 0 = nothing
  std::optional<double> motion_score;     // default: nothing
  std::string camera_motion;              // "pan right", ...; "" = nothing
};

// What one part of a system takes.
struct PartPlan {
  std::string part;  // "transformer"
  std::string path;
  int64_t parameters = 0;
  int64_t file_bytes = 0;
  int64_t memory_bytes = 0;  // of its weights on the device, in the dtype chosen
};

// Facts of a loaded system, for traces, reports and file names. Those that decide about pixels are
// in PixelKey too (pixel_key.h).
struct SystemInfo {
  std::string name;
  std::string description;
  std::string weights_digest;       // sha256 of the transformer's file; "" = unknown
  std::string text_encoder_digest;  // "" = unknown, or part of the transformer
  std::string decoder_digest;       // "" = unknown
  int64_t parameters = 0;           // of the transformer
  std::string scheduler;
  std::string dtype;
  std::string device;
  std::string modulated;  // "input" or "time", see TraceHeader
  int steps = 0;
  int calls = 0;
  double guidance = 0;
  int width = 0;  // pixels
  int height = 0;
  int frames = 0;
  double fps = 0;
  std::string prompt_suffix;  // appended to every prompt
};

// Whether a video shows what its prompt asks for, axis by axis ("shape", "color", ...).
struct SceneCheck {
  std::vector<std::pair<std::string, bool>> axes;  // the last one is "all"
  double overlap = 0;  // mean intersection over union with the true scene, 0 to 1
};

// A text-to-video system: transformer, scheduler, text and decoder together. All methods are const
// and may be called from several threads at once.
class System {
 public:
  virtual ~System() = default;
  virtual const SystemInfo& info() const = 0;
  // Throws UserError saying what is wrong with a prompt, before any work is done.
  virtual void CheckPrompt(const std::string& prompt) const = 0;
  // Does what can be done for all of `prompts` in advance (encoding them), so that Begin() is
  // quick; says through `progress` when a prompt is longer than the model takes. May be left out.
  virtual void Prepare(const std::vector<std::string>& /*prompts*/,
                       ProgressSink* /*progress*/) const {}
  virtual std::unique_ptr<DenoisingRun> Begin(const std::string& prompt) const = 0;
  virtual std::unique_ptr<Scheduler> MakeScheduler() const = 0;
  // Starting noise of a seed, drawn on the CPU in float32 so that every device starts alike.
  virtual at::Tensor Noise(int64_t seed) const = 0;
  virtual Video Decode(const at::Tensor& latent) const = 0;
  // `count` different prompts for demonstrations, always the same; empty where the system has none.
  virtual std::vector<std::string> DemoPrompts(int /*count*/) const { return {}; }
  // What the video shows, for systems whose scenes are known; nothing for others.
  virtual std::optional<SceneCheck> CheckScene(const std::string& /*prompt*/,
                                               const Video& /*video*/) const {
    return std::nullopt;
  }
  // The same system with another number of denoising steps, sharing what is loaded; nothing where
  // it cannot do that. Throws UserError for a number of steps that it cannot take.
  virtual std::unique_ptr<System> WithSteps(int /*steps*/) const { return nullptr; }
  // Its parts, known before anything is loaded; empty for systems too small to ask.
  virtual std::vector<PartPlan> Plan() const { return {}; }
  // Coefficients published for it, highest power first; none where there are none.
  virtual std::optional<Polynomial> PublishedCoefficients() const { return std::nullopt; }
};

}  // namespace teacache
