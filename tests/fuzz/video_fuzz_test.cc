#include <gtest/gtest.h>

#include <cstdio>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/video.h"
#include "tests/fuzz/mutate.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

constexpr int kMaxFrames = 50;  // a damaged time stamp may ask for very many

struct Counts {
  int whole = 0;
  int refused = 0;
};

void ReadSome(const std::string& path, VideoReaderOptions::Decoder decoder, Counts* counts) {
  try {
    const auto reader = OpenVideo(path, {decoder, 1});
    for (int i = 0; i < kMaxFrames; ++i) {
      const std::optional<Frame> frame = reader->Next();
      if (!frame) {
        break;
      }
      ASSERT_EQ(frame->width, reader->info().width);
      ASSERT_EQ(frame->rgb.size(),
                size_t{3} * static_cast<size_t>(frame->width) * static_cast<size_t>(frame->height));
    }
    ++counts->whole;
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    ++counts->refused;
  }
}

void FuzzFile(const TempDir& dir, const std::string& good, const std::string& bad, int rounds) {
  const std::string bytes = ReadFile(good);
  Mutator mutator(1234);
  Counts counts;
  for (int i = 0; i < FuzzRounds(rounds); ++i) {
    const std::string mutated = mutator.Mutate(bytes);
    std::FILE* out = std::fopen((dir / bad).c_str(), "wb");
    std::fwrite(mutated.data(), 1, mutated.size(), out);
    std::fclose(out);
    ReadSome(dir / bad, VideoReaderOptions::Decoder::kNative, &counts);
    ReadSome(dir / bad, VideoReaderOptions::Decoder::kImageio, &counts);
  }
  EXPECT_GT(counts.refused, 0);
}

TEST(VideoFuzz, MutatedMp4) {
  const TempDir dir;
  WriteVideo(dir / "good.mp4", MakeTestVideo(48, 32, 5));
  FuzzFile(dir, dir / "good.mp4", "bad.mp4", 250);
}

TEST(VideoFuzz, MutatedMatroska) {
  const TempDir dir;
  VideoWriterOptions options;
  options.codec = VideoWriterOptions::Codec::kFfv1;
  WriteVideo(dir / "good.mkv", MakeTestVideo(24, 16, 4), options);
  FuzzFile(dir, dir / "good.mkv", "bad.mkv", 250);
}

TEST(VideoFuzz, MutatedPictures) {
  const TempDir dir;
  VideoWriterOptions options;
  options.codec = VideoWriterOptions::Codec::kPng;
  WriteVideo(dir / "good", MakeTestVideo(24, 16, 1), options);
  MakeFolders(dir / "bad");
  const std::string bytes = ReadFile(dir / "good/0000.png");
  Mutator mutator(4321);
  Counts counts;
  for (int i = 0; i < FuzzRounds(400); ++i) {
    AtomicWriteFile(dir / "bad/0000.png", mutator.Mutate(bytes));
    ReadSome(dir / "bad", VideoReaderOptions::Decoder::kNative, &counts);
  }
  EXPECT_GT(counts.refused, 0);
}

}  // namespace
}  // namespace teacache
