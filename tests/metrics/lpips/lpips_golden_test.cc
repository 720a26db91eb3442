// LPIPS against the reference program's values (lpips_tensors.json; alex and vgg with generated
// weights, squeeze with the real ones) in float32 and in double.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>

#include "datasets/base/error.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/tensors/torch_pickle.h"
#include "datasets/tensors/torch_tensors.h"
#include "metrics/lpips/backbones.h"
#include "metrics/lpips/distance.h"
#include "metrics/lpips/lpips.h"
#include "metrics/lpips/weights.h"
#include "tests/metrics/lpips/generated_weights.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

using testing::HasSubstr;

// [3, H, W] to [H, W, 3].
Frame ToFrame(const TensorView& view) {
  Frame frame{static_cast<int>(view.shape[2]), static_cast<int>(view.shape[1]), {}};
  const size_t pixels = size_t(frame.width) * frame.height;
  frame.rgb.resize(3 * pixels);
  for (size_t i = 0; i < 3 * pixels; ++i) {
    frame.rgb[i % pixels * 3 + i / pixels] = static_cast<uint8_t>(view.data[i]);
  }
  return frame;
}

// "lin.alex.0" [C] as the files of the package name it.
std::vector<TensorView> Heads(const SafetensorsFile& file, const std::string& net) {
  std::vector<TensorView> heads;
  for (int layer = 0;; ++layer) {
    const TensorView* view = file.Find(fmt::format("lin.{}.{}", net, layer));
    if (view == nullptr) return heads;
    heads.push_back(*view);
    heads.back().name = fmt::format("lin{}.model.1.weight", layer);
    heads.back().shape = {1, view->shape[0], 1, 1};
  }
}

// The stored pair, or black and white of the size at the end of the name.
std::pair<Frame, Frame> Images(const nlohmann::json& item, const SafetensorsFile& tensors) {
  const std::string name = item["name"];
  const size_t at = name.find("zeros_ones_");
  if (at != std::string::npos) {
    const int size = std::stoi(name.substr(at + 11));
    const size_t samples = size_t(size) * size * 3;
    return {{size, size, std::vector<uint8_t>(samples, 0)},
            {size, size, std::vector<uint8_t>(samples, 255)}};
  }
  const std::string images = item["images"];
  const Frame a = ToFrame(tensors.At(images + ".a"));
  return {a, name.ends_with("identical") ? a : ToFrame(tensors.At(images + ".b"))};
}

struct Fixture {
  std::vector<TensorView> backbone;
  std::vector<TensorView> heads;
};

// Nothing where the real SqueezeNet features are needed and not there.
std::optional<Fixture> LoadWeights(const GoldenCase& golden,
                                   const SafetensorsFile& tensors,
                                   const std::string& net) {
  Fixture fixture{{}, Heads(tensors, net)};
  if (net == "squeeze") {
    const auto file = SharedGoldenFile("lpips/squeeze.backbone.pth");
    if (!file) return std::nullopt;
    fixture.backbone = SqueezeBackbone(*file);
  } else {
    fixture.backbone = GenerateBackbone(golden.json["backbones"][net]);
  }
  return fixture;
}

