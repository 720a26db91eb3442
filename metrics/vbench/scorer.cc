#include "metrics/vbench/scorer.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json.h"
#include "metrics/vbench/flicker.h"
#include "metrics/vbench/rules.h"

namespace teacache {
namespace {

std::vector<const VbenchDimension*> Intersection(const std::vector<const VbenchDimension*>& a,
                                                 const std::vector<const VbenchDimension*>& b) {
  std::vector<const VbenchDimension*> common;
  for (const VbenchDimension* dimension : a) {
    if (std::find(b.begin(), b.end(), dimension) != b.end()) common.push_back(dimension);
  }
  return common;
}

class FlickerSession : public VbenchSession {
 public:
  void Add(std::span<const Frame> frames) override {
    for (const Frame& frame : frames) sum_.Add(frame);
  }
  bool Finish(int64_t, VbenchVideoScore* score) override {
    score->scores["temporal_flickering"] = {sum_.Score(), sum_.num_pairs(), {}};
    return false;
  }

 private:
  FlickerSum sum_;
};

class FlickerScorer : public VbenchScorer {
 public:
  std::vector<const VbenchDimension*> Dimensions() const override {
    return {FindVbenchDimension("temporal_flickering")};
  }
  std::map<std::string, std::string> Context() const override { return {}; }
  std::unique_ptr<VbenchSession> Start(const SuiteVideo&,
                                       const std::vector<const VbenchDimension*>& dimensions,
                                       const VideoInfo&) const override {
    if (Intersection(Dimensions(), dimensions).empty()) return nullptr;
    return std::make_unique<FlickerSession>();
  }
};

// What the prompt's auxiliary information asks for.
RuleQuery QueryOf(const SuiteVideo& video, const std::string& dimension) {
  RuleQuery query;
  if (dimension == "human_action") return query;
  const ParsedJson auxiliary = Auxiliary(video);
  const JsonNode fields = auxiliary.root().At(dimension);
  if (dimension == "object_class" || dimension == "multiple_objects") {
    query.object = fields.At("object").String();
  } else if (dimension == "color") {
    query.color = fields.At("color").String();
    query.object = ColorObject(video.prompt, query.color);
  } else if (dimension == "scene") {
    query.scene = fields.At("scene").At("scene").String();
  } else {
    const JsonNode relation = fields.At("spatial_relationship");
    query.object_a = relation.At("object_a").String();
    query.object_b = relation.At("object_b").String();
    query.relationship = relation.At("relationship").String();
  }
  return query;
}

VbenchScore ScoreByRule(const std::string& dimension,
                        const VideoDetections& detections,
                        const SuiteVideo& video) {
  const RuleQuery query = QueryOf(video, dimension);
  if (dimension == "object_class") return ObjectClassScore(detections, query);
  if (dimension == "multiple_objects") return MultipleObjectsScore(detections, query);
  if (dimension == "color") return ColorScore(detections, query);
  if (dimension == "scene") return SceneScore(detections, query);
  if (dimension == "spatial_relationship") return SpatialRelationshipScore(detections, query);
  return HumanActionScore(detections, std::filesystem::path(video.path).filename().string());
}

using DetectionMap = std::map<std::string, VideoDetections>;

class DetectionSession : public VbenchSession {
 public:
  DetectionSession(const DetectionMap& detections,
                   SuiteVideo video,
                   std::vector<const VbenchDimension*> dimensions)
      : detections_(detections), video_(std::move(video)), dimensions_(std::move(dimensions)) {}

  void Add(std::span<const Frame>) override {}
  bool NeedsFrames() const override { return false; }
  bool Finish(int64_t, VbenchVideoScore* score) override {
    const auto found = detections_.find(video_.name);
    for (const VbenchDimension* dimension : dimensions_) {
      const std::string name(dimension->name);
      if (found == detections_.end()) {
        score->errors[name] = "no detections of this video";
        continue;
      }
      try {
        score->scores[name] = ScoreByRule(name, found->second, video_);
      } catch (const UserError& error) {
        score->errors[name] = error.what();
      }
    }
    return false;
  }

 private:
  const DetectionMap& detections_;
  SuiteVideo video_;
  std::vector<const VbenchDimension*> dimensions_;
};

class DetectionScorer : public VbenchScorer {
 public:
  explicit DetectionScorer(const std::vector<std::string>& files)
      : detections_(ReadDetections(files)) {
    std::string digests;
    for (const std::string& file : files) digests += Sha256HexOfFile(file);
    digest_ = Sha256Hex(std::string_view(digests));
  }

  std::vector<const VbenchDimension*> Dimensions() const override {
    std::vector<const VbenchDimension*> known;
    for (const VbenchDimension& dimension : VbenchDimensions()) {
      if (dimension.source == VbenchSource::kDetections && Tells(dimension.name)) {
        known.push_back(&dimension);
      }
    }
    return known;
  }
  std::map<std::string, std::string> Context() const override {
    return {{"detections", "sha256 " + digest_.substr(0, 16)}};
  }
  std::unique_ptr<VbenchSession> Start(const SuiteVideo& video,
                                       const std::vector<const VbenchDimension*>& dimensions,
                                       const VideoInfo&) const override {
    std::vector<const VbenchDimension*> mine = Intersection(Dimensions(), dimensions);
    if (mine.empty()) return nullptr;
    return std::make_unique<DetectionSession>(detections_, video, std::move(mine));
  }

 private:
  // Does any video have what the dimension looks at?
  bool Tells(std::string_view dimension) const {
    const auto any = [&](const std::function<bool(const VideoDetections&)>& has) {
      return std::any_of(detections_.begin(), detections_.end(), [&](const auto& item) {
        return has(item.second);
      });
    };
    if (dimension == "human_action") return any([](const auto& v) { return v.has_actions; });
    return any([&](const VideoDetections& video) {
      return std::any_of(video.frames.begin(), video.frames.end(), [&](const auto& frame) {
        return dimension == "scene" ? frame.has_caption : frame.has_objects;
      });
    });
  }

  DetectionMap detections_;
  std::string digest_;
};

}  // namespace

std::shared_ptr<const VbenchScorer> MakeFlickerScorer() {
  return std::make_shared<FlickerScorer>();
}

std::shared_ptr<const VbenchScorer> MakeDetectionScorer(const std::vector<std::string>& files) {
  return std::make_shared<DetectionScorer>(files);
}

}  // namespace teacache
