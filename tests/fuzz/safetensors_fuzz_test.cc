#include <gtest/gtest.h>

#include <cstring>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/video/video.h"
#include "tests/fuzz/check_tensors.h"
#include "tests/fuzz/mutate.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

std::string GoodFile(const TempDir& dir) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::vector<uint8_t> bytes = {1, 2, 3};
  WriteSafetensors(
      dir / "good",
      {{"weight", DType::kF32, {2, 3}, std::as_bytes(std::span<const float>(values)), nullptr},
       {"bias", DType::kU8, {3}, std::as_bytes(std::span<const uint8_t>(bytes)), nullptr},
       {"empty", DType::kF16, {0, 2}, {}, nullptr}},
      {{"format", "pt"}});
  return ReadFile(dir / "good");
}

const std::vector<std::string> kTokens = {
    "{",       "}",      "[",          "]",
    "\"",      ",",      ":",          "-1",
    "0",       "1e9",    "4294967296", "9223372036854775807",
    "\"F32\"", "\"U8\"", "null",       "\"shape\":[0],",
    "\\u0000", "\xff",   "[[[[[[[[",   "18446744073709551615"};

void CheckReadable(const SafetensorsFile& file) {
  CheckTensors(file.tensors());
  for (const TensorView& tensor : file.tensors()) ASSERT_NE(file.Find(tensor.name), nullptr);
}

// Headers keep a length that fits, so that mutations get behind the first check.
std::string WithLengthOfHeader(const std::string& bytes, size_t data_bytes) {
  if (bytes.size() < 8 + data_bytes) {
    return bytes;
  }
  const uint64_t size = bytes.size() - 8 - data_bytes;
  std::string fixed = bytes;
  std::memcpy(fixed.data(), &size, sizeof(size));
  return fixed;
}

TEST(SafetensorsFuzz, MutatedFiles) {
  const TempDir dir;
  const std::string good = GoodFile(dir);
  constexpr size_t kDataBytes = 27;
  Mutator mutator(20240601);
  int opened = 0, refused = 0;
  for (int i = 0; i < FuzzRounds(1000); ++i) {
    std::string bytes = mutator.Mutate(good, kTokens);
    if (mutator.Below(4) != 0) {
      bytes = WithLengthOfHeader(bytes, kDataBytes);
    }
    // In place: renaming thousands of files costs more than reading them.
    std::FILE* out = std::fopen((dir / "bad.safetensors").c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), out);
    std::fclose(out);
    try {
      CheckReadable(SafetensorsFile::Open(dir / "bad.safetensors"));
      ++opened;
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find("bad.safetensors: "), std::string::npos);
      ++refused;
    }
    try {
      const auto reader = OpenVideo(dir / "bad.safetensors");
      while (reader->Next()) {
      }
    } catch (const UserError&) {
    }
  }
  EXPECT_GT(opened, 0);  // values may be damaged without notice
  EXPECT_GT(refused, opened);
}

TEST(SafetensorsFuzz, MutatedIndex) {
  const TempDir dir;
  const std::string good_file = GoodFile(dir);
  AtomicWriteFile(dir / "m-1.safetensors", good_file);
  const std::string good =
      R"({"metadata":{"total_size":27},"weight_map":{"weight":"m-1.safetensors","bias":"m-1.safetensors"}})";
  Mutator mutator(7);
  int opened = 0;
  for (int i = 0; i < FuzzRounds(300); ++i) {
    const std::string bytes = mutator.Mutate(good, {"..", "/", "../", "\"", "{", "}", "null", "1"});
    std::FILE* out = std::fopen((dir / "m.safetensors.index.json").c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), out);
    std::fclose(out);
    try {
      CheckReadable(SafetensorsFile::Open(dir / "m.safetensors.index.json"));
      ++opened;
    } catch (const UserError&) {
    }
  }
  EXPECT_GT(opened, 0);
}

}  // namespace
}  // namespace teacache