TEST(LpipsGolden, EveryCase) {
  int skipped = 0, ran = 0;
  for (const GoldenCase& golden : FindGoldenCases("lpips_tensors")) {
    SCOPED_TRACE(golden.file.string());
    const auto tensors =
        SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
    std::map<std::string, std::optional<Fixture>> fixtures;
    std::map<std::string, LpipsWeights> double_weights;
    for (const auto& item : golden.json["cases"]) {
      const std::string name = item["name"], net_name = item["net"];
      SCOPED_TRACE(name);
      const LpipsNet net = ParseLpipsNet(net_name);
      if (fixtures.count(net_name) == 0) {
        fixtures[net_name] = LoadWeights(golden, tensors, net_name);
        if (fixtures[net_name]) {
          double_weights[net_name] = ReadLpipsWeights(
              net, fixtures[net_name]->backbone, fixtures[net_name]->heads, "golden", at::kDouble);
        }
      }
      if (!fixtures[net_name]) {
        ++skipped;
        continue;
      }
      ++ran;
      const Fixture& fixture = *fixtures[net_name];
      const auto [a, b] = Images(item, tensors);
      const auto tolerance = [](double expected) { return std::max(1e-6, 1e-5 * expected); };

      const Lpips spatial({net, true}, fixture.backbone, fixture.heads);
      const Lpips plain({net, false}, fixture.backbone, fixture.heads);
      const Frame* const gens[] = {&b, &a, &b};
      const std::vector<double> distances = spatial.Distances(a, gens);
      const double expected = item.value("spatial_mean_f64", item.value("spatial_mean_f32", 0.0));
      EXPECT_NEAR(distances[0], expected, tolerance(expected));
      EXPECT_EQ(distances[1], 0.0) << "identical frames";
      EXPECT_EQ(distances[2], distances[0]);
      if (!item.contains("nonspatial_f64")) continue;  // analytic cases have no more
      EXPECT_NEAR(spatial.Distances(b, std::vector<const Frame*>{&a})[0],
                  double(item["swapped_spatial_mean_f64"]),
                  tolerance(expected));
      EXPECT_NEAR(plain.Distances(a, gens)[0], double(item["nonspatial_f64"]), tolerance(expected));
      EXPECT_TRUE(Near(
          spatial.PerLayer(a, b), GoldenNumbers(item["per_layer_spatial_mean_f64"]), 1e-5, 1e-6));
      EXPECT_TRUE(
          Near(plain.PerLayer(a, b), GoldenNumbers(item["per_layer_nonspatial_f64"]), 1e-5, 1e-6));

      // The same network in double.
      const LpipsWeights& weights = double_weights[net_name];
      const Frame* const pair[] = {&a, &b};
      const auto features = LpipsFeatures(net, weights, LpipsInput(pair, at::kDouble));
      double sum = 0, plain_sum = 0;
      for (size_t layer = 0; layer < features.size(); ++layer) {
        const at::Tensor& f = features[layer];
        sum += LayerDistance(f[0],
                             f[1],
                             weights.heads[layer],
                             UpsampleMeanWeights(f.size(2), a.height),
                             UpsampleMeanWeights(f.size(3), a.width));
        plain_sum += LayerDistance(f[0],
                                   f[1],
                                   weights.heads[layer],
                                   UpsampleMeanWeights(f.size(2), 0),
                                   UpsampleMeanWeights(f.size(3), 0));
        const TensorView* stored = tensors.Find(fmt::format("{}.features_a.{}", name, layer));
        if (stored != nullptr) {
          EXPECT_TRUE(TensorsNearRel(f[0], ToTensor(*stored), 1e-5));
        }
        if (item.contains("feature_a_stats_f64")) {
          const auto& stats = item["feature_a_stats_f64"][layer];
          EXPECT_EQ(f[0].sizes(), at::IntArrayRef(stats["shape"].get<std::vector<int64_t>>()));
          EXPECT_NEAR(f[0].sum().item<double>(), double(stats["sum"]), 1e-8 * double(stats["sum"]));
          EXPECT_NEAR(f[0].max().item<double>(), double(stats["max"]), 1e-9 * double(stats["max"]));
        }
      }
      EXPECT_NEAR(sum, expected, 1e-8);
      EXPECT_NEAR(plain_sum, double(item["nonspatial_f64"]), 1e-8);
      EXPECT_NEAR(
          sum * a.width * a.height, double(item["spatial_map_sum_f64"]), 1e-8 * a.width * a.height);
    }
  }
  EXPECT_GT(ran, 0);
  if (skipped > 0) {
    GTEST_SKIP() << skipped << " cases need lpips/squeeze.backbone.pth of the shared golden data";
  }
}

TEST(LpipsGolden, UpsampleMeanWeights) {
  for (const GoldenCase& golden : FindGoldenCases("lpips_tensors")) {
    for (const auto& item : golden.json["upsample_mean_weights"]) {
      EXPECT_TRUE(
          Near(UpsampleMeanWeights(item["n"], item["N"]), GoldenNumbers(item["w"]), 0, 2e-7))
          << item["n"] << " to " << item["N"];
    }
  }
}

// A zero vector and tiny ones: the epsilon is added to the norm, not under the root.
TEST(LpipsGolden, Normalization) {
  for (const GoldenCase& golden : FindGoldenCases("lpips_tensors")) {
    const auto tensors =
        SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
    const at::Tensor in = ToTensor(tensors.At("normalize.in")).to(at::kDouble)[0];
    const at::Tensor expected = ToTensor(tensors.At("normalize.lpips")).to(at::kDouble)[0];
    // Against zeros, with a head that picks one channel, the distance is the square of that
    // channel.
    for (int64_t c = 0; c < in.size(0); ++c) {
      at::Tensor head = at::zeros({in.size(0)}, at::kDouble);
      head[c] = 1.0;
      for (int64_t y = 0; y < in.size(1); ++y) {
        for (int64_t x = 0; x < in.size(2); ++x) {
          std::vector<double> wy(in.size(1)), wx(in.size(2));
          wy[y] = wx[x] = 1;
          const double value = expected[c][y][x].item<double>();
          EXPECT_NEAR(LayerDistance(in, at::zeros_like(in), head, wy, wx), value * value, 1e-6);
          EXPECT_NEAR(
              LayerDistance(
                  in.to(at::kFloat), at::zeros_like(in, at::kFloat), head.to(at::kFloat), wy, wx),
              value * value,
              1e-6);
        }
      }
    }
  }
}

