// sweep-report on the systems of published checkpoints: tiny random weights in the real layout, the
// whole experiment by one command, and several models in one report.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "tests/e2e/programs.h"
#include "tests/support/chromium.h"
#include "tests/support/open_sora_folder.h"
#include "tests/support/published_folders.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Arguments = std::vector<std::string>;

struct Published {
  std::string model;
  std::function<void(const fs::path&)> write_weights;
  Arguments size;  // flags
  int frames = 0;
  int calls = 0;         // with --steps 8
  int fewest_calls = 0;  // that its scheduler makes
};

void PrintTo(const Published& published, std::ostream* out) { *out << published.model; }

const Published kLatte = {
    "latte", [](const fs::path& root) { WriteLatteFolder(root); }, {}, 4, 8, 1};
const Published kOpenSora = {"open-sora",
                             [](const fs::path& root) {
                               WriteOpenSoraFolder(
                                   root, OwnGoldenCase("opensora_vae"), OwnGoldenCase("t5"));
                             },
                             {"--width", "64", "--height", "64", "--frames", "17"},
                             17,
                             8,
                             1};
const Published kPlan = {
    "open-sora-plan", [](const fs::path& root) { WriteOpenSoraPlanFolder(root); }, {}, 17, 17, 13};

const Arguments kFitPrompts = {"a red ball, rolling slowly", "two dogs in the rain"};
const Arguments kTestPrompts = {"a cat walking on the beach", "a boat at night"};

void Append(const Arguments& from, Arguments* to) {
  to->insert(to->end(), from.begin(), from.end());
}

int Computed(const json& video) {
  const std::string calls = video.at("computed");
  return static_cast<int>(std::ranges::count(calls, '1'));
}

class PublishedSweep : public ProgramTest, public ::testing::WithParamInterface<Published> {
 protected:
  void SetUp() override {
    fit_ = WritePrompts("fit.txt", kFitPrompts);
    test_ = WritePrompts("test.txt", kTestPrompts);
  }

  std::string WriteWeights(const Published& published) const {
    const std::string folder = folder_ / (published.model + "-weights");
    published.write_weights(folder);
    return folder;
  }
  // Flags of every program that runs the model.
  static Arguments ModelFlags(const Published& published, const std::string& weights) {
    Arguments flags = {"--model", published.model, "--weights", weights, "--steps", "8"};
    Append(published.size, &flags);
    return flags;
  }
  static void Expect0(const std::string& program, const Arguments& arguments) {
    const ProcessResult result = RunTool(program, arguments);
    ASSERT_EQ(result.exit_code, 0) << program << ": " << result.err << result.out;
  }
  json Report(const std::string& out) const {
    return json::parse(ReadFile(folder_ / (out + "/report.json")));
  }

  std::string fit_;
  std::string test_;
};

