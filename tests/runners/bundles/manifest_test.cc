// Reading of bundle.json and of constants: what is right is read, everything else is a UserError.

#include "runners/bundles/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "runners/bundles/constants.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json Tiny() {
  return json::parse(ReadFile(SourceDir() + "/tests/fuzz/corpus/bundle_manifest/tiny.json"));
}

BundleManifest Parse(const json& manifest) {
  return ParseBundleManifest(manifest.dump(), "bundle.json");
}

// The message for a manifest with one change, a JSON pointer and its new value.
std::string Changed(const std::string& pointer, const json& value) {
  json manifest = Tiny();
  manifest[json::json_pointer(pointer)] = value;
  return ErrorOf([&] { Parse(manifest); });
}

std::string Removed(const std::string& object, const std::string& name) {
  json manifest = Tiny();
  manifest[json::json_pointer(object)].erase(name);
  return ErrorOf([&] { Parse(manifest); });
}

TEST(BundleManifest, IsReadWhole) {
  const BundleManifest manifest = Parse(Tiny());
  EXPECT_EQ(manifest.model, "TinyPipeline");
  EXPECT_EQ(manifest.Argument("width"), 32);
  EXPECT_EQ(manifest.Argument("nothing"), 0);
  EXPECT_THAT(manifest.guidance.passes, ElementsAre("cond", "uncond"));
  const BundleExpert& expert = manifest.Expert("");
  EXPECT_EQ(expert.guidance_scale, 5);
  EXPECT_EQ(expert.Find("head")->backend, BundleBackend::kAoti);
  EXPECT_EQ(expert.Find("tail"), nullptr);
  EXPECT_EQ(expert.roles.latent, "x");
  EXPECT_EQ(DescribeTensor(expert.tensors.at("t")), "[1] int64");
  EXPECT_EQ(expert.constants.file, "constants.safetensors");
}

TEST(BundleManifest, PrepareMayBeMissingAndNothingElse) {
  json manifest = Tiny();
  json& expert = manifest["experts"][""];
  expert["parts"].erase("prepare");
  expert["arguments"].push_back("context");
  EXPECT_EQ(Parse(manifest).Expert("").Find("prepare"), nullptr);
  expert["parts"].erase("embed");
  expert["parts"].erase("head");
  EXPECT_THAT(ErrorOf([&] { Parse(manifest); }), HasSubstr("lacks embed, head"));
}

