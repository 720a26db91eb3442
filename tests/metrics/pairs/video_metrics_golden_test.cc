// Whole folders against TeaCache's eval.py and batch_eval.py (video_metrics.json): values of every
// frame, printed lines in every listing order, resized ground truth, and what makes the scripts
// fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/safetensors.h"
#include "metrics/frames/psnr.h"
#include "metrics/frames/resize.h"
#include "metrics/lpips/lpips.h"
#include "metrics/pairs/evaluate.h"
#include "metrics/pairs/teacache_line.h"
#include "tests/metrics/frames/tensor_frames.h"
#include "tests/metrics/lpips/generated_weights.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// The heads of the lpips package: stored beside the LPIPS tensors.
std::vector<TensorView> Heads(const std::string& net) {
  const GoldenCase golden = FindGoldenCases("lpips_tensors").at(0);
  const auto file =
      SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
  std::vector<TensorView> heads;
  for (int layer = 0;; ++layer) {
    const TensorView* view = file.Find(fmt::format("lin.{}.{}", net, layer));
    if (view == nullptr) return heads;
    heads.push_back(*view);
    heads.back().name = fmt::format("lin{}.model.1.weight", layer);
    heads.back().shape = {1, view->shape[0], 1, 1};
  }
}

std::shared_ptr<const Lpips> AlexLpips(const nlohmann::json& backbone) {
  static std::map<std::string, std::shared_ptr<const Lpips>> cache;
  auto& lpips = cache[backbone.dump()];
  if (!lpips) {
    lpips =
        std::make_shared<const Lpips>(LpipsOptions{}, GenerateBackbone(backbone), Heads("alex"));
  }
  return lpips;
}

class VideoMetrics : public testing::Test {
 protected:
  // Calls check(golden, name, set) for every set that has `key`.
  template <typename Check>
  void ForEachSet(const std::string& key, const Check& check) {
    int ran = 0;
    for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
      for (const auto& [name, set] : golden.json["sets"].items()) {
        if (!set.contains(key)) continue;
        SCOPED_TRACE(golden.file.string() + " " + name);
        check(golden, name, set);
        ++ran;
      }
    }
    EXPECT_GT(ran, 0);
  }

  static std::string Folder(const GoldenCase& golden, const std::string& set, const char* side) {
    return (golden.folder / "videos" / set / side).string();
  }

  static EvaluateOptions Options(const GoldenCase& golden, const std::string& set) {
    EvaluateOptions options;
    options.gt = Folder(golden, set, "gt");
    options.gens = {Folder(golden, set, "gen")};
    options.teacache = true;
    options.score.metrics.push_back(AlexLpips(golden.json["alex_backbone"]));
    options.score.per_frame = true;
    return options;
  }
};

void ExpectFrames(const VideoScore& video, const nlohmann::json& pair) {
  ASSERT_EQ(video.error, "");
  EXPECT_TRUE(Near(video.per_frame.at("psnr"), GoldenNumbers(pair["psnr"]), 0, 5e-6));
  if (pair.contains("psnr_exact")) {
    EXPECT_TRUE(Near(video.per_frame.at("psnr"), GoldenNumbers(pair["psnr_exact"]), 0, 1e-9));
  }
  EXPECT_TRUE(Near(video.per_frame.at("ssim"), GoldenNumbers(pair["ssim"]), 0, 2e-7));
  EXPECT_TRUE(Near(
      video.per_frame.at("lpips"), GoldenNumbers(pair["lpips_alex_random_spatial"]), 1e-5, 1e-6));
}

TEST_F(VideoMetrics, EveryFrameOfEveryPair) {
  ForEachSet("pairs", [](const GoldenCase& golden, const std::string& name, const auto& set) {
    const Results results = EvaluateFolders(Options(golden, name)).at(0);
    ASSERT_EQ(results.videos.size(), set["pairs"].size());
    std::map<std::string, const VideoScore*> videos;
    for (const VideoScore& video : results.videos) videos[video.name] = &video;
    for (const auto& pair : set["pairs"]) {
      const std::string id = pair["id"];
      SCOPED_TRACE(id);
      ASSERT_EQ(videos.count(id), 1u);
      ExpectFrames(*videos[id], pair);
      EXPECT_NEAR(videos[id]->scores.at("psnr"), double(pair["mean_psnr"]), 5e-6);
      EXPECT_NEAR(videos[id]->scores.at("ssim"), double(pair["mean_ssim"]), 2e-7);
    }
    const auto& mean = set["mean_of_videos"];
    EXPECT_NEAR(results.summary.at("psnr").mean, double(mean["psnr"]), 5e-6);
    EXPECT_NEAR(results.summary.at("ssim").mean, double(mean["ssim"]), 2e-7);
    EXPECT_NEAR(results.summary.at("lpips").mean, double(mean["lpips_alex_random_spatial"]), 1e-6);
  });
}

