#include "calib/emitters/emit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "datasets/base/error.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::vector<double> kFit = {1.0 / 3, -20.5, 7e-3, 0.1, 0.02};

EmitInput Input() {
  EmitInput input;
  input.coefficients.set.coefficients = kFit;
  input.coefficients.set.x_min = 0.01;
  input.coefficients.set.x_max = 0.05;
  input.coefficients.set.stats["r2"] = {0.75, 0.7, 0.8};
  input.coefficients.provenance.model = "latte";
  input.coefficients.provenance.steps = 50;
  input.coefficients.provenance.width = 512;
  input.coefficients.provenance.height = 320;
  input.coefficients.provenance.frames = 16;
  input.coefficients.provenance.pairs = 343;
  input.threshold = 0.15;
  input.rule = FindEngineRule("teacache");
  input.mask = {true, false, true, true, false, true};
  input.magnitude_ratios["cond"] = {1, 0.99, 0.98};
  input.magnitude_ratios["uncond"] = {1, 1.01, 0.96};
  return input;
}

EmitInput TwoExperts() {
  EmitInput input = Input();
  input.coefficients.experts["high"].coefficients = {1, 2, 3, 4, 5};
  input.coefficients.experts["low"].coefficients = {6, 7, 8, 9, 10};
  input.coefficients.experts["low"].threshold = 0.3;
  return input;
}

// The number lists of a Python or YAML text, in order: "[1, 2.5]".
std::vector<std::vector<double>> Lists(const std::string& text) {
  std::vector<std::vector<double>> lists;
  const std::regex list("\\[([-+0-9.eE, ]+)\\]");
  for (std::sregex_iterator it(text.begin(), text.end(), list), end; it != end; ++it) {
    std::vector<double> numbers;
    std::istringstream stream((*it)[1].str());
    std::string number;
    while (std::getline(stream, number, ',')) numbers.push_back(std::stod(number));
    lists.push_back(numbers);
  }
  return lists;
}

// "key: value" of a YAML text.
std::string YamlValue(const std::string& text, const std::string& key) {
  std::smatch match;
  std::regex_search(text, match, std::regex("\\n *" + key + ": ([^\\n]+)"));
  return match.size() > 1 ? match[1].str() : "";
}

std::string TextOf(const std::string& format, const EmitInput& input) {
  return Emit(format, input)[0].text;
}

json ProvenanceOf(const std::string& format, const EmitInput& input) {
  return json::parse(Emit(format, input)[1].text);
}

TEST(Emit, VllmOmni) {
  const json j = json::parse(TextOf("vllm-omni", Input()));
  EXPECT_EQ(j.size(), 2u);
  EXPECT_EQ(j["rel_l1_thresh"], 0.15);
  EXPECT_EQ(j["coefficients"].get<std::vector<double>>(), kFit);
  // The command line holds the same JSON.
  const std::string usage = ProvenanceOf("vllm-omni", Input())["usage"];
  const size_t begin = usage.find("'{");
  EXPECT_EQ(json::parse(usage.substr(begin + 1, usage.size() - begin - 2)), j);
  EmitInput line = Input();
  line.coefficients.set.coefficients = {2, 0.5};
  EXPECT_EQ(json::parse(TextOf("vllm-omni", line))["coefficients"],
            (std::vector<double>{0, 0, 0, 2, 0.5}));
}

TEST(Emit, Sglang) {
  const json one = json::parse(TextOf("sglang", Input()));
  EXPECT_EQ(one["coefficients"].get<std::vector<double>>(), kFit);
  EXPECT_EQ(one["teacache_thresh"], 0.15);
  const json two = json::parse(TextOf("sglang", TwoExperts()));
  EXPECT_EQ(two["high"]["coefficients"], (std::vector<double>{1, 2, 3, 4, 5}));
  EXPECT_EQ(two["high"]["teacache_thresh"], 0.15);
  EXPECT_EQ(two["low"]["coefficients"], (std::vector<double>{6, 7, 8, 9, 10}));
  EXPECT_EQ(two["low"]["teacache_thresh"], 0.3);
}

TEST(Emit, TensorRtLlm) {
  const std::string text = TextOf("tensorrt-llm", Input());
  EXPECT_EQ(text.rfind("cache_config:\n", 0), 0u);
  EXPECT_EQ(YamlValue(text, "cache_backend"), "teacache");
  EXPECT_EQ(YamlValue(text, "teacache_thresh"), "0.15");
  EXPECT_EQ(YamlValue(text, "use_ret_steps"), "false");
  EXPECT_THAT(Lists(text), ElementsAre(kFit));
  const std::string two = TextOf("tensorrt-llm", TwoExperts());
  EXPECT_THAT(Lists(two),
              ElementsAre(std::vector<double>{1, 2, 3, 4, 5}, std::vector<double>{6, 7, 8, 9, 10}));
  EXPECT_THAT(two, HasSubstr("  coefficients_2: [6,"));
  EXPECT_THAT(ProvenanceOf("tensorrt-llm", TwoExperts())["warnings"].dump(),
              HasSubstr("one threshold for both experts"));
  EmitInput ret = Input();
  ret.rule = FindEngineRule("tensorrt-llm-ret");
  EXPECT_EQ(YamlValue(TextOf("tensorrt-llm-ret", ret), "use_ret_steps"), "true");
}

