#include "datasets/tensors/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

template <typename T>
TensorView View(const std::string& name,
                DType dtype,
                std::vector<int64_t> shape,
                const std::vector<T>& values) {
  return {name, dtype, std::move(shape), std::as_bytes(std::span<const T>(values)), nullptr};
}

// A file with this header text and this many zero bytes after it.
std::string Raw(const std::string& header, size_t data_bytes) {
  const uint64_t size = header.size();
  std::string bytes(sizeof(size), '\0');
  std::memcpy(bytes.data(), &size, sizeof(size));
  return bytes + header + std::string(data_bytes, '\0');
}

struct BadFile {
  const char* situation;
  std::string bytes;
  const char* message;
};

TEST(WriteSafetensors, RoundTrip) {
  const TempDir dir;
  const std::vector<float> floats = {1.5f, -0.0f, 3e38f, 1e-40f, 0, 7};
  const std::vector<double> scalar = {2.25};
  const std::vector<uint8_t> bytes = {0, 1, 255};
  const std::vector<uint16_t> halves = {0x3f80, 0x7fc0};
  const std::vector<float> none;
  WriteSafetensors(dir / "a.safetensors",
                   {View("b.weight", DType::kF32, {2, 3}, floats),
                    View("scalar", DType::kF64, {}, scalar),
                    View("bytes", DType::kU8, {3}, bytes),
                    View("halves", DType::kBF16, {1, 2}, halves),
                    View("empty \"é\"", DType::kF32, {0, 5}, none)},
                   {{"format", "pt"}, {"note", "line\nbreak"}});
  const SafetensorsFile file = SafetensorsFile::Open(dir / "a.safetensors");
  EXPECT_THAT(file.names(), ElementsAre("b.weight", "bytes", "empty \"é\"", "halves", "scalar"));
  EXPECT_THAT(file.metadata(),
              ElementsAre(std::pair("format", "pt"), std::pair("note", "line\nbreak")));
  const TensorView& weight = file.At("b.weight");
  EXPECT_EQ(weight.dtype, DType::kF32);
  EXPECT_THAT(weight.shape, ElementsAre(2, 3));
  ASSERT_EQ(weight.data.size(), 24u);
  EXPECT_EQ(std::memcmp(weight.data.data(), floats.data(), 24), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(weight.data.data()) % 4, 0u);
  EXPECT_TRUE(file.At("scalar").shape.empty());
  EXPECT_EQ(file.At("scalar").data.size(), 8u);
  EXPECT_EQ(file.At("halves").dtype, DType::kBF16);
  EXPECT_EQ(file.At("empty \"é\"").data.size(), 0u);
  EXPECT_EQ(file.Find("none"), nullptr);
  EXPECT_THAT([&] { file.At("none"); },
              ThrowsMessage<UserError>(HasSubstr("must have a tensor \"none\"")));
}

TEST(WriteSafetensors, BytesDoNotDependOnTheOrderGiven) {
  const TempDir dir;
  const std::vector<float> x = {1, 2};
  const std::vector<uint8_t> y = {3};
  const TensorView a = View("a", DType::kU8, {1}, y), b = View("b", DType::kF32, {2}, x);
  WriteSafetensors(dir / "1", {a, b});
  WriteSafetensors(dir / "2", {b, a});
  const std::string bytes = ReadFile(dir / "1");
  EXPECT_EQ(bytes, ReadFile(dir / "2"));
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]) % 8, 0);
  EXPECT_THAT(bytes, HasSubstr(R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":)"));
}

TEST(WriteSafetensors, EveryDataTypeKeepsItsName) {
  const TempDir dir;
  const std::vector<uint8_t> eight(8);
  for (int i = 0; i <= static_cast<int>(DType::kC64); ++i) {
    const DType dtype = static_cast<DType>(i);
    TensorView tensor = View("x", dtype, {8 / DTypeSize(dtype)}, eight);
    WriteSafetensors(dir / "a", {tensor});
    const SafetensorsFile file = SafetensorsFile::Open(dir / "a");
    EXPECT_EQ(file.At("x").dtype, dtype) << DTypeName(dtype);
    EXPECT_EQ(file.At("x").shape, tensor.shape) << DTypeName(dtype);
  }
}

TEST(WriteSafetensors, NoTensors) {
  const TempDir dir;
  WriteSafetensors(dir / "a", {});
  EXPECT_TRUE(SafetensorsFile::Open(dir / "a").tensors().empty());
}