// Videos of a setting are those of generate-videos with the same flags, byte for byte.
TEST_P(PublishedSweep, IsTheWholeExperiment) {
  const Published& published = GetParam();
  const std::string weights = WriteWeights(published);
  const std::string encoded = folder_ / "prompts.safetensors";
  for (const std::string& file : {fit_, test_}) {
    Expect0(
        "encode-prompts",
        {"--model", published.model, "--weights", weights, "--prompts", file, "--out", encoded});
  }
  for (const char* part : {"text_encoder", "tokenizer", "t5-v1_1-xxl"}) {
    fs::remove_all(fs::path(weights) / part);
  }
  Arguments model = ModelFlags(published, weights);
  Append({"--prompt-embeddings", encoded}, &model);

  Arguments sweep = model;
  Append({"--out", folder_ / "sweep", "--fit-prompts", fit_, "--prompts", test_}, &sweep);
  Append({"--coeffs", "fitted", "--coeffs", "published", "--thresholds", "auto:1"}, &sweep);
  Append({"--degree", "1", "--timed-runs", "1", "--teacache-mode", "reference", "--offload"},
         &sweep);
  const ProcessResult plan = RunTool("sweep-report", [&] {
    Arguments dry = sweep;
    dry.push_back("--dry-run");
    return dry;
  }());
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, AllOf(HasSubstr("transformer"), HasSubstr("11 settings, 22 videos")));
  EXPECT_FALSE(fs::exists(folder_ / "sweep"));

  Expect0("sweep-report", sweep);
  const json report = Report("sweep");
  EXPECT_EQ(report["models"][0]["teacache_mode"], "reference");
  EXPECT_EQ(report["models"][0]["frames"], published.frames);
  EXPECT_EQ(report["fits"].size(), 2u);
  std::map<std::string, json> rows;
  std::map<std::string, int> policies;
  for (const json& row : report["rows"]) {
    rows[row.at("id")] = row;
    ++policies[row.at("policy")];
    EXPECT_EQ(row["failed"], 0) << row["id"] << row["videos"][0]["error"];
    EXPECT_EQ(row["videos"].size(), 2u);
    EXPECT_EQ(!row["scores"].contains("ssim"), row["policy"] == "none") << row["id"];
  }
  for (const char* policy : {"uniform", "mask", "magcache", "steps"}) {
    EXPECT_EQ(policies[policy], policies["teacache"]) << policy;
  }
  for (const auto& [id, row] : rows) {
    if (row["matches"] == "") continue;
    const json& teacache = rows[row["matches"]];
    for (size_t v = 0; v < 2; ++v) {
      const int calls = Computed(teacache["videos"][v]);
      if (row["policy"] == "uniform" || row["policy"] == "mask") {
        EXPECT_EQ(Computed(row["videos"][v]), std::max(calls, 2)) << id;
      } else if (row["policy"] == "steps") {
        EXPECT_EQ(Computed(row["videos"][v]), std::max(calls, published.fewest_calls)) << id;
      }
    }
  }

  // By hand: the last threshold with the published coefficients, and fewer steps.
  const std::string video = kTestPrompts[0] + "-0.mkv";
  const std::string kept = "sweep/videos/";
  json last, steps;
  for (const auto& [id, row] : rows) {
    if (row["policy"] == "teacache" && row["fit"] == "published") last = row;
    if (row["policy"] == "steps") steps = row;
  }
  ASSERT_FALSE(last.is_null() || steps.is_null());
  Arguments generate = model;
  Append({"--prompt", kTestPrompts[0], "--lossless"}, &generate);
  Arguments cached = generate;
  Append({"--cache", "teacache", "--teacache-mode", "reference"}, &cached);
  Append({"--threshold", last["threshold"].dump(), "--out", folder_ / "cached"}, &cached);
  Expect0("generate-videos", cached);
  EXPECT_EQ(ReadFile(folder_ / ("cached/videos/" + video)),
            ReadFile(folder_ / (kept + std::string(last["id"]) + "/" + video)));

  const int calls = Computed(steps["videos"][0]);
  *std::next(std::ranges::find(generate, "--steps")) =
      std::to_string(calls - (published.calls - 8));
  Append({"--out", folder_ / "steps"}, &generate);
  Expect0("generate-videos", generate);
  EXPECT_EQ(ReadFile(folder_ / ("steps/videos/" + video)),
            ReadFile(folder_ / (kept + std::string(steps["id"]) + "/" + video)));
}

// Other parts make other videos: nothing of the old ones may be taken for new.
TEST_P(PublishedSweep, AnotherDecoderMakesTheVideosAnew) {
  const Published& published = GetParam();
  const std::string weights = WriteWeights(published);
  Arguments sweep = ModelFlags(published, weights);
  Append({"--out", folder_ / "sweep", "--fit-prompts", fit_, "--prompts", test_}, &sweep);
  Append({"--thresholds", "1000", "--degree", "1", "--timed-runs", "1"}, &sweep);
  Append({"--baselines", "none"}, &sweep);
  Expect0("sweep-report", sweep);
  const std::string video = folder_ / ("sweep/videos/none/" + kTestPrompts[0] + "-0.mkv");
  const std::string before = ReadFile(video);
  for (const auto& entry : fs::recursive_directory_iterator(weights)) {
    const std::string path = entry.path().string();
    const bool decoder = path.find("vae") != path.npos || path.find("VAE") != path.npos;
    if (!decoder || entry.path().extension() != ".safetensors") continue;
    std::string bytes = ReadFile(path);
    // The sign of a value in the middle of every tensor's beginning: still finite numbers.
    for (size_t i = bytes.size() / 2; i < bytes.size(); i += 64) bytes[i / 4 * 4 + 3] ^= '\x80';
    AtomicWriteFile(path, bytes);
  }
  Expect0("sweep-report", sweep);
  EXPECT_NE(ReadFile(video), before);
}

