#include "metrics/vbench/rules.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <set>
#include <sstream>

#include "datasets/base/error.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

constexpr double kIouThreshold = 0.1;
constexpr double kActionThreshold = 0.85;
constexpr std::array<const char*, 12> kColors = {"white",
                                                 "red",
                                                 "pink",
                                                 "blue",
                                                 "silver",
                                                 "purple",
                                                 "orange",
                                                 "green",
                                                 "gray",
                                                 "yellow",
                                                 "black",
                                                 "grey"};

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string Strip(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string RemoveAll(const std::string& text, const std::string& what) {
  if (what.empty()) return text;
  std::string left;
  size_t begin = 0;
  for (size_t at; (at = text.find(what, begin)) != std::string::npos; begin = at + what.size()) {
    left.append(text, begin, at - begin);
  }
  return left + text.substr(begin);
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void CheckFrames(const VideoDetections& video,
                 const char* what,
                 const std::function<bool(const DetectedFrame&)>& has) {
  if (video.frames.empty()) ThrowUserError("detections", "must have \"frames\" but have none");
  for (size_t i = 0; i < video.frames.size(); ++i) {
    if (!has(video.frames[i])) ThrowUserError("detections", "frame {} must have {}", i, what);
  }
}

bool HasObjects(const DetectedFrame& frame) { return frame.has_objects; }

VbenchScore FromFrames(std::vector<double> frames) {
  VbenchScore score;
  score.value = Mean(frames);
  score.weight = static_cast<int64_t>(frames.size());
  score.frames = std::move(frames);
  return score;
}

// Share of frames whose labels hold all of `objects`.
VbenchScore ShareWithLabels(const VideoDetections& video, const std::vector<std::string>& objects) {
  CheckFrames(video, "\"objects\"", HasObjects);
  std::vector<double> frames;
  for (const DetectedFrame& frame : video.frames) {
    std::set<std::string> labels;
    for (const DetectedObject& object : frame.objects) labels.insert(object.label);
    const bool all = std::all_of(objects.begin(), objects.end(), [&](const auto& object) {
      return labels.contains(object);
    });
    frames.push_back(all ? 1.0 : 0.0);
  }
  return FromFrames(std::move(frames));
}

// Intersection over union.
double Iou(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  const double x = std::max(0.0, std::min(a[2], b[2]) - std::max(a[0], b[0]));
  const double y = std::max(0.0, std::min(a[3], b[3]) - std::max(a[1], b[1]));
  const double intersection = x * y;
  const double area_a = (a[2] - a[0]) * (a[3] - a[1]);
  const double area_b = (b[2] - b[0]) * (b[3] - b[1]);
  return intersection / (area_a + area_b - intersection);
}

}  // namespace

double PositionScore(const std::string& relation,
                     const std::array<double, 4>& box1,
                     const std::array<double, 4>& box2) {
  const auto is = [&](const char* phrase) { return Contains(phrase, relation); };
  const double x = std::abs((box2[0] + box2[2]) / 2 - (box1[0] + box1[2]) / 2);
  const double y = std::abs((box2[1] + box2[3]) / 2 - (box1[1] + box1[3]) / 2);
  const double iou = Iou(box1, box2);
  const double along = iou < kIouThreshold ? 1.0 : kIouThreshold / iou;
  if (is("on the right of") || is("on the left of")) return x > y ? along : 0.0;
  if (is("on the bottom of") || is("on the top of")) return y > x ? along : 0.0;
  return 0;
}

VbenchScore ObjectClassScore(const VideoDetections& video, const RuleQuery& query) {
  return ShareWithLabels(video, {query.object});
}

VbenchScore MultipleObjectsScore(const VideoDetections& video, const RuleQuery& query) {
  const size_t at = query.object.find(" and ");
  if (at == std::string::npos) {
    ThrowUserError("multiple_objects", "must be \"A and B\" but is \"{}\"", query.object);
  }
  return ShareWithLabels(video,
                         {Strip(query.object.substr(0, at)), Strip(query.object.substr(at + 5))});
}

VbenchScore SceneScore(const VideoDetections& video, const RuleQuery& query) {
  CheckFrames(video, "a \"caption\"", [](const auto& frame) { return frame.has_caption; });
  std::vector<double> frames;
  for (const DetectedFrame& frame : video.frames) {
    bool all = true;
    std::istringstream words(query.scene);
    for (std::string word; std::getline(words, word, ' ');) all &= Contains(frame.caption, word);
    frames.push_back(all ? 1.0 : 0.0);
  }
  return FromFrames(std::move(frames));
}

VbenchScore SpatialRelationshipScore(const VideoDetections& video, const RuleQuery& query) {
  CheckFrames(video, "\"objects\"", HasObjects);
  std::vector<double> frames;
  for (const DetectedFrame& frame : video.frames) {
    std::vector<std::array<double, 4>> boxes;
    for (const DetectedObject& object : frame.objects) {
      if (object.label != query.object_a && object.label != query.object_b) continue;
      if (!object.has_box) {
        ThrowUserError("detections", "object \"{}\" must have a \"box\"", object.label);
      }
      boxes.push_back(object.box);
    }
    double best = 0;
    for (size_t i = 0; i < boxes.size(); ++i) {
      for (size_t j = i + 1; j < boxes.size(); ++j) {
        best = std::max(best, PositionScore(query.relationship, boxes[i], boxes[j]));
      }
    }
    frames.push_back(best);
  }
  return FromFrames(std::move(frames));
}

VbenchScore ColorScore(const VideoDetections& video, const RuleQuery& query) {
  CheckFrames(video, "\"objects\"", HasObjects);
  int64_t any_color = 0, right_color = 0;
  for (const DetectedFrame& frame : video.frames) {
    bool any = false, right = false;
    for (const DetectedObject& object : frame.objects) {
      if (object.label != query.object) continue;
      for (const char* color : kColors) any |= Contains(object.caption, color);
      right |= Contains(object.caption, query.color);
    }
    any_color += any ? 1 : 0;
    right_color += right ? 1 : 0;
  }
  VbenchScore score;
  score.weight = any_color > 0 ? 1 : 0;
  score.value =
      any_color > 0 ? static_cast<double>(right_color) / static_cast<double>(any_color) : 0;
  return score;
}

VbenchScore HumanActionScore(const VideoDetections& video, const std::string& file_name) {
  if (!video.has_actions) ThrowUserError("detections", "must have \"actions\" but have none");
  const std::string wanted = ActionOfFileName(file_name);
  std::vector<DetectedAction> actions = video.actions;
  std::stable_sort(actions.begin(), actions.end(), [](const auto& a, const auto& b) {
    return a.score > b.score;
  });
  actions.resize(std::min<size_t>(actions.size(), 5));
  VbenchScore score;
  for (const DetectedAction& action : actions) {
    // Upstream rounds to 4 decimals before it compares.
    const double rounded = std::stod(fmt::format("{:.4f}", action.score));
    if (rounded >= kActionThreshold && Lower(action.label) == wanted) score.value = 1;
  }
  return score;
}

std::string ColorObject(const std::string& prompt, const std::string& color) {
  return Strip(RemoveAll(RemoveAll(RemoveAll(prompt, "a "), "an "), color));
}

std::string ActionOfFileName(const std::string& file_name) {
  std::string text = Lower(file_name);
  text = text.substr(0, text.find('-'));
  const std::string before = "person is ";
  if (const size_t at = text.rfind(before); at != std::string::npos) {
    text = text.substr(at + before.size());
  }
  return text.substr(0, text.find('_'));
}

}  // namespace teacache
