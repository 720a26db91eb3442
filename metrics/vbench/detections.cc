// Reading of detections files (see rules.h).
#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"
#include "metrics/vbench/rules.h"

namespace teacache {
namespace {

constexpr const char* kFormat = "teacache-detections";

const nlohmann::json& List(const JsonFields& fields, const char* name) {
  const nlohmann::json& list = fields.At(name);
  if (!list.is_array()) ThrowUserError(fields.where(), "\"{}\" must be a list", name);
  return list;
}

DetectedObject ReadObject(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  DetectedObject object;
  object.label = fields.String("label");
  object.caption = fields.String("caption", "");
  if (!fields.Has("box")) return object;
  const std::vector<double> box = fields.Numbers("box");
  if (box.size() != 4 || !(box[0] < box[2]) || !(box[1] < box[3])) {
    ThrowUserError(where, "\"box\" must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1");
  }
  std::copy(box.begin(), box.end(), object.box.begin());
  object.has_box = true;
  return object;
}

// Adds to what other files said.
void AddFrame(const nlohmann::json& json, const std::string& where, DetectedFrame* frame) {
  const JsonFields fields(json, where);
  if (fields.Has("objects")) {
    if (frame->has_objects) ThrowUserError(where, "\"objects\" are in another file already");
    frame->has_objects = true;
    const nlohmann::json& objects = List(fields, "objects");
    for (size_t i = 0; i < objects.size(); ++i) {
      frame->objects.push_back(ReadObject(objects[i], fmt::format("{}: objects[{}]", where, i)));
    }
  }
  if (fields.Has("caption")) {
    if (frame->has_caption) ThrowUserError(where, "\"caption\" is in another file already");
    frame->has_caption = true;
    frame->caption = fields.String("caption");
  }
}

void AddVideo(const JsonFields& fields, VideoDetections* video) {
  if (fields.Has("frames")) {
    const nlohmann::json& frames = List(fields, "frames");
    if (frames.empty()) ThrowUserError(fields.where(), "\"frames\" must not be empty");
    if (!video->frames.empty() && video->frames.size() != frames.size()) {
      ThrowUserError(fields.where(),
                     "must have {} frames as in another file but has {}",
                     video->frames.size(),
                     frames.size());
    }
    video->frames.resize(frames.size());
    for (size_t i = 0; i < frames.size(); ++i) {
      AddFrame(frames[i], fmt::format("{}: frames[{}]", fields.where(), i), &video->frames[i]);
    }
  }
  if (fields.Has("actions")) {
    if (video->has_actions) {
      ThrowUserError(fields.where(), "\"actions\" are in another file already");
    }
    video->has_actions = true;
    const nlohmann::json& actions = List(fields, "actions");
    for (size_t i = 0; i < actions.size(); ++i) {
      const JsonFields action(actions[i], fmt::format("{}: actions[{}]", fields.where(), i));
      video->actions.push_back({action.String("label"), action.Number("score")});
    }
  }
}

}  // namespace

std::map<std::string, VideoDetections> ReadDetections(const std::vector<std::string>& files) {
  std::map<std::string, VideoDetections> detections;
  for (const std::string& path : files) {
    const nlohmann::json json = ParseJson(ReadFile(path), path);
    const JsonFields fields(json, path);
    if (fields.String("format", "") != kFormat || fields.Integer("version", 0) != 1) {
      ThrowUserError(path, "must be a detections file (\"format\": \"{}\", version 1)", kFormat);
    }
    const nlohmann::json& videos = List(fields, "videos");
    for (size_t i = 0; i < videos.size(); ++i) {
      const JsonFields video(videos[i], fmt::format("{}: videos[{}]", path, i));
      const std::string name = std::filesystem::path(video.String("video")).stem().string();
      AddVideo(video, &detections[name]);
    }
  }
  return detections;
}

}  // namespace teacache
