#include "metrics/vbench/results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/csv.h"
#include "datasets/work/shard.h"
#include "metrics/vbench/results_fields.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

// From a video's value to the scale of the score.
double Scale(const VbenchDimension& dimension) {
  return dimension.name == "imaging_quality" ? 100 : 1;
}

// The videos' scores of one dimension that count, in order.
std::vector<const VbenchScore*> Counted(const VbenchResults& results, const std::string& name) {
  std::vector<const VbenchScore*> scores;
  for (const VbenchVideoScore& video : results.videos) {
    const auto found = video.scores.find(name);
    if (found != video.scores.end() && found->second.weight > 0) scores.push_back(&found->second);
  }
  return scores;
}

VbenchSummary Summarized(const VbenchDimension& dimension,
                         const std::vector<const VbenchScore*>& scores,
                         PoolingOptions pooling) {
  std::vector<double> values;
  std::vector<int64_t> weights;
  for (const VbenchScore* score : scores) {
    values.push_back(score->value / Scale(dimension));
    weights.push_back(score->weight);
  }
  pooling.higher_is_better = true;
  VbenchSummary summary;
  summary.videos = Summarize(values, weights, pooling);
  summary.score = dimension.pooling == VbenchPooling::kFrames ? summary.videos.frame_weighted_mean
                                                              : summary.videos.mean;
  return summary;
}

// Upstream's row of one video.
Json UpstreamRow(const VbenchDimension& dimension,
                 const VbenchVideoScore& video,
                 const VbenchScore& score) {
  const std::string_view name = dimension.name;
  const double sum = score.value * static_cast<double>(score.weight);
  Json row;
  row["video_path"] = video.info.path;
  if (name == "dynamic_degree" || name == "human_action") {
    row["video_results"] = score.value > 0;
  } else {
    row["video_results"] = score.value;
  }
  if (name == "background_consistency") {
    row["video_sim"] = sum;
    row["cnt_per_video"] = score.weight;
  } else if (name == "appearance_style") {
    row["frame_results"] = score.frames;
    row["cur_sim"] = score.frames.empty() ? score.value : score.frames.back();
  } else if (name == "object_class" || name == "multiple_objects" || name == "scene") {
    row["success_frame_count"] = std::llround(sum);
    row["frame_count"] = score.weight;
  } else if (name == "color") {
    row["cur_success_frame_rate"] = score.value;
  } else if (name == "spatial_relationship") {
    row["frame_results"] = score.frames;
  } else if (name == "human_action") {
    row["cor_num_per_video"] = score.value > 0 ? 1 : 0;
  }
  return row;
}

// The number i of "i/n" in the context; 0 without one.
int ShardIndex(const VbenchResults& results) {
  const auto found = results.context.find("shard");
  return found == results.context.end() ? 0 : std::atoi(found->second.c_str());
}

void CheckContexts(const VbenchResults& a, const VbenchResults& b) {
  std::map<std::string, std::string> first = a.context, second = b.context;
  for (const char* key : {"shard", "ci95"}) {  // intervals are computed again
    first.erase(key);
    second.erase(key);
  }
  for (const auto& [key, value] : first) {
    if (second[key] != value) {
      ThrowUserError("--merge",
                     "settings must agree but \"{}\" is \"{}\" and \"{}\"",
                     key,
                     value,
                     second[key]);
    }
  }
  if (first.size() != second.size()) {
    ThrowUserError("--merge", "settings must agree but one file has more of them");
  }
}

void AddNew(const std::vector<std::string>& from, std::vector<std::string>* to) {
  for (const std::string& text : from) {
    if (std::find(to->begin(), to->end(), text) == to->end()) to->push_back(text);
  }
}

}  // namespace

void DimensionsJson::WriteJson(JsonText* text) const {
  text->Begin('{');
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const auto found = summary.find(std::string(dimension.name));
    if (found == summary.end()) continue;
    MetricSummary videos = found->second.videos;
    text->Name(dimension.name);
    text->Begin('{');
    JsonWriter row(text);
    row("score", found->second.score);
    row("pooling", std::string(dimension.pooling == VbenchPooling::kFrames ? "frames" : "videos"));
    VisitNumbers(row, videos);
    text->End('}');
  }
  text->End('}');
}

int64_t VbenchResults::NumErrors() const {
  return std::count_if(videos.begin(), videos.end(), [](const auto& v) { return !v.ok(); });
}

void SummarizeVbench(const PoolingOptions& pooling, VbenchResults* results) {
  results->summary.clear();
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const std::string name(dimension.name);
    const std::vector<const VbenchScore*> scores = Counted(*results, name);
    if (!scores.empty()) results->summary[name] = Summarized(dimension, scores, pooling);
  }
}

std::vector<RequirementOutcome> CheckVbench(const VbenchResults& results,
                                            const std::vector<Requirement>& requirements) {
  std::vector<RequirementOutcome> outcomes;
  for (const Requirement& requirement : requirements) {
    std::vector<double> values;
    if (const VbenchDimension* dimension = FindVbenchDimension(requirement.metric)) {
      for (const VbenchScore* score : Counted(results, std::string(dimension->name))) {
        values.push_back(score->value / Scale(*dimension));
      }
    }
    outcomes.push_back(CheckRequirement(requirement, values, /*higher_is_better=*/true));
  }
  return outcomes;
}

