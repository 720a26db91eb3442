#include "runners/systems/shapes_weights.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/shapes_weights.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ShapesWeightsTest : public ::testing::Test {
 protected:
  void SetUp() override { WriteTinyShapesWeights(folder_.path().string()); }

  std::string Error() const {
    try {
      LoadShapesModel(folder_.path().string());
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
      return error.what();
    }
    return "no error";
  }
  void ChangeByte(const std::string& name, int64_t from_end) const {
    std::string bytes = ReadFile(folder_ / name);
    bytes[bytes.size() - static_cast<size_t>(from_end)] ^= 1;
    AtomicWriteFile(folder_ / name, bytes);
  }
  // New sums for files that a test has changed on purpose.
  void Sign() const {
    std::string sums;
    for (const char* name : {"autoencoder.safetensors", "transformer.safetensors"}) {
      sums += Sha256HexOfFile(folder_ / name) + "  " + name + "\n";
    }
    AtomicWriteFile(folder_ / "SHA256SUMS", sums);
  }
  void Resave(const std::string& name,
              const std::function<void(TensorMap*, std::map<std::string, std::string>*)>& change) {
    TensorMap tensors = LoadTensors(folder_ / name);
    auto metadata = SafetensorsFile::Open(folder_ / name).metadata();
    change(&tensors, &metadata);
    SaveTensors(folder_ / name, tensors, metadata);
    Sign();
  }
  TempDir folder_;
};

TEST_F(ShapesWeightsTest, SavedModelsLoadWithTheirConfigs) {
  const ShapesModel model = LoadShapesModel(folder_.path().string());
  EXPECT_EQ(model.transformer.config().hidden_size, 32);
  EXPECT_EQ(model.metadata.at("tool"), "tests");
  EXPECT_EQ(model.transformer_digest, Sha256HexOfFile(folder_ / "transformer.safetensors"));
  // Half precision on disk.
  const TinyShapesModel tensors = MakeTinyShapesModel(1);
  const TensorMap stored = LoadTensors(folder_ / "transformer.safetensors");
  for (const auto& [name, tensor] : tensors.transformer) {
    EXPECT_TRUE(TensorsEqual(stored.at(name), tensor.to(at::kHalf))) << name;
  }
}

TEST_F(ShapesWeightsTest, SavingIsReproducible) {
  const TempDir other;
  WriteTinyShapesWeights(other.path().string());
  EXPECT_EQ(ReadFile(other / "SHA256SUMS"), ReadFile(folder_ / "SHA256SUMS"));
  WriteTinyShapesWeights(other.path().string(), 2);
  EXPECT_NE(ReadFile(other / "SHA256SUMS"), ReadFile(folder_ / "SHA256SUMS"));
}

TEST_F(ShapesWeightsTest, OneDamagedByteIsFound) {
  for (const char* name : {"autoencoder.safetensors", "transformer.safetensors"}) {
    for (const int64_t from_end : {1, 777}) {
      ChangeByte(name, from_end);
      EXPECT_THAT(Error(), AllOf(HasSubstr(name), HasSubstr("damaged"), HasSubstr("sha256")));
      ChangeByte(name, from_end);
    }
  }
  EXPECT_EQ(Error(), "no error");
}

TEST_F(ShapesWeightsTest, MissingFilesAreNamed) {
  fs::rename(folder_ / "transformer.safetensors", folder_ / "away");
  EXPECT_THAT(Error(), AllOf(HasSubstr("transformer.safetensors"), HasSubstr("missing")));
  fs::rename(folder_ / "away", folder_ / "transformer.safetensors");
  AtomicWriteFile(
      folder_ / "SHA256SUMS",
      Sha256HexOfFile(folder_ / "autoencoder.safetensors") + "  autoencoder.safetensors\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("SHA256SUMS"), HasSubstr("transformer.safetensors")));
  fs::remove(folder_ / "SHA256SUMS");
  EXPECT_THAT(Error(), AllOf(HasSubstr("autoencoder.safetensors"), HasSubstr("SHA256SUMS")));
}

TEST_F(ShapesWeightsTest, WhatDoesNotFitItsConfigIsRefused) {
  Resave("transformer.safetensors", [](TensorMap*, auto* metadata) { metadata->erase("config"); });
  EXPECT_THAT(Error(), HasSubstr("config"));
  WriteTinyShapesWeights(folder_.path().string());
  Resave("transformer.safetensors",
         [](TensorMap*, auto* metadata) { (*metadata)["config"] = "{\"depth\": 1}"; });
  EXPECT_THAT(Error(), AllOf(HasSubstr("config"), HasSubstr("hidden_size")));
  WriteTinyShapesWeights(folder_.path().string());
  Resave("autoencoder.safetensors", [](TensorMap* tensors, auto*) {
    tensors->erase("code.mean");
    (*tensors)["extra"] = at::ones({1});
    (*tensors)["frame.mean"] = at::ones({5});
  });
  EXPECT_THAT(Error(),
              AllOf(HasSubstr("missing: code.mean"),
                    HasSubstr("unexpected: extra"),
                    HasSubstr("frame.mean must be [4] but is [5]")));
}

}  // namespace
}  // namespace teacache
