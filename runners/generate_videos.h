#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "calib/rules/policy_options.h"
#include "datasets/video/video.h"
#include "runners/prompt_work.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/system.h"

namespace teacache {

// One video made.
struct GeneratedVideo {
  Video video;
  SampleResult sample;
  std::vector<std::string> branches;  // of the denoising run
  double transformer_seconds = 0;     // the denoising loop
  double decode_seconds = 0;
};
GeneratedVideo GenerateVideo(const System& system,
                             const CachePolicy& policy,
                             const std::string& prompt,
                             int64_t seed,
                             const SampleOptions& options = {});

struct GenerateOptions : PromptWork {
  std::string model = "shapes";
  SystemOptions system;
  PolicyOptions policy;
  int forecast = 0;               // order of what skipped calls get (SampleOptions::forecast)
  Interval fitted_range;          // of x, to count calls outside it; (0, 0) = unknown
  std::string out;                // run folder
  VideoWriterOptions video;       // codec; fps 0 = the system's
  bool record = false;            // write trace.jsonl too
  std::vector<std::string> argv;  // for run.json
};

// One row of timing.jsonl.
struct VideoTiming {
  std::string prompt;
  int64_t seed = 0;
  std::string file;            // relative to the run folder
  std::string sha256;          // of the file; "" = unknown (0.1.0)
  std::vector<bool> computed;  // per call
  int outside_range = 0;       // decided calls whose x was outside GenerateOptions::fitted_range
  double transformer_seconds = 0;
  double decode_seconds = 0;
  double total_seconds = 0;  // writing included
  // Axes of SceneCheck: whether the video shows what the prompt asks for; empty = not known.
  std::vector<std::pair<std::string, bool>> scene;
};

struct GenerateSummary : WorkSummary {
  std::vector<VideoTiming> videos;     // finished ones, in order of prompts and seeds
  std::vector<std::string> shortened;  // "file <- prompt" where a name had to be shortened
};

// Fills a run folder: videos/{prompt}-{seed}.mp4, run.json, timing.jsonl, and trace.jsonl when
// recording. Videos that timing.jsonl lists are kept unless they changed since (or, when
// recording, their trace is missing); a folder made with other settings is refused.
// A video that cannot be made (out of memory, disk full) is listed as failed, leaves no file, and
// is tried again by the next run. Bytes depend neither on `jobs` nor on interruptions (timings
// aside). Throws UserError.
GenerateSummary GenerateVideos(const GenerateOptions& options);
// The same with a system that is loaded already (options.model and options.system are ignored).
GenerateSummary GenerateVideos(const System& system, const GenerateOptions& options);

}  // namespace teacache
