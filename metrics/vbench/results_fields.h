#pragma once

#include <string>

#include "datasets/results_fields.h"
#include "metrics/vbench/results.h"

namespace teacache {

// The fields of results.json of vbench-score (see archive.h).

template <typename Archive>
void Visit(Archive& archive, VbenchScore& score) {
  archive.Required("value", score.value);
  archive.Required("weight", score.weight);
  archive.Optional("frames", score.frames);
}

template <typename Archive>
void Visit(Archive& archive, VbenchVideoScore& video) {
  archive.Required("name", video.name);
  archive("prompt", video.prompt);
  archive.OptionalUnless(video.auxiliary.empty(), "auxiliary_info", JsonAsText{video.auxiliary});
  archive("dimensions", video.dimensions);
  archive("frames", video.frames);
  archive.Required("scores", video.scores);
  for (const auto& item : video.scores) {
    archive.Check(FindVbenchDimension(item.first) != nullptr, "must name VBench's dimensions");
  }
  archive("video", video.info);
  archive.Optional("errors", video.errors);
}

// By dimension, in the order of VBench's table. Only written: readers make them from the videos.
struct DimensionsJson {
  const std::map<std::string, VbenchSummary>& summary;

  void ReadJson(const JsonNode&) const {}
  void WriteJson(JsonText* text) const;
};

template <typename Archive>
void Visit(Archive& archive, VbenchResults& results) {
  archive.Format("teacache-vbench", VbenchResults::kVersion);
  archive.Required("context", results.context);
  archive("dimensions", DimensionsJson{results.summary});
  archive.Required("videos", results.videos);
  archive("missing", results.missing);
  archive("extra", results.extra);
  archive.Optional("left_out", results.left_out);
  archive("warnings", results.warnings);
  archive.OptionalUnless(results.requirements.empty(), "requirements", results.requirements);
}

}  // namespace teacache
