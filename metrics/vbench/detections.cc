// Reading of detections files (see rules.h).
#include <filesystem>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "metrics/vbench/rules.h"

namespace teacache {
namespace {

constexpr const char* kFormat = "teacache-detections";

DetectedObject ReadObject(const JsonNode& json) {
  DetectedObject object;
  object.label = json.At("label").String();
  ReadGiven(json, "caption", &object.caption);
  object.has_box = ReadGiven(json, "box", &object.box);
  if (object.has_box && !(object.box[0] < object.box[2] && object.box[1] < object.box[3])) {
    json.At("box").Refuse("must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1");
  }
  return object;
}

// Adds to what other files said.
void AddFrame(const JsonNode& json, DetectedFrame* frame) {
  if (const auto objects = json.Given("objects")) {
    if (frame->has_objects) objects->Refuse("must be in one file only");
    frame->has_objects = true;
    objects->ForEachElement(
        [&](const JsonNode& object) { frame->objects.push_back(ReadObject(object)); });
  }
  if (const auto caption = json.Given("caption")) {
    if (frame->has_caption) caption->Refuse("must be in one file only");
    frame->has_caption = true;
    frame->caption = caption->String();
  }
}

void AddVideo(const JsonNode& json, VideoDetections* video) {
  if (const auto frames = json.Given("frames")) {
    const size_t count = frames->size();
    if (count == 0) frames->Refuse("must be a list with entries");
    if (!video->frames.empty() && video->frames.size() != count) {
      ThrowUserError(frames->Where(),
                     "must have {} frames as in another file but has {}",
                     video->frames.size(),
                     count);
    }
    video->frames.resize(count);
    auto frame = video->frames.begin();
    frames->ForEachElement([&](const JsonNode& row) { AddFrame(row, &*frame++); });
  }
  if (const auto actions = json.Given("actions")) {
    if (video->has_actions) actions->Refuse("must be in one file only");
    video->has_actions = true;
    actions->ForEachElement([&](const JsonNode& action) {
      video->actions.push_back({action.At("label").String(), action.At("score").Number()});
    });
  }
}

}  // namespace

std::map<std::string, VideoDetections> ReadDetections(const std::vector<std::string>& files) {
  std::map<std::string, VideoDetections> detections;
  for (const std::string& path : files) {
    const ParsedJson json(ReadFile(path), path);
    const JsonNode root = json.root();
    if (root.String("format", "") != kFormat || root.Integer("version", 0) != 1) {
      ThrowUserError(path, "must be a detections file (\"format\": \"{}\", version 1)", kFormat);
    }
    root.At("videos").ForEachElement([&](const JsonNode& video) {
      const std::string name = std::filesystem::path(video.At("video").String()).stem().string();
      AddVideo(video, &detections[name]);
    });
  }
  return detections;
}

}  // namespace teacache
