// The lines of a trace file as JSON.

#include <algorithm>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"
#include "datasets/trace/trace_format.h"

namespace teacache {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "teacache-trace";

json SumsJson(const L1Sums& sums) {
  return {{"diff_l1", sums.diff_l1}, {"prev_l1", sums.prev_l1}, {"n", sums.n}};
}

int ToInt(const JsonFields& fields, std::string_view name, int64_t value, int64_t lo, int64_t hi) {
  if (value < lo || value > hi) {
    ThrowUserError(
        fields.where(), "\"{}\" must be between {} and {} but is {}", name, lo, hi, value);
  }
  return static_cast<int>(value);
}

constexpr int64_t kMaxCalls = 1'000'000;

L1Sums SumsFromJson(const json& j, const std::string& where, std::string_view name) {
  const JsonFields fields(j, fmt::format("{}: \"{}\"", where, name));
  const L1Sums sums{fields.Number("diff_l1"), fields.Number("prev_l1"), fields.Integer("n")};
  if (sums.n < 0 || sums.diff_l1 < 0 || sums.prev_l1 < 0) {
    ThrowUserError(fields.where(),
                   "sums and count must not be negative but diff_l1 is {}, prev_l1 is {}, n is {}",
                   sums.diff_l1,
                   sums.prev_l1,
                   sums.n);
  }
  if (sums.n == 0 && (sums.diff_l1 != 0 || sums.prev_l1 != 0)) {
    ThrowUserError(fields.where(), "n must be positive where the sums are not zero but is 0");
  }
  return sums;
}

double MillisecondsFromJson(const JsonFields& fields, std::string_view name) {
  const double ms = fields.Number(name, -1);
  if (fields.Has(name) && ms < 0) {
    ThrowUserError(fields.where(), "\"{}\" must be milliseconds >= 0 but is {}", name, ms);
  }
  return ms;
}

// Of digests that are both known.
bool Differ(const std::string& a, const std::string& b) {
  return !a.empty() && !b.empty() && a != b;
}

}  // namespace

L1Sums& L1Sums::operator+=(const L1Sums& other) {
  diff_l1 += other.diff_l1;
  prev_l1 += other.prev_l1;
  n += other.n;
  return *this;
}

RowKey KeyOf(const TraceRow& row) {
  return {
      row.prompt, row.seed, row.branch, row.stream, row.segment, row.sample, row.expert, row.call};
}

std::string Describe(const TraceRow& row) {
  std::string prompt = row.prompt.substr(0, 40);
  if (row.prompt.size() > 40) prompt += "...";
  std::string text = fmt::format("prompt \"{}\", seed {}, branch \"{}\", expert \"{}\", call {}",
                                 prompt,
                                 row.seed,
                                 row.branch,
                                 row.expert,
                                 row.call);
  if (!row.stream.empty()) text += fmt::format(", stream \"{}\"", row.stream);
  if (row.segment != 0) text += fmt::format(", segment {}", row.segment);
  if (row.sample != 0) text += fmt::format(", sample {}", row.sample);
  return text;
}

json HeaderToJson(const TraceHeader& header) {
  json j = {{"format", kFormat},
            {"version", TraceHeader::kVersion},
            {"model", header.model},
            {"steps", header.steps},
            {"calls", header.calls},
            {"scheduler", header.scheduler},
            {"guidance", header.guidance},
            {"width", header.width},
            {"height", header.height},
            {"frames", header.frames},
            {"dtype", header.dtype},
            {"modulated", header.modulated},
            {"prompts_digest", header.prompts_digest},
            {"tool_version", header.tool_version}};
  if (!header.task.empty()) j["task"] = header.task;
  if (!header.weights_sha256.empty()) j["weights_sha256"] = header.weights_sha256;
  if (!header.text_encoder_sha256.empty()) j["text_encoder_sha256"] = header.text_encoder_sha256;
  if (header.shards != 1) {
    j["shard"] = header.shard;
    j["shards"] = header.shards;
  }
  if (header.parts != 1) {
    j["part"] = header.part;
    j["parts"] = header.parts;
  }
  return j;
}

json RowToJson(const TraceRow& row) {
  json j = {{"prompt", row.prompt},
            {"seed", row.seed},
            {"branch", row.branch},
            {"call", row.call},
            {"step", row.step},
            {"timestep", row.timestep}};
  if (!row.expert.empty()) j["expert"] = row.expert;
  if (!row.stream.empty()) j["stream"] = row.stream;
  if (row.segment != 0) j["segment"] = row.segment;
  if (row.sample != 0) j["sample"] = row.sample;
  if (row.evaluations != 1) j["evaluations"] = row.evaluations;
  if (row.mod.measured()) j["mod"] = SumsJson(row.mod);
  if (row.res.measured()) j["res"] = SumsJson(row.res);
  if (row.out.measured()) j["out"] = SumsJson(row.out);
  if (row.first.measured()) j["first"] = SumsJson(row.first);
  if (!row.lookback.empty()) {
    json& list = j["lookback"] = json::array();
    for (const L1Sums& sums : row.lookback) {
      list.push_back(sums.measured() ? SumsJson(sums) : json(nullptr));
    }
  }
  if (row.ms_embed >= 0) j["ms_embed"] = row.ms_embed;
  if (row.ms_blocks >= 0) j["ms_blocks"] = row.ms_blocks;
  if (row.ms_head >= 0) j["ms_head"] = row.ms_head;
  return j;
}

std::string DumpLine(const json& j, std::string_view where) {
  try {
    return j.dump() + "\n";
  } catch (const json::exception&) {
    ThrowUserError(where, "text must be UTF-8 but is not");
  }
}

