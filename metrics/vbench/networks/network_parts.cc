#include "metrics/vbench/networks/network_parts.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"
#include "datasets/base/statistics.h"
#include "metrics/vbench/feature_math.h"
#include "metrics/vbench/flicker.h"
#include "metrics/vbench/frame_choice.h"

namespace teacache {
namespace {

std::span<const float> Values(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// Features [N, D] of N pictures.
at::Tensor Features(const ScriptNetwork& network, const at::Tensor& pictures) {
  at::Tensor features = network.Call({pictures});
  if (features.dim() != 2 || features.size(0) != pictures.size(0)) {
    ThrowUserError(network.path(), "must return [{}, D] for as many pictures", pictures.size(0));
  }
  return features;
}

// Edges repeated on all sides.
at::Tensor Padded(const at::Tensor& x, const Padding& padding) {
  return at::replication_pad2d(x, {padding.left, padding.right, padding.top, padding.bottom});
}

// subject_consistency, background_consistency.
class ConsistencyPart : public NetworkPart {
 public:
  ConsistencyPart(const std::string& dimension,
                  const ScriptNetwork& network,
                  VbenchTransform transform)
      : NetworkPart({dimension}), network_(network), transform_(transform) {}

  void Add(FrameBatch& batch) override {
    const at::Tensor features = Features(network_, batch.Get(transform_));
    for (int64_t i = 0; i < features.size(0); ++i) sum_.Add(Values(features[i]));
  }
  void Finish(int64_t, VbenchVideoScore* score) override {
    if (sum_.count() == 0) ThrowUserError(dimensions()[0], "needs at least 2 frames");
    Put({sum_.sum() / static_cast<double>(sum_.count()), sum_.count(), {}}, score);
  }

 private:
  const ScriptNetwork& network_;
  VbenchTransform transform_;
  ConsistencySum sum_;
};

class AestheticPart : public NetworkPart {
 public:
  AestheticPart(const ScriptNetwork& network, const AestheticHead& head)
      : NetworkPart({"aesthetic_quality"}), network_(network), head_(head) {}

  void Add(FrameBatch& batch) override {
    const at::Tensor features = Features(network_, batch.Get(VbenchTransform::kClipFloat));
    const at::Tensor norms = features.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
    const at::Tensor scores = at::linear(features / norms, head_.weight, head_.bias);
    for (const float value : Values(scores.contiguous())) frames_.push_back(value / 10.0);
  }
  void Finish(int64_t total, VbenchVideoScore* score) override {
    Put({Mean(frames_), total, {}}, score);
  }

 private:
  const ScriptNetwork& network_;
  const AestheticHead& head_;
  std::vector<double> frames_;
};

class ImagingPart : public NetworkPart {
 public:
  explicit ImagingPart(const ScriptNetwork& network)
      : NetworkPart({"imaging_quality"}), network_(network) {}

  // One at a time, as upstream: the network cuts each picture into patches of its own.
  void Add(FrameBatch& batch) override {
    const at::Tensor& pictures = batch.Get(VbenchTransform::kImagingLonger);
    for (int64_t i = 0; i < pictures.size(0); ++i) {
      const at::Tensor answer = network_.Call({pictures.narrow(0, i, 1)});
      if (answer.numel() != 1) ThrowUserError(network_.path(), "must return one number");
      sum_ += Values(answer)[0];
    }
  }
  void Finish(int64_t total, VbenchVideoScore* score) override {
    Put({sum_ / static_cast<double>(total), total, {}}, score);
  }

 private:
  const ScriptNetwork& network_;
  double sum_ = 0;
};

class StylePart : public NetworkPart {
 public:
  StylePart(const ScriptNetwork& network, at::Tensor text)
      : NetworkPart({"appearance_style"}), network_(network), text_(std::move(text)) {}

  void Add(FrameBatch& batch) override {
    const at::Tensor features = Features(network_, batch.Get(VbenchTransform::kClipPil));
    for (int64_t i = 0; i < features.size(0); ++i) {
      frames_.push_back(CosineSimilarity(Values(features[i]), Values(text_)));
    }
  }
  void Finish(int64_t total, VbenchVideoScore* score) override {
    Put({Mean(frames_), total, frames_}, score);
  }

 private:
  const ScriptNetwork& network_;
  at::Tensor text_;
  std::vector<double> frames_;
};

// temporal_style and overall_consistency: one code upstream, so one computation here.
class VideoTextPart : public NetworkPart {
 public:
  VideoTextPart(std::vector<std::string> dimensions,
                const ScriptNetwork& network,
                at::Tensor text,
                int64_t declared_frames)
      : NetworkPart(std::move(dimensions)), network_(network), text_(std::move(text)) {
    Choose(declared_frames);
  }

  void Add(FrameBatch& batch) override {
    for (size_t i = 0; i < batch.frames().size(); ++i, ++position_) {
      if (std::find(chosen_.begin(), chosen_.end(), position_) == chosen_.end()) continue;
      pictures_[position_] = Preprocess(VbenchTransform::kClipUint8, batch.frames().subspan(i, 1));
    }
  }
  void Finish(int64_t total, VbenchVideoScore* score) override {
    if (total != expected_) {
      // The file declared another number of frames, or none.
      Choose(total);
      return;
    }
    std::vector<at::Tensor> pictures;
    for (const int64_t index : chosen_) pictures.push_back(pictures_.at(index));
    const at::Tensor features = network_.Call({at::cat(pictures).unsqueeze(0)});
    if (features.numel() != text_.numel()) {
      ThrowUserError(network_.path(), "must return [1, {}] as for the text", text_.numel());
    }
    Put({CosineSimilarity(Values(features), Values(text_)), total, {}}, score);
  }

 private:
  void Choose(int64_t frames) {
    expected_ = frames;
    chosen_ = MiddleFrames(8, frames);
    pictures_.clear();
    position_ = 0;
  }

  const ScriptNetwork& network_;
  at::Tensor text_;
  int64_t expected_ = -1;
  int64_t position_ = 0;
  std::vector<int64_t> chosen_;
  std::map<int64_t, at::Tensor> pictures_;  // [1, 3, 224, 224]
};

class MotionPart : public NetworkPart {
 public:
  explicit MotionPart(const ScriptNetwork& network)
      : NetworkPart({"motion_smoothness"}), network_(network) {}

  void Add(FrameBatch& batch) override {
    for (const Frame& frame : batch.frames()) {
      if (position_++ % 2 == 1) {
        odd_ = frame;
        continue;
      }
      at::Tensor even = FramesToTensor({&frame, 1}).div_(255.0);
      if (before_.defined()) Compare(even);
      before_ = std::move(even);
    }
  }
  void Finish(int64_t, VbenchVideoScore* score) override {
    if (differences_.empty()) ThrowUserError("motion_smoothness", "needs at least 3 frames");
    const auto pairs = static_cast<int64_t>(differences_.size());
    Put({(255.0 - Mean(differences_)) / 255.0, pairs, {}}, score);
  }

 private:
  void Compare(const at::Tensor& after) {
    const int64_t height = after.size(2), width = after.size(3);
    const Padding padding = PadToMultiple(height, width, 16);
    const at::Tensor a = Padded(before_, padding), b = Padded(after, padding);
    const at::Tensor between = network_.Call({a, b});
    if (between.sizes() != a.sizes()) {
      ThrowUserError(network_.path(), "must return a picture of the size of its inputs");
    }
    const at::Tensor cut = between[0]
                               .narrow(1, padding.top, height)
                               .narrow(2, padding.left, width)
                               .permute({1, 2, 0})
                               .contiguous();
    std::vector<uint8_t> bytes(odd_.rgb.size());
    const std::span<const float> values = Values(cut);
    std::transform(values.begin(), values.end(), bytes.begin(), TruncatedByte);
    differences_.push_back(static_cast<double>(AbsoluteDifference(bytes, odd_.rgb)) /
                           static_cast<double>(bytes.size()));
  }

  const ScriptNetwork& network_;
  int64_t position_ = 0;
  at::Tensor before_;  // the last even frame, [1, 3, H, W] in [0, 1]
  Frame odd_;          // the one after it
  std::vector<double> differences_;
};

class FlowPart : public NetworkPart {
 public:
  FlowPart(const ScriptNetwork& network, int64_t interval)
      : NetworkPart({"dynamic_degree"}), network_(network), interval_(interval) {}

  void Add(FrameBatch& batch) override {
    for (const Frame& frame : batch.frames()) {
      if (position_++ % interval_ != 0) continue;
      ++sampled_;
      height_ = frame.height;
      width_ = frame.width;
      at::Tensor picture =
          Padded(FramesToTensor({&frame, 1}), PadToMultiple(frame.height, frame.width, 8));
      if (before_.defined()) {
        const at::Tensor flow = network_.Call({before_, picture});
        if (flow.dim() != 4 || flow.size(0) != 1 || flow.size(1) != 2) {
          ThrowUserError(network_.path(), "must return a flow [1, 2, h, w]");
        }
        // Of the padded picture, as upstream.
        const at::Tensor uv = flow[0].flatten(1).contiguous();
        pairs_.push_back(LargestFlow(Values(uv[0]), Values(uv[1])));
      }
      before_ = std::move(picture);
    }
  }
  void Finish(int64_t, VbenchVideoScore* score) override {
    const bool moves = IsMoving(pairs_, sampled_, height_, width_);
    Put({moves ? 1.0 : 0.0, sampled_, {}}, score);
  }

 private:
  const ScriptNetwork& network_;
  int64_t interval_;
  int64_t position_ = 0;
  int64_t sampled_ = 0;
  int64_t height_ = 0, width_ = 0;
  at::Tensor before_;
  std::vector<double> pairs_;
};

std::string StyleText(const SuiteVideo& video) {
  const nlohmann::json auxiliary =
      video.auxiliary.empty() ? nlohmann::json::object() : nlohmann::json::parse(video.auxiliary);
  const JsonFields all(auxiliary, video.prompt);
  if (!all.Has("appearance_style")) {
    ThrowUserError(video.prompt, "must have \"auxiliary_info\" of appearance_style but has none");
  }
  return JsonFields(all.At("appearance_style"), video.prompt + ": appearance_style")
      .String("appearance_style");
}

bool IsPictureFolder(const VideoInfo& info) { return info.codec == "png" || info.codec == "jpeg"; }

std::unique_ptr<NetworkPart> MakePart(const NetworkSet& networks,
                                      const SuiteVideo& video,
                                      const std::string& dimension,
                                      const VideoInfo& info) {
  if (dimension == "subject_consistency") {
    return std::make_unique<ConsistencyPart>(
        dimension,
        networks.At("dino"),
        IsPictureFolder(info) ? VbenchTransform::kDinoPil : VbenchTransform::kDinoFloat);
  }
  if (dimension == "background_consistency") {
    return std::make_unique<ConsistencyPart>(
        dimension,
        networks.At("clip_b32_image"),
        IsPictureFolder(info) ? VbenchTransform::kClipPil : VbenchTransform::kClipFloat);
  }
  if (dimension == "aesthetic_quality") {
    return std::make_unique<AestheticPart>(networks.At("clip_l14_image"),
                                           networks.aesthetic_head());
  }
  if (dimension == "imaging_quality") {
    return std::make_unique<ImagingPart>(networks.At("musiq"));
  }
  if (dimension == "motion_smoothness") {
    return std::make_unique<MotionPart>(networks.At("amt"));
  }
  if (dimension == "dynamic_degree") {
    return std::make_unique<FlowPart>(networks.At("raft"), FlowInterval(info.fps));
  }
  return std::make_unique<StylePart>(networks.At("clip_b32_image"),
                                     networks.TextFeatures("clip_b32_text", StyleText(video)));
}

}  // namespace

const at::Tensor& FrameBatch::Get(VbenchTransform transform) {
  at::Tensor& tensor = tensors_[transform];
  if (!tensor.defined()) tensor = Preprocess(transform, frames_);
  return tensor;
}

std::vector<std::unique_ptr<NetworkPart>> MakeNetworkParts(
    const NetworkSet& networks,
    const SuiteVideo& video,
    const std::vector<const VbenchDimension*>& dimensions,
    const VideoInfo& info) {
  std::vector<std::unique_ptr<NetworkPart>> parts;
  std::vector<std::string> video_text;
  for (const VbenchDimension* dimension : dimensions) {
    const std::string name(dimension->name);
    if (name == "temporal_style" || name == "overall_consistency") {
      video_text.push_back(name);
    } else {
      parts.push_back(MakePart(networks, video, name, info));
    }
  }
  if (!video_text.empty()) {
    parts.push_back(
        std::make_unique<VideoTextPart>(std::move(video_text),
                                        networks.At("viclip_video"),
                                        networks.TextFeatures("viclip_text", video.prompt),
                                        info.num_frames));
  }
  return parts;
}

}  // namespace teacache
