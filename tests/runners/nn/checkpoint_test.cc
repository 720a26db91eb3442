#include "runners/nn/checkpoint.h"

#include <ATen/Functions.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/checkpoint_folder.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TensorMap SomeTensors() {
  return {{"a.weight", at::arange(6, at::kFloat).view({2, 3})},
          {"b.weight", at::arange(4, at::kFloat).to(at::kHalf)},
          {"encoder.x", at::ones({5})}};
}

const nlohmann::json kConfig = {{"_class_name", "Thing"}, {"depth", 2}};

// Shards "NAME-0000K-of-00002" with an index, one tensor in the first, the others in the second.
void WriteShards(const std::string& folder) {
  TensorMap first = SomeTensors();
  TensorMap second = first;
  first.erase("b.weight");
  first.erase("encoder.x");
  second.erase("a.weight");
  SaveTensors(folder + "/model-00001-of-00002.safetensors", first);
  SaveTensors(folder + "/model-00002-of-00002.safetensors", second);
  nlohmann::json map;
  for (const auto& [name, tensor] : SomeTensors()) {
    map[name] = fmt::format("model-0000{}-of-00002.safetensors", first.contains(name) ? 1 : 2);
  }
  AtomicWriteFile(
      folder + "/model.safetensors.index.json",
      nlohmann::json({{"metadata", nlohmann::json::object()}, {"weight_map", map}}).dump());
}

TEST(Checkpoint, FolderAsPublished) {
  const TempDir folder;
  WriteComponent(folder.path(), kConfig, SomeTensors());
  const Checkpoint checkpoint = Checkpoint::Open(folder.path().string());
  EXPECT_EQ(checkpoint.config(), kConfig);
  EXPECT_EQ(checkpoint.weights_path(), folder / "diffusion_pytorch_model.safetensors");
  EXPECT_EQ(checkpoint.parameters(), 6 + 4 + 5);
  EXPECT_EQ(checkpoint.file_bytes(), 6 * 4 + 4 * 2 + 5 * 4);
  CheckpointParameters source = checkpoint.Parameters(at::kFloat, at::kCPU);
  source.IgnorePrefix("encoder.");
  EXPECT_TRUE(TensorsEqual(source.Get("a.weight", {2, 3}), SomeTensors()["a.weight"]));
  EXPECT_EQ(source.Get("b.weight", {4}).scalar_type(), at::kFloat);
  EXPECT_EQ(source.taken_elements(), 10);
  EXPECT_EQ(source.taken_bytes(), 40);
  EXPECT_NO_THROW(source.Finish());
}

TEST(Checkpoint, OneMessageNamesEverythingThatIsWrong) {
  const TempDir folder;
  WriteComponent(folder.path(), kConfig, SomeTensors());
  CheckpointParameters source =
      Checkpoint::Open(folder.path().string()).Parameters(at::kFloat, at::kMeta);
  source.Get("a.weight", {3, 2});
  source.Get("c.weight", {1});
  source.Get("d.weight", {1});
  EXPECT_THAT(ErrorOf([&] { source.Finish(); }),
              AllOf(HasSubstr("diffusion_pytorch_model.safetensors"),
                    HasSubstr("2 missing: {c,d}.weight"),
                    HasSubstr("2 unexpected: b.weight, encoder.x"),
                    HasSubstr("1 misshaped: a.weight must be [3, 2] but is [2, 3]")));
}

TEST(Checkpoint, ShardsAreOneCheckpoint) {
  const TempDir folder;
  WriteShards(folder.path().string());
  const Checkpoint checkpoint = Checkpoint::Open(folder.path().string());
  EXPECT_EQ(checkpoint.weights_path(), folder / "model.safetensors.index.json");
  EXPECT_TRUE(checkpoint.config().empty());
  CheckpointParameters source = checkpoint.Parameters(at::kHalf, at::kCPU);
  for (const auto& [name, tensor] : SomeTensors()) {
    EXPECT_TRUE(TensorsEqual(source.Get(name, tensor.sizes().vec()), tensor.to(at::kHalf)));
  }
  EXPECT_NO_THROW(source.Finish());
  fs::remove(folder / "model-00002-of-00002.safetensors");
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(folder.path().string()); }),
              HasSubstr("model-00002-of-00002.safetensors"));
}