INSTANTIATE_TEST_SUITE_P(All,
                         PublishedSweep,
                         ::testing::Values(kLatte, kOpenSora, kPlan),
                         [](const auto& test) {
                           std::string name = test.param.model;
                           std::erase(name, '-');
                           return name;
                         });

using SweepOfModels = PublishedSweep;

TEST_F(SweepOfModels, AreOneReport) {
  Arguments sweep = {"--model", "shapes,latte", "--model", "open-sora", "--steps", "8"};
  Append({"--shapes.weights", Weights(), "--shapes.count", "2", "--shapes.fit-count", "2"}, &sweep);
  for (const Published& published : {kLatte, kOpenSora}) {
    const std::string own = "--" + published.model + ".";
    Append({own + "weights", WriteWeights(published)}, &sweep);
    Append({own + "fit-prompts", fit_, own + "prompts", test_}, &sweep);
    for (size_t i = 0; i < published.size.size(); i += 2) {
      Append({own + published.size[i].substr(2), published.size[i + 1]}, &sweep);
    }
  }
  Append({"--latte.steps=6", "--thresholds", "auto:2", "--degree", "1"}, &sweep);
  Append({"--timed-runs", "1", "--out", folder_ / "sweep"}, &sweep);
  Expect0("sweep-report", sweep);
  const json report = Report("sweep");
  std::map<std::string, int> steps;
  for (const json& model : report["models"]) steps[model["name"]] = model["steps"];
  EXPECT_EQ(steps, (std::map<std::string, int>{{"shapes", 8}, {"latte", 6}, {"open-sora", 8}}));
  for (const json& row : report["rows"]) {
    const std::string model = row["model"];
    EXPECT_TRUE(row["id"].get<std::string>().starts_with(model + "."));
    EXPECT_EQ(row["failed"], 0);
    for (const json& video : row["videos"]) {
      EXPECT_TRUE(fs::exists(folder_ / ("sweep/" + video["path"].get<std::string>())));
    }
  }
  EXPECT_EQ(report["context"]["test_prompts"].size(), 4u);
  if (FindChromium().empty()) GTEST_SKIP() << "no chromium in PATH (build.sh installs it)";
  for (const char* setting : {"latte.none", "open-sora.none"}) {
    const LoadedPage page =
        OpenPage(folder_ / "sweep/report.html", std::string("setting=") + setting);
    EXPECT_THAT(page.dom, HasSubstr("data-ready=\"yes\"")) << page.log;
    EXPECT_THAT(page.messages, IsEmpty());
  }
}

TEST_F(SweepOfModels, FlagsOfModelsAreChecked) {
  const auto sweep = [&](Arguments arguments) {
    Append({"--shapes.weights", Weights(), "--out", folder_ / "sweep"}, &arguments);
    return RunTool("sweep-report", arguments);
  };
  ExpectMistake(sweep({"--latte.weights", "x"}), {"--latte.weights", "--model does not name"});
  ExpectMistake(sweep({"--shapes.out", "x"}), {"--shapes.out", "give --out"});
  ExpectMistake(sweep({"--shapes.luck", "x"}), {"shapes", "--luck"});
  ExpectMistake(sweep({"--model", "shapes,shapes"}), {"--model", "shapes"});
  ExpectMistake(sweep({"--shapes.frames", "5"}), {"--frames", "not for shapes"});
  ExpectMistake(sweep({"--teacache-mode", "exact"}), {"--teacache-mode", "\"exact\""});
  EXPECT_FALSE(fs::exists(folder_ / "sweep"));
}

}  // namespace
}  // namespace teacache