TEST_F(VideoMetrics, PrintedLineInEveryListingOrder) {
  ForEachSet("eval_py", [](const GoldenCase& golden, const std::string& name, const auto& set) {
    for (const auto& [order, expected] : set["eval_py"].items()) {
      SCOPED_TRACE(order);
      EvaluateOptions options = Options(golden, name);
      options.teacache_order = expected["order"].template get<std::vector<std::string>>();
      options.jobs = order == "reversed" ? 3 : 1;
      const Results results = EvaluateFolders(options).at(0);
      EXPECT_EQ(TeaCacheLine(results), expected["printed"].template get<std::string>());
      const TeaCacheMeans means = MeansOfBatches(results);
      EXPECT_NEAR(means.psnr, double(expected["total"]["psnr"]), 5e-6);
      EXPECT_NEAR(means.ssim, double(expected["total"]["ssim"]), 2e-7);
      EXPECT_NEAR(means.lpips, double(expected["total"]["lpips"]), 1e-6);
    }
    const TeaCacheMeans eight = MeansOfBatches(EvaluateFolders(Options(golden, name)).at(0), 8);
    const auto& batch_eval = set["batch_eval_py"]["total"];
    EXPECT_NEAR(eight.psnr, double(batch_eval["psnr"]), 5e-6);
    EXPECT_NEAR(eight.ssim, double(batch_eval["ssim"]), 2e-7);
    EXPECT_NEAR(eight.lpips, double(batch_eval["lpips"]), 1e-6);
  });
}

TEST_F(VideoMetrics, SqueezeNetWithRealWeights) {
  const auto backbone = SharedGoldenFile("lpips/squeeze.backbone.pth");
  if (!backbone) GTEST_SKIP() << "needs lpips/squeeze.backbone.pth of the shared golden data";
  LpipsOptions net;
  net.net = LpipsNet::kSqueeze;
  const auto lpips =
      std::make_shared<const Lpips>(net, SqueezeBackbone(*backbone), Heads("squeeze"));
  int pairs = 0;
  ForEachSet("pairs", [&](const GoldenCase& golden, const std::string& name, const auto& set) {
    if (!set["pairs"][0].contains("lpips_squeeze_spatial")) return;
    EvaluateOptions options = Options(golden, name);
    options.score.metrics = {lpips};
    const Results results = EvaluateFolders(options).at(0);
    for (const VideoScore& video : results.videos) {
      for (const auto& pair : set["pairs"]) {
        if (pair["id"] != video.name) continue;
        ++pairs;
        EXPECT_TRUE(Near(
            video.per_frame.at("lpips"), GoldenNumbers(pair["lpips_squeeze_spatial"]), 1e-5, 1e-6))
            << video.name;
      }
    }
  });
  EXPECT_GT(pairs, 0);
}

TEST_F(VideoMetrics, BatchEvalResizesTheGroundTruth) {
  ForEachSet("calls", [](const GoldenCase& golden, const std::string& name, const auto& set) {
    // batch_eval.py resizes once per ground-truth video, in order of name.
    const auto& ids = set["ids"];
    ASSERT_EQ(ids.size(), set["calls"].size());
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::string file = ids[i].template get<std::string>() + ".mp4";
      VideoReaderOptions imageio;
      imageio.decoder = VideoReaderOptions::Decoder::kImageio;
      const Video gt = ReadVideo((fs::path(Folder(golden, name, "gt")) / file).string(), imageio);
      const auto& call = set["calls"][i];
      const int height = call["out_shape"][2], width = call["out_shape"][3];
      const auto& digests = call["out_sha256"];
      ASSERT_LE(digests.size(), gt.frames.size());
      for (size_t t = 0; t < digests.size(); ++t) {
        const Frame out = BatchEvalResize(gt.frames[t], width, height);
        // The digests are of what `.tobytes()` gave: [H, W, 3].
        EXPECT_EQ(Sha256Hex(std::span<const uint8_t>(out.rgb)),
                  digests[t].template get<std::string>())
            << file << " frame " << t;
      }
    }
  });
}

TEST_F(VideoMetrics, ResizedTensors) {
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    const auto tensors = SafetensorsFile::Open((golden.folder / "resized_gt.safetensors").string());
    int ran = 0;
    for (const std::string& name : tensors.names()) {
      const size_t dot = name.find('.');
      if (name.substr(dot).starts_with(".gt_decoded")) continue;
      const bool antialias = !name.ends_with(".no_antialias");
      const std::string index = name.substr(dot + 1, name.find('.', dot + 1) - dot - 1);
      const auto expected = ToFrames(tensors.At(name));
      const auto gt = ToFrames(tensors.At(name.substr(0, dot) + ".gt_decoded." + index));
      int64_t differing = 0;
      for (size_t t = 0; t < expected.size(); ++t) {
        const Frame out = BatchEvalResize(gt[t], expected[t].width, expected[t].height, antialias);
        for (size_t i = 0; i < out.rgb.size(); ++i) {
          differing += out.rgb[i] != expected[t].rgb[i] ? 1 : 0;
        }
      }
      EXPECT_EQ(differing, 0) << name << " of " << expected.size() * expected[0].rgb.size();
      ++ran;
    }
    EXPECT_GT(ran, 0);
  }
}