TEST(WriteSafetensors, RefusesWrongArguments) {
  const TempDir dir;
  const std::vector<float> x = {1, 2};
  const TensorView good = View("a", DType::kF32, {2}, x);
  EXPECT_THAT(
      [&] {
        WriteSafetensors(dir / "a", {good, good});
      },
      ThrowsMessage<UserError>(HasSubstr("name of its own")));
  EXPECT_THAT([&] { WriteSafetensors(dir / "a", {View("a", DType::kF32, {3}, x)}); },
              ThrowsMessage<UserError>(HasSubstr("must have 12 bytes by its shape but has 8")));
  EXPECT_THROW(WriteSafetensors(dir / "a", {View("__metadata__", DType::kF32, {2}, x)}), UserError);
  EXPECT_THROW(WriteSafetensors(dir / "a", {View("\xff", DType::kF32, {2}, x)}), UserError);
  EXPECT_FALSE(std::filesystem::exists(dir / "a"));
}

TEST(SafetensorsFile, ReadsAHeaderPaddedWithSpaces) {
  const TempDir dir;
  AtomicWriteFile(
      dir / "a",
      Raw(R"({"x":{"shape":[2,2],"data_offsets":[0,16],"dtype":"I32"}, "__metadata__":{}}   )",
          16));
  EXPECT_THAT(SafetensorsFile::Open(dir / "a").At("x").shape, ElementsAre(2, 2));
}

TEST(SafetensorsFile, ViewsOutliveTheFile) {
  const TempDir dir;
  const std::vector<float> x = {1, 2};
  WriteSafetensors(dir / "a", {View("a", DType::kF32, {2}, x)});
  const TensorView view = SafetensorsFile::Open(dir / "a").At("a");
  EXPECT_EQ(std::memcmp(view.data.data(), x.data(), 8), 0);
}

TEST(SafetensorsFile, RefusesWhatIsNotExact) {
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& at) {
    return R"({"x":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + at +
           "}}";
  };
  const std::string huge = std::string(8, '\xff') + "{}";
  const std::vector<BadFile> cases = {
      {"empty file", "", "8-byte length"},
      {"length only in part", "1234567", "8-byte length"},
      {"header longer than the file", huge, "header must fit"},
      {"cut in the header", Raw(one("F32", "[1]", "[0,4]"), 4).substr(0, 30), "header must fit"},
      {"cut in the values", Raw(one("F32", "[2]", "[0,8]"), 7), "a cut file?"},
      {"header is no object", Raw("[]", 0), "must begin with '{'"},
      {"leading space", Raw(" {}", 0), "must begin with '{'"},
      {"broken JSON", Raw("{\"x\":", 0), "valid JSON"},
      {"text after the object", Raw("{} {}", 0), "valid JSON"},
      {"too deep",
       Raw("{\"x\":" + std::string(200000, '[') + std::string(200000, ']') + "}", 0),
       "at most 64 levels"},
      {"not UTF-8", Raw("{\"\xff\":{}}", 0), "valid JSON"},
      {"name twice",
       Raw(R"({"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
           R"("x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
           0),
       "x: must be there once"},
      {"key twice",
       Raw(R"({"x":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0),
       "exactly"},
      {"unknown dtype", Raw(one("F31", "[1]", "[0,4]"), 4), "x.dtype: must be a known one"},
      {"too many bytes", Raw(one("F32", "[1]", "[0,8]"), 8), "must have 4 bytes by its shape"},
      {"negative dimension",
       Raw(one("F32", "[-1]", "[0,4]"), 4),
       "x.shape[0]: must not be negative"},
      {"fractional dimension", Raw(one("F32", "[1.0]", "[0,4]"), 4), "must be an integer"},
      {"dimension beyond 63 bits", Raw(one("U8", "[18446744073709551615]", "[0,1]"), 1), "integer"},
      {"overflowing product",
       Raw(one("F32", "[4294967296,4294967296,4]", "[0,0]"), 0),
       "fit into memory"},
      {"overflow behind a zero",
       Raw(one("F32", "[0,4294967296,4294967296]", "[0,0]"), 0),
       "fit into memory"},
      {"offsets reversed", Raw(one("F32", "[1]", "[4,0]"), 4), "begin <= end"},
      {"one offset", Raw(one("F32", "[1]", "[4]"), 4), "begin <= end"},
      {"offsets near the end of 63 bits",
       Raw(one("U8", "[1]", "[9223372036854775806,9223372036854775807]"), 1),
       "a cut file?"},
      {"hole at the begin", Raw(one("F32", "[1]", "[4,8]"), 8), "without holes"},
      {"bytes behind the last tensor", Raw(one("F32", "[1]", "[0,4]"), 5), "1 bytes more"},
      {"overlap",
       Raw(R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
           R"("y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
           3),
       "holes or overlaps"},
      {"entry without shape", Raw(R"({"x":{"dtype":"U8","data_offsets":[0,0]}})", 0), "\"shape\""},
      {"entry is a number", Raw(R"({"x":1})", 0), "x: must be an object"},
      {"metadata with a number",
       Raw(R"({"__metadata__":{"a":1}})", 0),
       "__metadata__.a: must be a string"},
      {"metadata is a list",
       Raw(R"({"__metadata__":["a"]})", 0),
       "__metadata__: must be an object"},
  };
  const TempDir dir;
  for (const BadFile& bad : cases) {
    SCOPED_TRACE(bad.situation);
    AtomicWriteFile(dir / "a.safetensors", bad.bytes);
    EXPECT_THAT([&] { SafetensorsFile::Open(dir / "a.safetensors"); },
                ThrowsMessage<UserError>(
                    testing::AllOf(HasSubstr("a.safetensors"), HasSubstr(bad.message))));
  }
}