TraceHeader HeaderFromJson(const json& j, const std::string& where) {
  const JsonFields fields(j, where);
  if (!fields.Has("format")) {
    ThrowUserError(where, "must be the header of a trace (\"format\": \"{}\") but is not", kFormat);
  }
  if (const std::string format = fields.String("format"); format != kFormat) {
    ThrowUserError(where, "\"format\" must be \"{}\" but is \"{}\"", kFormat, format);
  }
  if (const int64_t version = fields.Integer("version"); version != TraceHeader::kVersion) {
    ThrowUserError(where,
                   "trace version must be {} but is {} (made by another version of the toolkit)",
                   TraceHeader::kVersion,
                   version);
  }
  const auto integer = [&](std::string_view name, int64_t lo, int64_t hi) {
    return ToInt(fields, name, fields.Integer(name, lo), lo, hi);
  };
  TraceHeader header;
  header.model = fields.String("model");
  header.steps = ToInt(fields, "steps", fields.Integer("steps"), 1, kMaxCalls);
  header.calls = ToInt(fields, "calls", fields.Integer("calls"), 1, kMaxCalls);
  header.scheduler = fields.String("scheduler", "");
  header.guidance = fields.Number("guidance", 0);
  header.width = integer("width", 0, INT32_MAX);
  header.height = integer("height", 0, INT32_MAX);
  header.frames = integer("frames", 0, INT32_MAX);
  header.dtype = fields.String("dtype", "");
  header.modulated = fields.String("modulated", "");
  header.weights_sha256 = fields.String("weights_sha256", "");
  header.text_encoder_sha256 = fields.String("text_encoder_sha256", "");
  header.prompts_digest = fields.String("prompts_digest", "");
  header.tool_version = fields.String("tool_version", "");
  header.task = fields.String("task", "");
  header.shards = ToInt(fields, "shards", fields.Integer("shards", 1), 1, kMaxCalls);
  header.shard = integer("shard", 0, header.shards - 1);
  header.parts = ToInt(fields, "parts", fields.Integer("parts", 1), 1, kMaxCalls);
  header.part = integer("part", 0, header.parts - 1);
  return header;
}

TraceRow RowFromJson(const json& j, const TraceHeader& header, const std::string& where) {
  const JsonFields fields(j, where);
  TraceRow row;
  row.prompt = fields.String("prompt");
  row.seed = fields.Integer("seed");
  row.branch = fields.String("branch", "batched");
  if (row.branch.empty()) ThrowUserError(where, "\"branch\" must be a name but is empty");
  row.expert = fields.String("expert", "");
  row.call = ToInt(fields, "call", fields.Integer("call"), 0, header.calls - 1);
  row.step =
      ToInt(fields, "step", fields.Integer("step"), 0, std::max(header.steps, header.calls) - 1);
  row.timestep = fields.Number("timestep", 0);
  row.stream = fields.String("stream", "");
  row.segment = ToInt(fields, "segment", fields.Integer("segment", 0), 0, INT32_MAX);
  row.sample = ToInt(fields, "sample", fields.Integer("sample", 0), 0, INT32_MAX);
  row.evaluations = ToInt(fields, "evaluations", fields.Integer("evaluations", 1), 1, INT32_MAX);
  const auto sums = [&](std::string_view name) {
    return fields.Has(name) ? SumsFromJson(fields.At(name), where, name) : L1Sums{};
  };
  row.mod = sums("mod");
  row.res = sums("res");
  row.out = sums("out");
  row.first = sums("first");
  if (fields.Has("lookback")) {
    const json& list = fields.At("lookback");
    if (!list.is_array()) ThrowUserError(where, "\"lookback\" must be a list but is not");
    for (const json& item : list) {
      row.lookback.push_back(item.is_null() ? L1Sums{} : SumsFromJson(item, where, "lookback"));
    }
  }
  row.ms_embed = MillisecondsFromJson(fields, "ms_embed");
  row.ms_blocks = MillisecondsFromJson(fields, "ms_blocks");
  row.ms_head = MillisecondsFromJson(fields, "ms_head");
  return row;
}

std::string FirstDifference(const TraceHeader& a, const TraceHeader& b) {
  if (a.model != b.model) return fmt::format("model (\"{}\" and \"{}\")", a.model, b.model);
  if (a.task != b.task) return fmt::format("task (\"{}\" and \"{}\")", a.task, b.task);
  if (a.steps != b.steps) return fmt::format("steps ({} and {})", a.steps, b.steps);
  if (a.calls != b.calls) return fmt::format("calls ({} and {})", a.calls, b.calls);
  if (a.scheduler != b.scheduler) {
    return fmt::format("scheduler (\"{}\" and \"{}\")", a.scheduler, b.scheduler);
  }
  if (a.guidance != b.guidance) return fmt::format("guidance ({} and {})", a.guidance, b.guidance);
  if (a.width != b.width) return fmt::format("width ({} and {})", a.width, b.width);
  if (a.height != b.height) return fmt::format("height ({} and {})", a.height, b.height);
  if (a.frames != b.frames) return fmt::format("frames ({} and {})", a.frames, b.frames);
  if (a.dtype != b.dtype) return fmt::format("dtype (\"{}\" and \"{}\")", a.dtype, b.dtype);
  if (a.modulated != b.modulated) {
    return fmt::format("modulated (\"{}\" and \"{}\")", a.modulated, b.modulated);
  }
  if (Differ(a.weights_sha256, b.weights_sha256)) return "weights_sha256 (other weights)";
  if (Differ(a.text_encoder_sha256, b.text_encoder_sha256)) {
    return "text_encoder_sha256 (another text encoder)";
  }
  if (a.shards != b.shards) return fmt::format("shards ({} and {})", a.shards, b.shards);
  if (a.parts != b.parts) return fmt::format("parts ({} and {})", a.parts, b.parts);
  return "";
}

}  // namespace teacache
