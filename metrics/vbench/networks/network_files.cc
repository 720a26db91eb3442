#include "metrics/vbench/networks/network_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "datasets/base/error.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFeatures = "float32 [N, D]";

constexpr std::array<NetworkSlot, 11> kSlots = {{
    {"dino",
     "dino.ts",
     "DINO ViT-B/16",
     "float32 [N, 3, h, w], the shorter of h and w 224",
     kFeatures},
    {"clip_b32_image",
     "clip_b32_image.ts",
     "CLIP ViT-B/32, image",
     "float32 [N, 3, 224, 224]",
     kFeatures},
    {"clip_b32_text",
     "clip_b32_text.ts",
     "CLIP ViT-B/32, text",
     "int64 [1, 77]",
     "float32 [1, D], D of clip_b32_image"},
    {"clip_l14_image",
     "clip_l14_image.ts",
     "CLIP ViT-L/14, image",
     "float32 [N, 3, 224, 224]",
     kFeatures},
    {"aesthetic_head",
     "sa_0_4_vit_l_14_linear.pth",
     "LAION's linear head, as published",
     "a file of tensors: torch.save or safetensors",
     "\"weight\" float32 [1, D], D of clip_l14_image, and \"bias\" float32 [1]"},
    {"musiq",
     "musiq.ts",
     "MUSIQ, SPAQ",
     "float32 [1, 3, h, w], 0 to 1",
     "float32 [1, 1], 0 to 100"},
    {"raft",
     "raft.ts",
     "RAFT things, 20 iterations",
     "two float32 [1, 3, h, w], 0 to 255, h and w multiples of 8",
     "float32 [1, 2, h, w]: flow from the first to the second in pixels"},
    {"amt",
     "amt.ts",
     "AMT-S",
     "two float32 [1, 3, h, w], 0 to 1, h and w multiples of 16",
     "float32 [1, 3, h, w]: the frame between"},
    {"viclip_video",
     "viclip_video.ts",
     "ViCLIP ViT-L/14, video",
     "float32 [1, 8, 3, 224, 224]",
     "float32 [1, D]"},
    {"viclip_text",
     "viclip_text.ts",
     "ViCLIP ViT-L/14, text",
     "int64 [1, 32]",
     "float32 [1, D], D of viclip_video"},
    {"clip_merges",
     "bpe_simple_vocab_16e6.txt",
     "CLIP's byte-pair merges, unpacked",
     "a text file",
     "a line that is skipped, then two symbols per line"},
}};

const NetworkSlot* FindSlot(std::string_view name) {
  const auto found = std::find_if(
      kSlots.begin(), kSlots.end(), [&](const NetworkSlot& slot) { return slot.name == name; });
  return found == kSlots.end() ? nullptr : &*found;
}

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// What of `detections` files a dimension looks at.
std::string_view Detections(const VbenchDimension& dimension) {
  if (dimension.name == "human_action") return "the video's \"actions\"";
  if (dimension.name == "scene") return "the frames' \"caption\"";
  if (dimension.name == "color") return "the objects' \"label\" and \"caption\"";
  if (dimension.name == "spatial_relationship") return "the objects' \"label\" and \"box\"";
  return "the objects' \"label\"";
}

}  // namespace

std::span<const NetworkSlot> NetworkSlots() { return kSlots; }

NetworkFiles FindNetworkFiles(const std::string& folder,
                              const std::vector<std::string>& overrides) {
  NetworkFiles files;
  std::error_code error;
  if (!folder.empty()) {
    if (!fs::is_directory(folder, error)) {
      ThrowUserError(folder, "must be a folder of networks but is none");
    }
    for (const NetworkSlot& slot : kSlots) {
      const fs::path path = fs::path(folder) / slot.file;
      if (fs::exists(path, error)) files[std::string(slot.name)] = path.string();
    }
  }
  for (const std::string& text : overrides) {
    const size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    if (equals == std::string::npos || FindSlot(name) == nullptr) {
      std::string names;
      for (const NetworkSlot& slot : kSlots) {
        names += (names.empty() ? "" : ", ") + std::string(slot.name);
      }
      ThrowUserError("--network", "must be NAME=FILE with one of {} but is \"{}\"", names, text);
    }
    const std::string path = text.substr(equals + 1);
    if (!fs::exists(path, error)) {
      ThrowUserError("--network", "{}: \"{}\" does not exist", name, path);
    }
    files[name] = path;
  }
  return files;
}

std::vector<std::string> SlotsOf(const VbenchDimension& dimension) {
  const std::string_view name = dimension.name;
  if (name == "subject_consistency") return {"dino"};
  if (name == "background_consistency") return {"clip_b32_image"};
  if (name == "motion_smoothness") return {"amt"};
  if (name == "dynamic_degree") return {"raft"};
  if (name == "aesthetic_quality") return {"clip_l14_image", "aesthetic_head"};
  if (name == "imaging_quality") return {"musiq"};
  if (name == "appearance_style") return {"clip_b32_image", "clip_b32_text", "clip_merges"};
  if (name == "temporal_style" || name == "overall_consistency") {
    return {"viclip_video", "viclip_text", "clip_merges"};
  }
  return {};
}

std::vector<std::string> MissingFiles(const VbenchDimension& dimension, const NetworkFiles& files) {
  std::vector<std::string> missing;
  for (const std::string& slot : SlotsOf(dimension)) {
    if (!files.contains(slot)) missing.emplace_back(FindSlot(slot)->file);
  }
  return missing;
}

std::string DescribeVbench(const std::vector<const VbenchDimension*>& dimensions) {
  std::string text;
  for (const VbenchDimension* d : dimensions) {
    text += fmt::format("{} ({}, {} ... {} to 0 ... 1, weight {})\n",
                        d->name,
                        d->quality ? "Quality" : "Semantic",
                        d->min,
                        d->max,
                        d->weight);
    text += fmt::format(
        "  frames:  {}\n  picture: {}\n  score:   {}\n", d->frames, d->picture, d->score);
    for (const std::string& name : SlotsOf(*d)) {
      const NetworkSlot& slot = *FindSlot(name);
      text += fmt::format(
          "  needs:   {} ({}): {} -> {}\n", slot.file, slot.model, slot.input, slot.output);
    }
    if (d->source == VbenchSource::kDetections) {
      text += fmt::format("  needs:   --detections with {}, of {}\n", Detections(*d), d->model);
    }
    if (d->name == "subject_consistency") {
      text += "  folders of pictures: dino_pil, as upstream's read_frame (Pillow's bilinear)\n";
    } else if (d->name == "background_consistency") {
      text += "  folders of pictures: clip_pil, as upstream's read_frame (Pillow's bicubic)\n";
    }
    text += "\n";
  }
  return text;
}

std::string HowToCompute(const VbenchDimension& dimension, const NetworkFiles& files) {
  if (dimension.source == VbenchSource::kNetworks) {
    return fmt::format("{} needs {} in --networks (docs/vbench-export.md says how to make {})",
                       dimension.name,
                       Join(MissingFiles(dimension, files)),
                       MissingFiles(dimension, files).size() == 1 ? "it" : "them");
  }
  return fmt::format(
      "{0} needs {1}, which is not built in: give its answers with --detections, or run VBench's "
      "\"python evaluate.py --dimension {0} --videos_path DIR --output_path OUT\" and give "
      "both folders to \"vbench-score aggregate --scores\" "
      "(docs/vbench-export.md)",
      dimension.name,
      dimension.model);
}

}  // namespace teacache