TEST(LpipsGolden, SmallestSizes) {
  for (const GoldenCase& golden : FindGoldenCases("lpips_tensors")) {
    const auto tensors =
        SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
    for (const char* net : {"alex", "vgg"}) {
      const auto fixture = LoadWeights(golden, tensors, net);
      const Lpips lpips({ParseLpipsNet(net), true}, fixture->backbone, fixture->heads);
      const int smallest = golden.json["smallest_square_input"][net];
      EXPECT_EQ(lpips.MinSize(), smallest);
      const Frame fits{smallest, smallest, std::vector<uint8_t>(smallest * smallest * 3, 9)};
      const Frame small{smallest - 1, 40, std::vector<uint8_t>((smallest - 1) * 40 * 3, 9)};
      const Frame* const fits_gen[] = {&fits};
      const Frame* const small_gen[] = {&small};
      EXPECT_EQ(lpips.Distances(fits, fits_gen)[0], 0.0);
      EXPECT_THROW(lpips.Distances(small, small_gen), UserError);
    }
  }
}

// As every pair alone, to the last bit, at any place among any number of pictures.
TEST(Lpips, SeveralAtOnceGiveTheDigitsOfEachAlone) {
  const GoldenCase golden = FindGoldenCases("lpips_tensors").at(0);
  const auto tensors =
      SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
  const auto fixture = LoadWeights(golden, tensors, "alex");
  const Lpips lpips({LpipsNet::kAlex, true}, fixture->backbone, fixture->heads);
  for (const auto& [width, height] : {std::pair(64, 64), {97, 131}, {208, 120}}) {
    std::vector<Frame> frames;
    for (uint32_t seed = 0; seed < 6; ++seed) {
      frames.push_back(MakeTestVideo(width, height, 1, seed + 1).frames[0]);
    }
    frames.push_back(frames[0]);  // identical to the ground truth
    std::vector<const Frame*> gens;
    for (size_t i = 1; i < frames.size(); ++i) gens.push_back(&frames[i]);
    const std::vector<double> together = lpips.Distances(frames[0], gens);
    ASSERT_EQ(together.size(), gens.size());
    for (size_t i = 0; i < gens.size(); ++i) {
      const Frame* const alone[] = {gens[i]};
      EXPECT_EQ(together[i], lpips.Distances(frames[0], alone)[0]) << width << " " << i;
    }
    EXPECT_GT(together[0], 0);
    EXPECT_EQ(together.back(), 0);
  }
}

// The example in torchmetrics' documentation: uniform noise from LibTorch's generator.
TEST(LpipsGolden, TorchmetricsExample) {
  const auto heads = SharedGoldenFile("lpips/squeeze.pth");
  const auto backbone = SharedGoldenFile("lpips/squeeze.backbone.pth");
  if (!heads || !backbone) GTEST_SKIP() << "needs lpips/*.pth of the shared golden data";
  const LpipsWeights weights = ReadLpipsWeights(LpipsNet::kSqueeze,
                                                ReadWeightsFile(backbone->string()),
                                                ReadWeightsFile(heads->string()),
                                                "shared",
                                                at::kFloat);
  const at::Generator generator = at::detail::createCPUGenerator(42);
  const auto input = [&] {
    const at::Tensor x = at::rand({2, 3, 100, 100}, generator) * 2 - 1;
    const at::Tensor shift = at::tensor({-.030f, -.088f, -.188f}).view({1, 3, 1, 1});
    const at::Tensor scale = at::tensor({.458f, .448f, .450f}).view({1, 3, 1, 1});
    return LpipsFeatures(LpipsNet::kSqueeze, weights, (x - shift) / scale);
  };
  const auto a = input(), b = input();
  std::vector<double> distances(2);
  for (size_t layer = 0; layer < a.size(); ++layer) {
    for (int i = 0; i < 2; ++i) {
      distances[i] += LayerDistance(a[layer][i],
                                    b[layer][i],
                                    weights.heads[layer],
                                    UpsampleMeanWeights(a[layer].size(2), 0),
                                    UpsampleMeanWeights(a[layer].size(3), 0));
    }
  }
  EXPECT_NEAR(distances[0], 0.1024, 5.1e-5);
  EXPECT_NEAR(distances[1], 0.0938, 5.1e-5);
}