TEST_F(VideoMetrics, BatchEvalMeans) {
  ForEachSet("calls", [](const GoldenCase& golden, const std::string& name, const auto& set) {
    EvaluateOptions options = Options(golden, name);
    options.gens.push_back(Folder(golden, name, "gen2"));
    options.score.size = SizePolicy::kBatchEval;
    options.score.length = LengthPolicy::kMin;
    const auto results = EvaluateFolders(options);
    for (size_t i = 0; i < results.size(); ++i) {
      const TeaCacheMeans means = MeansOfBatches(results[i], 8);
      EXPECT_NEAR(means.psnr, double(set["batch_means"]["psnr"][i]), 5e-6);
      EXPECT_NEAR(means.ssim, double(set["batch_means"]["ssim"][i]), 2e-7);
      EXPECT_NEAR(means.lpips, double(set["batch_means"]["lpips"][i]), 1e-6);
    }
  });
}

TEST_F(VideoMetrics, LosslessCarriers) {
  int ran = 0;
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    for (const auto& [name, expected] : golden.json["lossless"].items()) {
      SCOPED_TRACE(name);
      EvaluateOptions options;
      options.gt = (golden.folder / expected["files"][0].get<std::string>()).string();
      options.gens = {(golden.folder / expected["files"][1].get<std::string>()).string()};
      options.score.per_frame = true;
      options.score.metrics = MakeMetrics("psnr,ssim", {.psnr_cap = 100});
      options.score.metrics.push_back(AlexLpips(golden.json["alex_backbone"]));
      const Results results = EvaluateFolders(options).at(0);
      ASSERT_EQ(results.videos.size(), 1u);
      ExpectFrames(results.videos[0], expected);
      EXPECT_EQ(results.videos[0].gt.lossless, true);
      EXPECT_EQ(results.videos[0].gen.lossless, true);
      ++ran;
    }
  }
  EXPECT_GT(ran, 0);
}

// The folders on which eval.py stops, by the names that the golden file gives them.
TEST_F(VideoMetrics, WhatMakesTheScriptFail) {
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    const fs::path small = fs::directory_iterator(Folder(golden, "main", "gt"))->path();
    const fs::path large = fs::directory_iterator(Folder(golden, "square", "gt"))->path();
    const auto line = [&](const std::vector<std::pair<std::string, fs::path>>& files) {
      const TempDir dir;
      fs::create_directories(dir / "gt");
      fs::create_directories(dir / "gen");
      for (const auto& [name, source] : files) fs::copy_file(source, dir / name);
      EvaluateOptions options;
      options.gt = dir / "gt";
      options.gens = {dir / "gen"};
      options.teacache = true;
      options.score.metrics.push_back(AlexLpips(golden.json["alex_backbone"]));
      return TeaCacheLine(EvaluateFolders(options).at(0));
    };
    const std::map<std::string, std::vector<std::pair<std::string, fs::path>>> folders = {
        {"two sizes in gen",
         {{"gt/a-0.mp4", small},
          {"gen/a-0.mp4", small},
          {"gt/b-0.mp4", large},
          {"gen/b-0.mp4", large}}},
        {"gt and gen differ in size", {{"gt/a-0.mp4", small}, {"gen/a-0.mp4", large}}},
        {"gt missing", {{"gt/b-0.mp4", small}, {"gen/a-0.mp4", small}}},
        {"extra gt ignored",
         {{"gt/a-0.mp4", small}, {"gt/b-0.mp4", large}, {"gen/a-0.mp4", small}}},
        {"upper-case extension skipped", {{"gt/a-0.mp4", small}, {"gen/a-0.MP4", small}}},
        {".mp4 inside the prompt",
         {{"gt/a.mp4 clip-0.mp4", small}, {"gen/a.mp4 clip-0.mp4", small}}}};
    for (const auto& [name, expected] : golden.json["eval_py_failures"].items()) {
      SCOPED_TRACE(name);
      ASSERT_EQ(folders.count(name), 1u) << "unknown folder";
      if (expected["ok"].get<bool>()) {
        EXPECT_EQ(line(folders.at(name)), expected["printed"].get<std::string>());
      } else {
        EXPECT_THROW(line(folders.at(name)), UserError);
      }
    }
  }
}

}  // namespace
}  // namespace teacache