TEST(BundleManifest, MistakesAreNamed) {
  EXPECT_THAT(Changed("/version", 2), HasSubstr("version"));
  EXPECT_THAT(Changed("/surprise", 1), HasSubstr("surprise"));
  EXPECT_THAT(Removed("", "torch"), HasSubstr("torch"));
  EXPECT_THAT(Changed("/prompts", "../prompts.safetensors"), HasSubstr("name of a file"));
  EXPECT_THAT(Changed("/experts//parts/head/file", "/etc/passwd"), HasSubstr("name of a file"));
  EXPECT_THAT(Changed("/experts//parts/head/file", ".."), HasSubstr("name of a file"));
  EXPECT_THAT(Changed("/experts//weights/0/file", "/etc/x.safetensors"),
              HasSubstr("relative path"));
  EXPECT_THAT(Changed("/experts//folder", "a/b"), HasSubstr("name of a folder"));
  EXPECT_THAT(Changed("/experts//parts/head/sha256", "12"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(Changed("/experts//parts/head/backend", "python"),
              HasSubstr("must be torchscript or aoti"));
  EXPECT_THAT(Changed("/experts//parts/tail", Tiny()["experts"][""]["parts"]["head"]),
              HasSubstr("but has \"tail\""));
  EXPECT_THAT(Changed("/experts//tensors/h0/dtype", "float7"), HasSubstr("float32"));
  EXPECT_THAT(Changed("/experts//tensors/h0/contiguous", false), HasSubstr("must be true"));
  EXPECT_THAT(Changed("/experts//tensors/skip/shape", {1, int64_t{1} << 41}),
              HasSubstr("at most 2^40"));
  EXPECT_THAT(Changed("/experts//tensors/skip/shape", json::array({-1})),
              HasSubstr("at most 2^40"));
  EXPECT_THAT(Changed("/experts//roles/latent", {"x", "t"}), HasSubstr("list of one name"));
  EXPECT_THAT(Changed("/latent/shape", {2, 2, 3}), HasSubstr("batch of one"));
  EXPECT_THAT(Changed("/schedule/sigmas", "cubic"), HasSubstr("linear_quadratic"));
}

TEST(BundleManifest, TensorsMustLeadFromTheArgumentsToTheOutput) {
  EXPECT_THAT(Changed("/experts//parts/first/inputs", json::array({"h1"})),
              HasSubstr("\"h1\" is not"));
  EXPECT_THAT(Changed("/experts//parts/first/outputs", json::array({"h0"})),
              HasSubstr("given twice"));
  EXPECT_THAT(Removed("/experts//tensors", "skip"), HasSubstr("\"skip\""));
  EXPECT_THAT(Changed("/experts//roles/modulated", "first"), HasSubstr("output of \"embed\""));
  EXPECT_THAT(Changed("/experts//roles/kept", json::array({"h0"})), HasSubstr("role \"kept\""));
  EXPECT_THAT(Changed("/experts//roles/time", json::array({"context"})),
              HasSubstr("must be an argument"));
  EXPECT_THAT(Changed("/experts//tensors/h1/shape", {1, 3, 7}), HasSubstr("h1 must be [1, 3, 6]"));
  EXPECT_THAT(Changed("/timestep/dtype", "float32"), HasSubstr("the time must be"));
  EXPECT_THAT(Changed("/latent/shape", {1, 2, 4}), HasSubstr("the latent must be"));
  EXPECT_THAT(Changed("/experts//complex", json::array({"nothing"})), HasSubstr("\"nothing\""));
}

TEST(BundleManifest, GuidanceAndExpertsMustFit) {
  EXPECT_THAT(Changed("/guidance/mode", "batched"), HasSubstr("a batch of 2"));
  EXPECT_THAT(Changed("/guidance/mode", "magic"), HasSubstr("calls, batched"));
  EXPECT_THAT(Changed("/guidance/formula", "none"), HasSubstr("must have a formula"));
  EXPECT_THAT(Changed("/guidance/passes", {"cond", "cond"}), HasSubstr("different names"));
  EXPECT_THAT(Changed("/guidance/passes", {"a", "b", "c"}), HasSubstr("two passes"));
  EXPECT_THAT(Changed("/experts//guidance_scale", nullptr), HasSubstr("must have a scale"));
  json manifest = Tiny();
  manifest["experts"]["high"] = manifest["experts"][""];
  EXPECT_THAT(ErrorOf([&] { Parse(manifest); }), HasSubstr("\"high\" and \"low\""));
  manifest["experts"].erase("");
  manifest["experts"]["low"] = manifest["experts"]["high"];
  EXPECT_THAT(ErrorOf([&] { Parse(manifest); }), HasSubstr("boundary_ratio"));
  manifest["boundary_ratio"] = 0.9;
  EXPECT_EQ(Parse(manifest).experts.size(), 2u);
}

TEST(BundleConstants, AreFoundAndComplexOnesArePairs) {
  const BundleManifest manifest = Parse(Tiny());
  const std::string path = SourceDir() + "/tests/fuzz/corpus/bundle_constants/tiny.safetensors";
  const BundleConstants constants =
      FindBundleConstants(manifest.Expert(""), {SafetensorsFile::Open(path)}, "bundle");
  EXPECT_EQ(constants.size(), 4u);
  EXPECT_EQ(constants.at("rope").dtype, DType::kC64);
  EXPECT_THAT(constants.at("rope").shape, ElementsAre(3));
  EXPECT_THAT(ErrorOf([&] { FindBundleConstants(manifest.Expert(""), {}, "bundle"); }),
              HasSubstr("4 are missing: embed.weight, head.weight, rope, text.weight"));
}

TEST(BundleConstants, DigestsAreChecked) {
  const TempDir folder;
  AtomicWriteFile(folder / "a", std::string_view("values"));
  CheckBundleDigest(folder / "a", {"a", Sha256Hex(std::string_view("values"))});
  EXPECT_THAT(ErrorOf([&] {
                CheckBundleDigest(folder / "a", {"a", std::string(64, '0')});
              }),
              HasSubstr("SHA-256"));
}

}  // namespace
}  // namespace teacache
