#include "metrics/vbench/dimensions.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr auto kNative = VbenchSource::kNative;
constexpr auto kNetworks = VbenchSource::kNetworks;
constexpr auto kDetections = VbenchSource::kDetections;
constexpr auto kVideos = VbenchPooling::kVideos;
constexpr auto kFrames = VbenchPooling::kFrames;

constexpr std::string_view kClipFloat =
    "clip_float: shorter side to 224 by bicubic interpolation (A = -0.75, no antialiasing) of "
    "float values, overshoot kept; middle 224 x 224; / 255; minus (0.48145466, 0.4578275, "
    "0.40821073), over (0.26862954, 0.26130258, 0.27577711)";
constexpr std::string_view kClipUint8 =
    "clip_uint8: as clip_float, but the resized picture is cut to 0 ... 255 and rounded";
constexpr std::string_view kClipPil =
    "clip_pil: shorter side to 224 by PIL's bicubic (A = -0.5, antialiased, 8-bit result); middle "
    "224 x 224; / 255; mean and deviation as clip_float";
constexpr std::string_view kDinoFloat =
    "dino_float: shorter side to 224 by bilinear interpolation (no antialiasing), no crop; / 255; "
    "minus (0.485, 0.456, 0.406), over (0.229, 0.224, 0.225)";
constexpr std::string_view kConsistency =
    "for every frame but the first the mean of max(0, cosine to the frame before) and max(0, "
    "cosine to the first frame); mean over all frames of all videos";
constexpr std::string_view kViclip =
    "cosine of the video's and the prompt's features (context of 32 tokens, cut); mean over videos";
constexpr std::string_view kMiddle8 =
    "8: the middles of 8 equal parts; the last one again when there are fewer";
constexpr std::string_view kMiddle16 =
    "16: the middles of 16 equal parts; the last one again when there are fewer";
constexpr std::string_view kGritPicture =
    "as they are; when the smaller side is above 768, resized to 720 for it";

