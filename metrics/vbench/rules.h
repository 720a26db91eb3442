#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "metrics/vbench/video_score.h"

namespace teacache {

// VBench's rules on what a detector (GRiT), a captioner (Tag2Text) or a classifier (UMT) saw. The
// models themselves are not run here: their answers come from a file,
//   {"format": "teacache-detections", "version": 1,
//    "videos": [{"video": "a dog-0.mp4",
//                "frames": [{"objects": [{"label": "dog", "box": [x0, y0, x1, y1],
//                                         "caption": "a black dog"}, ...],
//                            "caption": "a dog on grass"}, ...],
//                "actions": [{"label": "riding a bike", "score": 0.97}, ...]}, ...]}
// where "box" and "caption" of objects, "caption" of frames and "actions" are only needed by the
// dimensions that look at them. Frames are upstream's 16 (see VbenchDimension::frames).

struct DetectedObject {
  std::string label;
  std::string caption;
  std::array<double, 4> box{};  // x0 < x1, y0 < y1
  bool has_box = false;
};

struct DetectedFrame {
  std::vector<DetectedObject> objects;
  std::string caption;
  bool has_objects = false;
  bool has_caption = false;
};

struct DetectedAction {
  std::string label;
  double score = 0;  // sigmoid, 0 to 1
};

struct VideoDetections {
  std::vector<DetectedFrame> frames;
  std::vector<DetectedAction> actions;
  bool has_actions = false;
};

// By file name without extension. Several files may tell about one video: each field may be in one
// of them only. Throws UserError naming file and place.
std::map<std::string, VideoDetections> ReadDetections(const std::vector<std::string>& files);

// What a prompt asks for, from its "auxiliary_info" of one dimension.
struct RuleQuery {
  std::string
      object;  // object_class: "dog"; multiple_objects: "dog and cat"; color: see ColorObject
  std::string color;
  std::string scene;
  std::string object_a, object_b, relationship;
};

// The rules. Each gives the share of frames and how many there are (weight), with one value per
// frame. Throw UserError when the detections lack what they look at.
VbenchScore ObjectClassScore(const VideoDetections& video, const RuleQuery& query);
VbenchScore MultipleObjectsScore(const VideoDetections& video, const RuleQuery& query);
VbenchScore SceneScore(const VideoDetections& video, const RuleQuery& query);
VbenchScore SpatialRelationshipScore(const VideoDetections& video, const RuleQuery& query);
// weight 0: no frame names the object with any of the 12 colours; the video does not count.
VbenchScore ColorScore(const VideoDetections& video, const RuleQuery& query);
// 1 or 0.
VbenchScore HumanActionScore(const VideoDetections& video, const std::string& file_name);

// How one box lies to another, each [x0, y0, x1, y1]: 1 when the centres are farther apart along
// the relation's axis than across it and IoU < 0.1; 0.1 / IoU when they overlap more; else 0. As
// upstream: left and right (top and bottom) are not distinguished, and the relation is looked up as
// a part of "on the right of", so that "on" means left or right.
double PositionScore(const std::string& relation,
                     const std::array<double, 4>& box1,
                     const std::array<double, 4>& box2);

// The object of a colour prompt, as upstream takes it: "a red bicycle", "red" -> "bicycle" ("a ",
// then "an " and the colour are removed wherever they are, also within words).
std::string ColorObject(const std::string& prompt, const std::string& color);

// The action of a file name, as upstream takes it: "A person is riding a bike-0.mp4" -> "riding a
// bike".
std::string ActionOfFileName(const std::string& file_name);

}  // namespace teacache