TEST(Checkpoint, FilesOfTorchSave) {
  // A state dict by torch.save, and a shard index over it.
  const fs::path files = fs::path(SourceDir()) / "tests/golden/metrics/torch_files";
  const Checkpoint whole = Checkpoint::Open((files / "zip_ordered_dict.pth").string());
  ASSERT_FALSE(whole.tensors().empty());
  const TempDir folder;
  fs::copy_file(files / "zip_ordered_dict.pth", folder / "pytorch_model-00001-of-00001.bin");
  nlohmann::json map;
  for (const TensorView& view : whole.tensors())
    map[view.name] = "pytorch_model-00001-of-00001.bin";
  AtomicWriteFile(folder / "pytorch_model.bin.index.json",
                  nlohmann::json({{"weight_map", map}}).dump());
  const Checkpoint sharded = Checkpoint::Open(folder.path().string());
  EXPECT_EQ(sharded.Digest(), whole.Digest());
  map["another"] = "pytorch_model-00001-of-00001.bin";
  AtomicWriteFile(folder / "pytorch_model.bin.index.json",
                  nlohmann::json({{"weight_map", map}}).dump());
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(folder.path().string()); }),
              AllOf(HasSubstr("another"), HasSubstr("index.json")));
}

TEST(Checkpoint, WhatIsNoCheckpoint) {
  const TempDir folder;
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(folder / "nothing"); }), HasSubstr("does not exist"));
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(folder.path().string()); }),
              HasSubstr("must hold weights"));
  SaveTensors(folder / "one.safetensors", SomeTensors());
  EXPECT_NO_THROW(Checkpoint::Open(folder.path().string()));
  SaveTensors(folder / "two.safetensors", SomeTensors());
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(folder.path().string()); }),
              AllOf(HasSubstr("one.safetensors"), HasSubstr("two.safetensors")));
  EXPECT_NO_THROW(Checkpoint::Open(folder / "two.safetensors"));
  AtomicWriteFile(folder / "config.json", "[1]");
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(folder / "two.safetensors"); }),
              HasSubstr("config.json"));
  fs::remove(folder / "config.json");
  fs::resize_file(folder / "two.safetensors", fs::file_size(folder / "two.safetensors") - 1);
  EXPECT_THAT(ErrorOf([&] { Checkpoint::Open(folder / "two.safetensors"); }),
              HasSubstr("two.safetensors"));
}

TEST(Checkpoint, DigestTellsValuesApart) {
  const TempDir folder;
  TensorMap tensors = SomeTensors();
  SaveTensors(folder / "one.safetensors", tensors);
  tensors["a.weight"] = tensors["a.weight"] + 1;
  SaveTensors(folder / "two.safetensors", tensors);
  EXPECT_NE(Checkpoint::Open(folder / "one.safetensors").Digest(),
            Checkpoint::Open(folder / "two.safetensors").Digest());
}

TEST(CheckpointParameters, NamesOfTodayAndNumbersThatStay) {
  CheckpointParameters source(
      {{"old.query.weight", at::ones({2})}, {"x.wo.weight", at::ones({2})}}, "file", at::kHalf);
  source.Rename([](const std::string& name) -> std::string {
    return name == "old.query.weight" ? "to_q.weight" : name;
  });
  source.KeepFloat32(".wo.weight");
  EXPECT_FALSE(source.Has("old.query.weight"));
  EXPECT_EQ(source.Get("to_q.weight", {2}).scalar_type(), at::kHalf);
  EXPECT_EQ(source.Get("x.wo.weight", {2}).scalar_type(), at::kFloat);
  EXPECT_EQ(source.taken_bytes(), 2 * 2 + 2 * 4);
  EXPECT_NO_THROW(source.Finish());
}

TEST(CheckpointParameters, ConvertedTensorsAreKept) {
  const TensorMap tensors = {{"a", at::ones({2})}};
  TensorMap converted;
  for (int i = 0; i < 2; ++i) {
    CheckpointParameters source(tensors, "file", at::kHalf);
    source.KeepConverted(&converted);
    const at::Tensor a = source.Get("a", {2});
    EXPECT_TRUE(TensorsEqual(a, at::ones({2}, at::kHalf)));
    EXPECT_EQ(a.const_data_ptr(), converted.at("a").const_data_ptr());
  }
}

TEST(ShapeParameters, NamesAndShapesOnly) {
  ShapeParameters source;
  const at::Tensor tensor = source.Get("a", {1000000, 1000000});
  EXPECT_TRUE(tensor.is_meta());
  source.Get("b", {3});
  EXPECT_EQ(source.elements(), 1000000000003);
  EXPECT_EQ(source.shapes().at("b"), std::vector<int64_t>{3});
  EXPECT_THROW(source.Get("a", {1}), std::logic_error);
}

}  // namespace
}  // namespace teacache
