#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace teacache {

// Relative L1 distance kept as sums, so that shards of one tensor and files of many machines merge
// exactly: r = diff_l1 / prev_l1 = mean|a_t - a_prev| / mean|a_prev|.
struct L1Sums {
  double diff_l1 = 0;  // sum |a_t - a_prev|
  double prev_l1 = 0;  // sum |a_prev|
  int64_t n = 0;       // number of elements; 0 = not measured (first call, or not tapped)

  bool measured() const { return n > 0; }
  double Ratio() const { return prev_l1 > 0 ? diff_l1 / prev_l1 : 0.0; }
  L1Sums& operator+=(const L1Sums& other);
  bool operator==(const L1Sums&) const = default;
};

// The first line of a trace file: how the runs were made.
struct TraceHeader {
  static constexpr int kVersion = 1;
  std::string model;      // "shapes", "latte", ...
  int steps = 0;          // denoising steps asked for
  int calls = 0;          // transformer calls of one run (PNDM makes 159 of 150 steps)
  std::string scheduler;  // "rflow", "ddim", "pndm", ...
  double guidance = 0;    // classifier-free guidance scale; 0 = none
  int width = 0;          // pixels
  int height = 0;
  int frames = 0;
  std::string dtype;                // of the transformer: "float32", "bfloat16", ...
  std::string weights_sha256;       // of the transformer; "" = unknown
  std::string text_encoder_sha256;  // "" = unknown, or part of the transformer
  std::string modulated;            // what was tapped as modulated input: "input" or "time"
  std::string prompts_digest;       // sha256 of the prompt texts joined by newlines; "" = unknown
  std::string tool_version;
  std::string task;      // what the runs make of what: "text-to-video", ...; "" = not said
  std::string revision;  // of the published model: a commit, a tag; "" = unknown
  // Tensor (sequence, spatial) parallel runs: this file's sums cover part `shard` of `shards` of
  // each tensor, 0 <= shard < shards. MergeTraces adds the shards up.
  int shard = 0;
  int shards = 1;
  // Runs spread over machines: this file holds part `part` of `parts` of the runs.
  int part = 0;
  int parts = 1;
};

// One transformer call of one run; of a call with several streams or samples, one of them.
struct TraceRow {
  std::string prompt;  // the text
  int64_t seed = 0;
  std::string branch =
      "batched";        // never empty: "batched", "cond", "uncond", or the model's own name
  std::string expert;   // "" unless the model has several ("high", "low")
  int call = 0;         // 0-based
  int step = 0;         // 0-based; several calls may share a step
  std::string stream;   // "" unless a call has several ("video", "audio")
  int segment = 0;      // chunk of a video that is made piece by piece, 0-based
  int sample = 0;       // index in a call with a batch of runs, 0-based
  int evaluations = 1;  // evaluations of the model that one decision covers
  double timestep = 0;
  L1Sums mod;    // timestep-modulated input against the previous call's
  L1Sums res;    // residual of the blocks (output - input) against the previous call's
  L1Sums out;    // output of the blocks against the previous call's
  L1Sums first;  // residual of the first block against the previous call's
  // Look-back distances of `res`: lookback[k - 2] is against k calls before, k = 2 ... K.
  std::vector<L1Sums> lookback;
  double ms_embed = -1;  // milliseconds; -1 = not measured
  double ms_blocks = -1;
  double ms_head = -1;
};

struct Trace {
  TraceHeader header;
  std::vector<TraceRow> rows;
  std::vector<std::string> warnings;  // e.g. a cut last line that was left out
};

// Throws UserError naming file, line and column for anything but a cut last line, unknown fields of
// the header and of rows, rows out of order and denominators of 0, which are warnings.
Trace ReadTrace(const std::string& path);

// Merges traces of the same setting (tool version, shard and part aside). Rows of the same (prompt,
// seed, branch, expert, call, stream, segment, sample) are added up when they come from different
// tensor shards, which must then all be there (UserError naming the missing ones); otherwise they
// are refused as duplicates. Missing parts of the runs are a warning. `names` are the files, for
// messages.
Trace MergeTraces(const std::vector<Trace>& traces, const std::vector<std::string>& names);

}  // namespace teacache