VbenchResults MergeVbench(const std::vector<VbenchResults>& shards,
                          const PoolingOptions& pooling,
                          bool allow_missing_parts) {
  if (shards.empty()) ThrowUserError("--merge", "needs at least one results file");
  std::vector<std::string> parts;
  for (const VbenchResults& shard : shards) parts.push_back(PartOf(shard.context));
  const std::string missing = CheckParts(parts, allow_missing_parts);
  std::vector<const VbenchResults*> sorted;
  size_t longest = 0;
  for (const VbenchResults& shard : shards) {
    CheckContexts(shards[0], shard);
    sorted.push_back(&shard);
    longest = std::max(longest, shard.videos.size());
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return ShardIndex(*a) < ShardIndex(*b);
  });
  VbenchResults merged;
  merged.context = shards[0].context;
  merged.context.erase("shard");
  merged.context["ci95"] = IntervalText(pooling);
  if (!missing.empty()) merged.context[kMissingParts] = missing;
  std::set<std::string> names;
  for (size_t i = 0; i < longest; ++i) {
    for (const VbenchResults* shard : sorted) {
      if (i >= shard->videos.size()) continue;
      const VbenchVideoScore& video = shard->videos[i];
      if (!names.insert(video.name).second) {
        ThrowUserError(
            "--merge", "a video must be in one file only but \"{}\" is in two", video.name);
      }
      merged.videos.push_back(video);
    }
  }
  for (const VbenchResults* shard : sorted) {
    AddNew(shard->missing, &merged.missing);
    AddNew(shard->extra, &merged.extra);
    AddNew(shard->left_out, &merged.left_out);
    AddNew(shard->warnings, &merged.warnings);
  }
  SummarizeVbench(pooling, &merged);
  return merged;
}

std::string VbenchResultsToJson(const VbenchResults& results) {
  return ToJson(results, "results", /*indent=*/1, BadUtf8::kReplace) + "\n";
}

VbenchResults ReadVbenchResults(const std::string& path) {
  return FromJson<VbenchResults>(ReadFile(path), path);
}

std::string VbenchEvalResults(const VbenchResults& results) {
  Json json = Json::object();
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const std::string name(dimension.name);
    const auto summary = results.summary.find(name);
    if (summary == results.summary.end()) continue;
    Json rows = Json::array();
    for (const VbenchVideoScore& video : results.videos) {
      const auto found = video.scores.find(name);
      if (found == video.scores.end() || found->second.weight == 0) continue;
      rows.push_back(UpstreamRow(dimension, video, found->second));
    }
    json[name] = Json::array({summary->second.score, std::move(rows)});
  }
  return json.dump(4, ' ', false, Json::error_handler_t::replace);
}

std::string VbenchFullInfo(const VbenchResults& results) {
  Json json = Json::array();
  std::map<std::string, size_t> index;
  for (const VbenchVideoScore& video : results.videos) {
    const auto [found, is_new] = index.emplace(video.prompt, json.size());
    if (is_new) {
      Json entry;
      entry["prompt_en"] = video.prompt;
      entry["dimension"] = video.dimensions;
      if (!video.auxiliary.empty()) entry["auxiliary_info"] = Json::parse(video.auxiliary);
      entry["video_list"] = Json::array();
      json.push_back(std::move(entry));
    }
    json[found->second]["video_list"].push_back(video.info.path);
  }
  return json.dump(4, ' ', false, Json::error_handler_t::replace);
}

std::string VbenchCsv(const VbenchResults& results) {
  std::set<std::string> used;
  for (const VbenchVideoScore& video : results.videos) {
    used.insert(video.dimensions.begin(), video.dimensions.end());
  }
  std::string csv = "name,prompt";
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    if (used.contains(std::string(dimension.name))) csv += "," + std::string(dimension.name);
  }
  csv += ",frames,path,codec,size,fps,error";
  const auto missing_parts = results.context.find(kMissingParts);
  const bool partial = missing_parts != results.context.end();
  csv += partial ? fmt::format(",{}\n", kMissingParts) : "\n";
  for (const VbenchVideoScore& video : results.videos) {
    csv += CsvField(video.name) + "," + CsvField(video.prompt);
    for (const VbenchDimension& dimension : VbenchDimensions()) {
      const std::string name(dimension.name);
      if (!used.contains(name)) continue;
      const auto found = video.scores.find(name);
      const bool counts = found != video.scores.end() && found->second.weight > 0;
      csv += counts ? fmt::format(",{}", found->second.value) : ",";
    }
    std::string errors;
    for (const auto& [name, error] : video.errors) {
      errors += (errors.empty() ? "" : "; ") + (name.empty() ? "" : name + ": ") + error;
    }
    csv += fmt::format(",{},{},{},{}x{},{},{}{}\n",
                       video.frames,
                       CsvField(video.info.path),
                       CsvField(video.info.codec),
                       video.info.width,
                       video.info.height,
                       video.info.fps,
                       CsvField(errors),
                       partial ? "," + CsvField(missing_parts->second) : "");
  }
  return csv;
}

}  // namespace teacache