constexpr std::array<VbenchDimension, 16> kDimensions = {{
    {"subject_consistency",
     true,
     0.1462,
     1,
     1,
     kNetworks,
     kFrames,
     true,
     "all",
     kDinoFloat,
     kConsistency,
     "DINO ViT-B/16"},
    {"background_consistency",
     true,
     0.2615,
     1,
     1,
     kNetworks,
     kFrames,
     true,
     "all",
     kClipFloat,
     kConsistency,
     "CLIP ViT-B/32, image"},
    {"temporal_flickering",
     true,
     0.6293,
     1,
     1,
     kNative,
     kVideos,
     true,
     "all",
     "none: 8-bit values",
     "(255 - mean over pairs of neighbours of the mean |difference|) / 255; mean over videos",
     ""},
    {"motion_smoothness",
     true,
     0.706,
     0.9975,
     1,
     kNetworks,
     kVideos,
     true,
     "frames 0, 2, 4, ... go in, frames 1, 3, 5, ... are compared",
     "/ 255; edges repeated to multiples of 16",
     "the network's middle frame times 255, cut to 0 ... 255, truncated; (255 - mean |difference| "
     "to the true frame) / 255; mean over videos",
     "AMT-S"},
    {"dynamic_degree",
     true,
     0,
     1,
     0.5,
     kNetworks,
     kVideos,
     true,
     "every max(1, round(fps / 8))-th",
     "values 0 ... 255; edges repeated to multiples of 8",
     "per pair the mean of the largest 5 % of |flow|; the video moves (1, else 0) when round(n / "
     "4) of its n frames are above 6 min(height, width) / 256; mean over videos",
     "RAFT things, 20 iterations"},
    {"aesthetic_quality",
     true,
     0,
     1,
     1,
     kNetworks,
     kVideos,
     true,
     "all",
     kClipFloat,
     "linear head on the normalised features, / 10; mean over frames, then videos",
     "CLIP ViT-L/14, image, and LAION's linear head"},
    {"imaging_quality",
     true,
     0,
     1,
     1,
     kNetworks,
     kVideos,
     true,
     "all",
     "imaging_longer: longer side to 512 when it is larger, bilinear (no antialiasing); / 255",
     "mean over frames; mean over videos, / 100",
     "MUSIQ, SPAQ"},
    {"object_class",
     false,
     0,
     1,
     1,
     kDetections,
     kFrames,
     false,
     kMiddle16,
     kGritPicture,
     "share of frames in which the object is among the labels; all frames of all videos together",
     "GRiT-B, object detection"},
    {"multiple_objects",
     false,
     0,
     1,
     1,
     kDetections,
     kFrames,
     false,
     kMiddle16,
     kGritPicture,
     "share of frames in which both objects are among the labels; all frames together",
     "GRiT-B, object detection"},
    {"human_action",
     false,
     0,
     1,
     1,
     kDetections,
     kVideos,
     true,
     kMiddle16,
     "shorter side to 256, middle 224 x 224, ImageNet's mean and deviation",
     "is the action of the file's name among the top 5 with a sigmoid of 0.85 or more; mean over "
     "videos",
     "UMT ViT-L/16, Kinetics-400"},
    {"color",
     false,
     0,
     1,
     1,
     kDetections,
     kVideos,
     false,
     kMiddle16,
     kGritPicture,
     "frames whose caption of the object names the colour, over frames in which it names any of "
     "12; videos without such a frame are left out; mean over videos",
     "GRiT-B, dense captions"},
    {"spatial_relationship",
     false,
     0,
     1,
     1,
     kDetections,
     kFrames,
     false,
     kMiddle16,
     kGritPicture,
     "per frame the best pair of boxes of the two objects: 1 when they lie along the axis and "
     "IoU < 0.1, 0.1 / IoU when they overlap more, otherwise 0; mean over all frames",
     "GRiT-B, object detection"},
    {"scene",
     false,
     0,
     0.8222,
     1,
     kDetections,
     kFrames,
     false,
     kMiddle16,
     "384 x 384",
     "share of frames whose caption holds every word of the scene's name; all frames together",
     "Tag2Text Swin-B"},
    {"appearance_style",
     false,
     0.0009,
     0.2855,
     1,
     kNetworks,
     kFrames,
     false,
     "all",
     kClipPil,
     "cosine of the frame's and the style text's features; mean over all frames of all videos",
     "CLIP ViT-B/32, image and text"},
    {"temporal_style",
     false,
     0,
     0.364,
     1,
     kNetworks,
     kVideos,
     true,
     kMiddle8,
     kClipUint8,
     kViclip,
     "ViCLIP ViT-L/14, InternVid-10M-FLT"},
    {"overall_consistency",
     false,
     0,
     0.364,
     1,
     kNetworks,
     kVideos,
     true,
     kMiddle8,
     kClipUint8,
     kViclip,
     "ViCLIP ViT-L/14, InternVid-10M-FLT"},
}};

}  // namespace

std::span<const VbenchDimension> VbenchDimensions() { return kDimensions; }

const VbenchDimension* FindVbenchDimension(std::string_view name) {
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), ' ', '_');
  for (const VbenchDimension& dimension : kDimensions) {
    if (dimension.name == wanted) return &dimension;
  }
  return nullptr;
}

std::vector<const VbenchDimension*> ParseVbenchDimensions(const std::string& list) {
  std::vector<const VbenchDimension*> chosen;
  std::istringstream parts(list);
  for (std::string name; std::getline(parts, name, ',');) {
    const VbenchDimension* dimension = FindVbenchDimension(name);
    if (dimension == nullptr) {
      std::string names;
      for (const VbenchDimension& known : kDimensions) {
        names += (names.empty() ? "" : ", ") + std::string(known.name);
      }
      ThrowUserError("--dimensions", "must be any of {} but has \"{}\"", names, name);
    }
    chosen.push_back(dimension);
  }
  if (chosen.empty()) ThrowUserError("--dimensions", "must name at least one dimension");
  // By address: the order of the table.
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

}  // namespace teacache