TEST(FindLpipsFiles, LooksInTheFolderAndSaysWhatIsMissing) {
  const TempDir dir;
  const LpipsFiles none = FindLpipsFiles(LpipsNet::kAlex, dir.path().string());
  EXPECT_FALSE(none.complete());
  EXPECT_THAT(none.how_to,
              testing::AllOf(HasSubstr("alexnet-owt-7be5be79.pth"),
                             HasSubstr("alex.pth"),
                             HasSubstr(dir.path().string()),
                             HasSubstr("--weights")));
  EXPECT_THROW(LoadLpips({}, none), UserError);
  std::filesystem::create_directory(dir / "lpips");
  std::ofstream(dir / "lpips/alex.pth") << "x";
  const LpipsFiles heads = FindLpipsFiles(LpipsNet::kAlex, dir.path().string());
  EXPECT_EQ(heads.heads, dir / "lpips/alex.pth");
  EXPECT_THAT(heads.how_to, testing::Not(HasSubstr("alex.pth (weights")));
  std::ofstream(dir / "alexnet.safetensors") << "x";
  EXPECT_TRUE(FindLpipsFiles(LpipsNet::kAlex, dir.path().string()).complete());
  EXPECT_FALSE(FindLpipsFiles(LpipsNet::kVgg, dir.path().string()).complete());
}

// The files as eval-metrics finds them: a safetensors backbone and the package's own heads.
TEST(LoadLpips, FromFiles) {
  const auto heads = SharedGoldenFile("lpips/alex.pth");
  if (!heads) GTEST_SKIP() << "needs lpips/alex.pth of the shared golden data";
  const TempDir dir;
  for (const GoldenCase& golden : FindGoldenCases("lpips_tensors")) {
    const auto backbone = golden.folder / "alex_random_backbone.safetensors";
    if (!std::filesystem::exists(backbone)) continue;
    std::filesystem::copy_file(backbone, dir / "alexnet.safetensors");
    std::filesystem::copy_file(*heads, dir / "alex.pth");
    const auto lpips = LoadLpips({}, FindLpipsFiles(LpipsNet::kAlex, dir.path().string()));
    const auto tensors =
        SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
    const auto& item = golden.json["cases"][0];
    const auto [a, b] = Images(item, tensors);
    const Frame* const gens[] = {&b};
    EXPECT_NEAR(lpips->Distances(a, gens)[0], double(item["spatial_mean_f64"]), 1e-6);
    return;
  }
  FAIL() << "no golden folder has alex_random_backbone.safetensors";
}

class LpipsWeightsTest : public testing::Test {
 protected:
  void SetUp() override {
    golden_ = FindGoldenCases("lpips_tensors").at(0);
    tensors_ = SafetensorsFile::Open((golden_.folder / (golden_.name + ".safetensors")).string());
    fixture_ = *LoadWeights(golden_, tensors_, "alex");
  }
  void ExpectRefused(const std::string& what) {
    EXPECT_THAT(
        [&] { Lpips({}, fixture_.backbone, fixture_.heads, "file.pth"); },
        testing::ThrowsMessage<UserError>(testing::AllOf(HasSubstr("file.pth"), HasSubstr(what))));
  }
  GoldenCase golden_;
  SafetensorsFile tensors_;
  Fixture fixture_;
};

TEST_F(LpipsWeightsTest, MissingTensor) {
  fixture_.backbone.pop_back();
  ExpectRefused("missing");
}
TEST_F(LpipsWeightsTest, MissingHead) {
  fixture_.heads.pop_back();
  ExpectRefused("lin4.model.1.weight");
}
TEST_F(LpipsWeightsTest, ExtraTensor) {
  fixture_.backbone.push_back(fixture_.backbone[0]);
  fixture_.backbone.back().name = "features.99.weight";
  ExpectRefused("features.99.weight");
}
TEST_F(LpipsWeightsTest, SameTensorTwice) {
  fixture_.backbone.push_back(fixture_.backbone[0]);
  ExpectRefused("does not belong");
}
TEST_F(LpipsWeightsTest, BackboneGivenAsHeads) {
  fixture_.heads = fixture_.backbone;
  ExpectRefused("LPIPS heads");
}
TEST_F(LpipsWeightsTest, WrongShape) {
  fixture_.heads[1].shape = {1, 1, 192, 1};
  ExpectRefused("[1, 192, 1, 1]");
}
TEST_F(LpipsWeightsTest, ClassifierOfTheWholeNetworkIsIgnored) {
  fixture_.backbone.push_back(fixture_.backbone[0]);
  fixture_.backbone.back().name = "classifier.1.weight";
  EXPECT_NO_THROW(Lpips({}, fixture_.backbone, fixture_.heads, "file.pth"));
}

}  // namespace
}  // namespace teacache