TEST(Emit, LightX2v) {
  const json j = json::parse(TextOf("lightx2v", Input()));
  EXPECT_EQ(j["feature_caching"], "Tea");
  EXPECT_EQ(j["use_ret_steps"], false);
  EXPECT_EQ(j["teacache_thresh"], 0.15);
  EXPECT_EQ(j["coefficients"][0].get<std::vector<double>>(), kFit);
  EXPECT_EQ(j["coefficients"][1].get<std::vector<double>>(), kFit);
}

TEST(Emit, LightX2vVariants) {
  EmitInput input = Input();
  input.rule = FindEngineRule("teacache-ret");
  EXPECT_EQ(json::parse(TextOf("lightx2v-ret", input))["use_ret_steps"], true);
  // HunyuanVideo's loader takes one list.
  const json flat = json::parse(TextOf("lightx2v-flat", Input()));
  EXPECT_EQ(flat["coefficients"].get<std::vector<double>>(), kFit);
  EXPECT_FALSE(flat.contains("use_ret_steps"));
}

// YAML 1.1 takes "1e-05" for text: a number needs its point.
TEST(Emit, YamlNumbersHaveAPoint) {
  EmitInput input = Input();
  input.coefficients.set.coefficients = {1e30, -2e-7, 1.5e-9, 3, 0};
  input.threshold = 1e-5;
  const std::string text = TextOf("tensorrt-llm", input);
  EXPECT_THAT(text, HasSubstr("[1.0e+30, -2.0e-07, 1.5e-09, 3, 0]"));
  EXPECT_EQ(YamlValue(text, "teacache_thresh"), "1.0e-05");
}

TEST(Emit, DiffletIsAscending) {
  EmitInput input = Input();
  input.rule = FindEngineRule("difflet");
  input.target_speedup = 1.5;
  const json j = json::parse(TextOf("difflet", input));
  EXPECT_EQ(j["schema"], "difflet-m9-teacache-calibration-v1");
  EXPECT_EQ(j["poly_coef"], (std::vector<double>{0.02, 0.1, 7e-3, -20.5, 1.0 / 3}));
  // As Difflet evaluates it.
  double sum = 0, power = 1;
  for (double c : j["poly_coef"]) {
    sum += c * power;
    power *= 0.3;
  }
  EXPECT_NEAR(sum, Polynomial(kFit)(0.3), 1e-15);
  EXPECT_EQ(j["shape_label"], "320x512x16");
  EXPECT_EQ(j["num_steps"], 50);
  EXPECT_EQ(j["warmup_steps"], 5);
  EXPECT_EQ(j["cooldown_steps"], 5);
  EXPECT_EQ(j["threshold"], 0.15);
  EXPECT_EQ(j["target_speedup"], 1.5);
  EXPECT_EQ(j["fit_r2"], 0.75);
  EXPECT_EQ(j["n_samples"], 343);
  EXPECT_EQ(j["accumulate"], true);
}

TEST(Emit, PythonLists) {
  EmitInput input = Input();
  input.model = "wan \"x\"";
  const std::string comfy = TextOf("comfyui", input);
  EXPECT_THAT(comfy, HasSubstr("SUPPORTED_MODELS_COEFFICIENTS[\"wan \\\"x\\\"\"] = ["));
  EXPECT_THAT(comfy, HasSubstr("rel_l1_thresh = 0.15"));
  EXPECT_THAT(Lists(comfy), ElementsAre(kFit));
  const std::string diffsynth = TextOf("diffsynth", Input());
  EXPECT_THAT(diffsynth, HasSubstr("coefficients_dict[\"latte\"] = ["));
  EXPECT_THAT(Lists(diffsynth), ElementsAre(kFit));
  const std::string fun = TextOf("videox-fun", Input());
  EXPECT_THAT(fun, HasSubstr("coefficients, 50, 0.15, num_skip_start_steps=1"));
  EXPECT_THAT(Lists(fun), ElementsAre(kFit));
}