TEST(SafetensorsFile, MissingFileAndFolder) {
  const TempDir dir;
  EXPECT_THAT([&] { SafetensorsFile::Open(dir / "none"); },
              ThrowsMessage<UserError>(HasSubstr("cannot be opened")));
  EXPECT_THAT([&] { SafetensorsFile::Open(dir.path().string()); },
              ThrowsMessage<UserError>(HasSubstr("must be a file")));
}

class SafetensorsIndex : public testing::Test {
 protected:
  void WriteIndex(const nlohmann::json& weight_map) {
    AtomicWriteFile(Path(), nlohmann::json{{"weight_map", weight_map}}.dump());
  }
  std::string Path() const { return dir_ / "m.safetensors.index.json"; }
  TempDir dir_;
  const std::vector<float> x_ = {1, 2}, y_ = {3};
};

TEST_F(SafetensorsIndex, ReadsTensorsOfSeveralFiles) {
  WriteSafetensors(dir_ / "m-1.safetensors",
                   {View("a", DType::kF32, {2}, x_), View("unlisted", DType::kF32, {1}, y_)});
  WriteSafetensors(dir_ / "m-2.safetensors", {View("b", DType::kF32, {1}, y_)}, {{"k", "v"}});
  WriteIndex({{"a", "m-1.safetensors"}, {"b", "m-2.safetensors"}});
  const SafetensorsFile file = SafetensorsFile::Open(Path());
  EXPECT_THAT(file.names(), ElementsAre("a", "b"));
  EXPECT_EQ(std::memcmp(file.At("b").data.data(), y_.data(), 4), 0);
  EXPECT_EQ(file.metadata().at("k"), "v");
}

TEST_F(SafetensorsIndex, RefusesNamesOutsideItsFolder) {
  for (const char* name : {"/etc/passwd", "../m-1.safetensors", "sub/../../x", "", ".."}) {
    WriteIndex({{"a", name}});
    EXPECT_THAT([&] { SafetensorsFile::Open(Path()); },
                ThrowsMessage<UserError>(HasSubstr("shard names must be relative")))
        << name;
  }
}

TEST_F(SafetensorsIndex, MissingTensorOrShard) {
  WriteSafetensors(dir_ / "m-1.safetensors", {View("a", DType::kF32, {2}, x_)});
  WriteIndex({{"b", "m-1.safetensors"}});
  EXPECT_THAT([&] { SafetensorsFile::Open(Path()); },
              ThrowsMessage<UserError>(HasSubstr("must have tensor \"b\"")));
  WriteIndex({{"a", "m-2.safetensors"}, {"b", "m-1.safetensors"}, {"c", "m-3.safetensors"}});
  EXPECT_THAT([&] { SafetensorsFile::Open(Path()); },
              ThrowsMessage<UserError>(HasSubstr("lacks m-2.safetensors, m-3.safetensors")));
  AtomicWriteFile(Path(), "{\"weight_map\": 1}");
  EXPECT_THROW(SafetensorsFile::Open(Path()), UserError);
}

}  // namespace
}  // namespace teacache