TEST(Emit, MagCache) {
  const json j = json::parse(TextOf("magcache", Input()));
  EXPECT_EQ(j["num_inference_steps"], 3);
  EXPECT_TRUE(
      Near(j["mag_ratios"].get<std::vector<double>>(), std::vector{1.0, 1.0, 0.97}, 0, 1e-15));
  EXPECT_EQ(j["mag_ratios_by_branch"]["uncond"], (std::vector<double>{1, 1.01, 0.96}));
  EmitInput none = Input();
  none.magnitude_ratios.clear();
  EXPECT_THROW(Emit("magcache", none), UserError);
}

TEST(Emit, Masks) {
  const std::vector<int> mask = {1, 0, 1, 1, 0, 1};
  const json smooth = json::parse(TextOf("smoothcache", Input()));
  EXPECT_EQ(smooth["attn1"].get<std::vector<int>>(), mask);
  const std::string yaml = TextOf("cache-dit", Input());
  EXPECT_EQ(yaml.rfind("cache_config:\n", 0), 0u);
  // Dynamic, the default, would look at residuals again.
  EXPECT_EQ(YamlValue(yaml, "steps_computation_policy"), "static");
  EXPECT_EQ(YamlValue(yaml, "num_inference_steps"), "6");
  const auto lists = Lists(yaml);
  EXPECT_THAT(lists, ElementsAre(std::vector<double>(mask.begin(), mask.end())));
  EXPECT_EQ(TextOf("sd-cpp", Input()),
            "--cache-mode dbcache --scm-mask \"1,0,1,1,0,1\" --scm-policy static\n");
  EmitInput none = Input();
  none.mask.clear();
  EXPECT_THROW(Emit("sd-cpp", none), UserError);
}

TEST(Emit, EveryFormatHasAProvenance) {
  for (const EmitFormat& format : EmitFormats()) {
    const auto files = Emit(format.name, Input());
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[1].name, files[0].name + ".provenance.json");
    EmitInput input = Input();
    input.rule = FindEngineRule(format.rule);
    const auto made = Emit(format.name, input);
    EXPECT_THAT(EmittedNames(format.name), ElementsAre(made[0].name, made[1].name));
    const json j = json::parse(files[1].text);
    EXPECT_EQ(j["engine"], format.name);
    EXPECT_EQ(j["file"], files[0].name);
    EXPECT_EQ(j["provenance"]["model"], "latte");
    EXPECT_EQ(j["provenance"]["steps"], 50);
    EXPECT_TRUE(j.contains("warnings"));
    EXPECT_TRUE(j.contains("tool_version"));
    if (format.needs == EmitFormat::Needs::kCoefficients) {
      EXPECT_EQ(j["fit"]["coefficients"].get<std::vector<double>>(), kFit);
      EXPECT_EQ(j["fit"]["x_range"], (std::vector<double>{0.01, 0.05}));
      EXPECT_EQ(j["fit"]["r2_ci95"], (std::vector<double>{0.7, 0.8}));
    }
    EXPECT_NO_THROW(FindEngineRule(format.rule));
  }
}

TEST(Emit, RefusesWhatTheEngineCannotTake) {
  EmitInput input = Input();
  input.threshold = 0;
  EXPECT_THAT([&] { Emit("vllm-omni", input); },
              ThrowsMessage<UserError>(HasSubstr("needs a threshold > 0")));
  input = Input();
  input.coefficients.set.coefficients.push_back(1);
  EXPECT_THAT([&] { Emit("comfyui", input); },
              ThrowsMessage<UserError>(HasSubstr("takes 5 coefficients")));
  EXPECT_THAT([&] { Emit("vllm-omni", TwoExperts()); },
              ThrowsMessage<UserError>(HasSubstr("one set of coefficients")));
  EmitInput odd = TwoExperts();
  odd.coefficients.experts["middle"].coefficients = {1};
  EXPECT_THAT([&] { Emit("sglang", odd); },
              ThrowsMessage<UserError>(HasSubstr("\"high\" and \"low\"")));
  EXPECT_THAT([] { Emit("onnx", Input()); },
              ThrowsMessage<UserError>(HasSubstr("vllm-omni, sglang")));
}

TEST(WriteEmitted, WritesAll) {
  TempDir dir;
  const auto paths = WriteEmitted(dir / "new/folder", Emit("vllm-omni", Input()));
  ASSERT_EQ(paths.size(), 2u);
  for (const std::string& path : paths) {
    std::ifstream file(path);
    EXPECT_NO_THROW(json::parse(file)) << path;
  }
}

// Formats that are written together do not overwrite one another.
TEST(Emit, FilesHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const EmitFormat& format : EmitFormats()) {
    EmitInput input = Input();
    input.rule = FindEngineRule(format.rule);
    for (const EmittedFile& file : Emit(format.name, input)) {
      EXPECT_TRUE(names.insert(file.name).second) << file.name;
    }
  }
}

}  // namespace
}  // namespace teacache
