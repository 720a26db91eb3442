#include "datasets/video/video.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/safetensors.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Codec = VideoWriterOptions::Codec;

VideoWriterOptions With(Codec codec, double fps = 8, int crf = 23) { return {codec, fps, crf}; }

void ExpectSameFrames(const Video& actual, const Video& expected) {
  ASSERT_EQ(actual.frames.size(), expected.frames.size());
  for (size_t t = 0; t < expected.frames.size(); ++t) {
    EXPECT_EQ(actual.frames[t].width, expected.frames[t].width);
    EXPECT_EQ(actual.frames[t].height, expected.frames[t].height);
    EXPECT_TRUE(actual.frames[t].rgb == expected.frames[t].rgb) << "frame " << t;
  }
}

std::vector<std::string> Leftovers(const TempDir& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir.path())) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

// The outcome of reading a damaged file: true when every frame came, else the error's text.
struct Outcome {
  size_t frames = 0;
  std::string error;
};

Outcome TryRead(const std::string& path) {
  Outcome outcome;
  try {
    const auto reader = OpenVideo(path);
    while (reader->Next()) {
      ++outcome.frames;
    }
  } catch (const UserError& error) {
    outcome.error = error.what();
  }
  return outcome;
}

TEST(WriteVideo, LosslessCodecsKeepEveryBit) {
  const TempDir dir;
  const int sizes[][3] = {
      {1, 1, 1}, {5, 1, 2}, {2, 2, 2}, {3, 7, 2}, {16, 16, 3}, {90, 62, 4}, {33, 17, 1}};
  for (const auto& [width, height, frames] : sizes) {
    SCOPED_TRACE(testing::Message() << width << "x" << height);
    const Video video = MakeTestVideo(width, height, frames);
    for (const Codec codec : {Codec::kFfv1, Codec::kPng}) {
      const std::string path = dir / (codec == Codec::kPng ? "frames" : "a.mkv");
      if (codec == Codec::kFfv1 && height < 2) {
        EXPECT_THAT([&] { WriteVideo(path, video, With(codec)); },
                    ThrowsMessage<UserError>(HasSubstr("only from 2x2 pixels on")));
        continue;
      }
      WriteVideo(path, video, With(codec, 12.5));
      const auto reader = OpenVideo(path);
      EXPECT_EQ(reader->info().lossless, true);
      EXPECT_EQ(reader->info().width, width);
      EXPECT_EQ(reader->info().height, height);
      EXPECT_EQ(reader->info().codec, codec == Codec::kPng ? "png" : "ffv1");
      EXPECT_NEAR(reader->info().fps, codec == Codec::kPng ? 0 : 12.5, 0.01);
      ExpectSameFrames(ReadVideo(path), video);
      ExpectSameFrames(ReadVideo(path, {VideoReaderOptions::Decoder::kImageio, 1}), video);
    }
  }
  EXPECT_THAT(Leftovers(dir), testing::UnorderedElementsAre("a.mkv", "frames"));
}

TEST(WriteVideo, H264RoundsSidesUpTo16) {
  const TempDir dir;
  WriteVideo(dir / "a.mp4", MakeTestVideo(90, 62, 5), With(Codec::kH264, 24));
  const auto reader = OpenVideo(dir / "a.mp4");
  const VideoInfo& info = reader->info();
  EXPECT_EQ(info.width, 96);
  EXPECT_EQ(info.height, 64);
  EXPECT_EQ(info.codec, "h264");
  EXPECT_EQ(info.pixel_format, "yuv420p");
  EXPECT_EQ(info.color_matrix, "unknown");
  EXPECT_EQ(info.num_frames, 5);
  EXPECT_DOUBLE_EQ(info.fps, 24);
  EXPECT_EQ(info.lossless, false);
  EXPECT_FALSE(info.variable_frame_rate);
  EXPECT_EQ(ReadVideo(dir / "a.mp4").frames.size(), 5u);
}

TEST(WriteVideo, H264KeepsThePicture) {
  const TempDir dir;
  Video video = MakeTestVideo(96, 64, 4);
  for (Frame& frame : video.frames) {  // smooth: what a codec of 4:2:0 can keep
    for (size_t i = 0; i < frame.rgb.size(); ++i) {
      frame.rgb[i] = static_cast<uint8_t>(40 + i / 3 % 96 + (i % 3) * 30);
    }
  }
  const auto error = [&](int crf) {
    WriteVideo(dir / "a.mp4", video, With(Codec::kH264, 8, crf));
    const Video read = ReadVideo(dir / "a.mp4");
    double sum = 0;
    for (size_t i = 0; i < video.frames[0].rgb.size(); ++i) {
      sum += std::abs(int{read.frames[0].rgb[i]} - int{video.frames[0].rgb[i]});
    }
    return sum / static_cast<double>(video.frames[0].rgb.size());
  };
  EXPECT_LT(error(0), 1.5);  // rounding of RGB to YUV and back
  EXPECT_LT(error(25), 2.5);
}

TEST(WriteVideo, CrfTradesSizeForQuality) {
  const TempDir dir;
  const Video video = MakeTestVideo(96, 64, 4);
  uintmax_t before = std::numeric_limits<uintmax_t>::max();
  for (const int crf : {0, 15, 25, 51}) {
    WriteVideo(dir / "a.mp4", video, With(Codec::kH264, 8, crf));
    const uintmax_t size = fs::file_size(dir / "a.mp4");
    EXPECT_LT(size, before) << crf;
    before = size;
  }
}

TEST(WriteVideo, BytesAreTheSameFromRunToRun) {
  const TempDir dir;
  const Video video = MakeTestVideo(130, 70, 12);
  for (const Codec codec : {Codec::kH264, Codec::kFfv1}) {
    WriteVideo(dir / "a", video, With(codec));
    WriteVideo(dir / "b", video, With(codec));
    EXPECT_EQ(Sha256HexOfFile(dir / "a"), Sha256HexOfFile(dir / "b"));
  }
  // Memory that was used before must not show: another content of freed memory, the same bytes.
  for (const int width : {33, 64, 320}) {
    const Video clip = MakeTestVideo(width, 48, 8);
    WriteVideo(dir / "a", clip, With(Codec::kH264));
    for (uint32_t seed = 2; seed < 5; ++seed) {
      WriteVideo(dir / "other", MakeTestVideo(width, 48, 8, seed), With(Codec::kH264));
      WriteVideo(dir / "b", clip, With(Codec::kH264));
      EXPECT_EQ(Sha256HexOfFile(dir / "a"), Sha256HexOfFile(dir / "b")) << width;
    }
  }
  WriteVideo(dir / "p", video, With(Codec::kPng));
  WriteVideo(dir / "q", video, With(Codec::kPng));
  for (const std::string& name : ListFolder(dir / "p")) {
    EXPECT_EQ(ReadFile(dir / ("p/" + name)), ReadFile(dir / ("q/" + name)));
  }
}

TEST(WriteVideo, WrongArguments) {
  const TempDir dir;
  const Video good = MakeTestVideo(16, 16, 2);
  Video uneven = good, short_frame = good, empty_frame = good;
  uneven.frames[1] = MakeTestVideo(16, 8, 1).frames[0];
  short_frame.frames[1].rgb.pop_back();
  empty_frame.frames = {Frame{}};
  const auto writing = [&](const Video& video, const VideoWriterOptions& options) {
    return [&dir, video, options] { WriteVideo(dir / "a.mp4", video, options); };
  };
  EXPECT_THAT(writing({}, {}), ThrowsMessage<UserError>(HasSubstr("at least one frame")));
  EXPECT_THAT(writing(uneven, {}),
              ThrowsMessage<UserError>(HasSubstr("frame 1 must be 16x16x3 as the first one")));
  EXPECT_THAT(writing(short_frame, {}), ThrowsMessage<UserError>(HasSubstr("with 767 bytes")));
  EXPECT_THAT(writing(empty_frame, {}), ThrowsMessage<UserError>(HasSubstr("sides must be 1")));
  for (const double fps : {0.0, -1.0, 1e9, std::nan("")}) {
    EXPECT_THAT(writing(good, With(Codec::kH264, fps)),
                ThrowsMessage<UserError>(HasSubstr("fps must be in (0, 1000]")));
  }
  EXPECT_THAT(writing(good, With(Codec::kH264, 8, 52)),
              ThrowsMessage<UserError>(HasSubstr("crf must be 0 to 51")));
  EXPECT_THAT([&] { WriteVideo(dir / "none/a.mp4", good); },
              ThrowsMessage<UserError>(HasSubstr("none/a.mp4: cannot be written")));
  EXPECT_THAT(Leftovers(dir), testing::IsEmpty());
}

TEST(WriteVideo, AFolderOfThatNameStays) {
  const TempDir dir;
  MakeFolders(dir / "a.mp4");
  AtomicWriteFile(dir / "a.mp4/mine", "mine");
  EXPECT_THAT([&] { WriteVideo(dir / "a.mp4", MakeTestVideo(16, 16, 2)); },
              ThrowsMessage<UserError>(HasSubstr("must be a file but")));
  // Pictures that this program did not write.
  MakeFolders(dir / "p");
  AtomicWriteFile(dir / "p/0000.png", "mine");
  EXPECT_THROW(WriteVideo(dir / "p", MakeTestVideo(16, 16, 2), With(Codec::kPng)), UserError);
  EXPECT_EQ(ReadFile(dir / "a.mp4/mine") + ReadFile(dir / "p/0000.png"), "minemine");
}

TEST(WriteVideo, OnlyFoldersOfPicturesAreReplaced) {
  const TempDir dir;
  WriteVideo(dir / "p", MakeTestVideo(8, 8, 3), With(Codec::kPng));
  WriteVideo(dir / "p", MakeTestVideo(8, 8, 2), With(Codec::kPng));
  EXPECT_THAT(ListFolder(dir / "p"), ElementsAre("0000.png", "0001.png"));
  AtomicWriteFile(dir / "p/thesis.txt", "mine");
  EXPECT_THAT([&] { WriteVideo(dir / "p", MakeTestVideo(8, 8, 2), With(Codec::kPng)); },
              ThrowsMessage<UserError>(HasSubstr("but has \"thesis.txt\"")));
  EXPECT_EQ(ReadFile(dir / "p/thesis.txt"), "mine");
}

TEST(OpenVideo, WhatIsNoVideo) {
  const TempDir dir;
  AtomicWriteFile(dir / "a.mp4", "this is no video\n");
  AtomicWriteFile(dir / "empty.mp4", "");
  EXPECT_THAT([&] { OpenVideo(dir / "none.mp4"); },
              ThrowsMessage<UserError>(HasSubstr("none.mp4: must be a video file or a folder")));
  EXPECT_THAT([&] { OpenVideo(dir / "a.mp4"); },
              ThrowsMessage<UserError>(HasSubstr("a.mp4: must be a video but cannot be opened")));
  EXPECT_THROW(OpenVideo(dir / "empty.mp4"), UserError);
  EXPECT_THROW(OpenVideo(dir / "a.mp4", {VideoReaderOptions::Decoder::kNative, -1}), UserError);
}

TEST(OpenVideo, NamesThatLibavWouldReadAsUrls) {
  const TempDir dir;
  const Video video = MakeTestVideo(16, 16, 2);
  for (const char* name : {"http:a.mkv", "concat:a|b.mkv", "50%d off, é.mkv", "a b#?.mkv"}) {
    WriteVideo(dir / name, video, With(Codec::kFfv1));
    ExpectSameFrames(ReadVideo(dir / name), video);
  }
}

TEST(OpenVideo, EveryCutOfAFileIsNoticed) {
  const TempDir dir;
  const Video video = MakeTestVideo(32, 32, 6);
  for (const Codec codec : {Codec::kH264, Codec::kFfv1}) {
    WriteVideo(dir / "whole", video, With(codec));
    const std::string bytes = ReadFile(dir / "whole");
    for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 97) {
      AtomicWriteFile(dir / "cut", std::string_view(bytes).substr(0, cut));
      const Outcome outcome = TryRead(dir / "cut");
      // Behind the last frame there are tags and an index for seeking, which reading needs not.
      if (outcome.frames == video.frames.size()) {
        EXPECT_GT(cut, bytes.size() * 9 / 10);
        continue;
      }
      EXPECT_THAT(outcome.error, HasSubstr("cut: ")) << cut << " of " << bytes.size();
    }
  }
}

TEST(OpenVideo, ADamagedFrameIsNamed) {
  const TempDir dir;
  WriteVideo(dir / "a.mkv", MakeTestVideo(64, 64, 6), With(Codec::kFfv1));
  std::string bytes = ReadFile(dir / "a.mkv");
  bytes[bytes.size() * 6 / 10] ^= 0x10;
  AtomicWriteFile(dir / "a.mkv", bytes);
  const Outcome outcome = TryRead(dir / "a.mkv");
  EXPECT_EQ(outcome.frames, 3u);
  EXPECT_THAT(outcome.error, AllOf(HasSubstr("a.mkv: frame 3"), HasSubstr("damaged")));
}

TEST(OpenVideo, FoldersOfPicturesInNaturalOrder) {
  const TempDir dir;
  const Video video = MakeTestVideo(12, 10, 3);
  MakeFolders(dir / "f");
  const char* names[] = {"f2.PNG", "f10.png", "f9.png"};
  for (int i = 0; i < 3; ++i) {
    cv::Mat bgr(10, 12, CV_8UC3);
    for (int p = 0; p < 120; ++p) {
      const uint8_t* rgb = &video.frames[static_cast<size_t>(i)].rgb[3 * static_cast<size_t>(p)];
      bgr.at<cv::Vec3b>(p / 12, p % 12) = {rgb[2], rgb[1], rgb[0]};
    }
    std::vector<uint8_t> coded;
    cv::imencode(".png", bgr, coded);
    AtomicWriteFile(dir / ("f/" + std::string(names[i])),
                    std::as_bytes(std::span<const uint8_t>(coded)));
  }
  AtomicWriteFile(dir / "f/notes.txt", "not a picture");
  const Video read = ReadVideo(dir / "f");
  ASSERT_EQ(read.frames.size(), 3u);
  EXPECT_TRUE(read.frames[0].rgb == video.frames[0].rgb);
  EXPECT_TRUE(read.frames[1].rgb == video.frames[2].rgb);
  EXPECT_TRUE(read.frames[2].rgb == video.frames[1].rgb);
  EXPECT_EQ(OpenVideo(dir / "f")->info().num_frames, 3);
}

TEST(OpenVideo, PicturesOf16BitsGrayAndAlpha) {
  const TempDir dir;
  MakeFolders(dir / "deep");
  MakeFolders(dir / "gray");
  MakeFolders(dir / "alpha");
  // 0, below and above a half step of 257, the largest.
  const std::vector<cv::Vec3w> deep = {{0, 128, 129}, {65535, 257, 65406}};
  const std::vector<uint8_t> gray = {7, 250};
  const std::vector<cv::Vec4b> alpha = {{1, 2, 3, 0}, {4, 5, 6, 255}};
  cv::imwrite(dir / "deep/0.png", cv::Mat(deep).reshape(0, 1));
  cv::imwrite(dir / "gray/0.png", cv::Mat(gray).reshape(0, 1));
  cv::imwrite(dir / "alpha/0.png", cv::Mat(alpha).reshape(0, 1));
  EXPECT_THAT(ReadVideo(dir / "deep").frames[0].rgb, ElementsAre(1, 0, 0, 254, 1, 255));
  EXPECT_EQ(OpenVideo(dir / "deep")->info().pixel_format, "rgb48");
  EXPECT_THAT(ReadVideo(dir / "gray").frames[0].rgb, ElementsAre(7, 7, 7, 250, 250, 250));
  EXPECT_THAT(ReadVideo(dir / "alpha").frames[0].rgb, ElementsAre(3, 2, 1, 6, 5, 4));
}

TEST(OpenVideo, FoldersThatAreNoVideo) {
  const TempDir dir;
  const Video video = MakeTestVideo(16, 16, 3);
  MakeFolders(dir / "none");
  EXPECT_THAT([&] { OpenVideo(dir / "none"); }, ThrowsMessage<UserError>(HasSubstr("holds none")));
  WriteVideo(dir / "p", video, With(Codec::kPng));
  const std::string whole = ReadFile(dir / "p/0001.png");
  for (const size_t cut : {size_t{0}, size_t{20}, whole.size() / 2, whole.size() - 9}) {
    AtomicWriteFile(dir / "p/0001.png", std::string_view(whole).substr(0, cut));
    const Outcome outcome = TryRead(dir / "p");
    EXPECT_EQ(outcome.frames, 1u);
    EXPECT_THAT(outcome.error, HasSubstr("0001.png")) << cut;
  }
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 1;
  AtomicWriteFile(dir / "p/0001.png", flipped);
  EXPECT_THAT(TryRead(dir / "p").error, HasSubstr("0001.png: is damaged: a checksum is wrong"));
  WriteVideo(dir / "small", MakeTestVideo(8, 16, 1), With(Codec::kPng));
  AtomicWriteFile(dir / "p/0001.png", ReadFile(dir / "small/0000.png"));
  EXPECT_THAT(TryRead(dir / "p").error, HasSubstr("must be 16x16 as the first frame but is 8x16"));
  AtomicWriteFile(dir / "p/0002.jpg", "");
  EXPECT_THAT([&] { OpenVideo(dir / "p"); }, ThrowsMessage<UserError>(HasSubstr("holds both")));
}

TEST(OpenVideo, JpegFoldersAndCutJpegs) {
  const TempDir dir;
  MakeFolders(dir / "j");
  std::vector<uint8_t> coded;
  cv::imencode(".jpg", cv::Mat(64, 64, CV_8UC3, cv::Scalar(10, 120, 240)), coded);
  const auto write = [&](const std::string& name, size_t size) {
    AtomicWriteFile(dir / ("j/" + name),
                    std::as_bytes(std::span<const uint8_t>(coded).subspan(0, size)));
  };
  write("1.jpeg", coded.size());
  const Frame frame = ReadVideo(dir / "j").frames.at(0);
  EXPECT_NEAR(frame.rgb[0], 240, 3);
  EXPECT_NEAR(frame.rgb[2], 10, 3);
  EXPECT_EQ(OpenVideo(dir / "j")->info().lossless, false);
  write("2.JPG", coded.size() - 3);
  EXPECT_THAT(TryRead(dir / "j").error, HasSubstr("2.JPG: must be a whole picture"));
}

// Judged by their headers, so that no memory is taken for them.
TEST(OpenVideo, PicturesBeyondTheLimitAreRefused) {
  const TempDir dir;
  for (const std::string ending : {".png", ".jpg"}) {
    for (const auto& [width, height] : {std::pair{40000, 1}, std::pair{1, 40000}}) {
      std::vector<uint8_t> coded;
      cv::imencode(ending, cv::Mat(height, width, CV_8UC1, cv::Scalar(7)), coded);
      MakeFolders(dir / ending);
      AtomicWriteFile(dir / (ending + "/0000" + ending),
                      std::as_bytes(std::span<const uint8_t>(coded)));
      EXPECT_THAT(
          [&] { OpenVideo(dir / ending); },
          ThrowsMessage<UserError>(AllOf(HasSubstr("0000" + ending),
                                         HasSubstr("32768"),
                                         HasSubstr(fmt::format("but is {}x{}", width, height)))));
    }
  }
}

// Nothing waits for somebody to write into a pipe.
TEST(OpenVideo, PipesAreRefused) {
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "a.mp4").c_str(), 0600), 0);
  EXPECT_THAT([&] { OpenVideo(dir / "a.mp4"); },
              ThrowsMessage<UserError>(HasSubstr("is a pipe, socket or device")));
  EXPECT_THROW(OpenVideo("/dev/null"), UserError);
  WriteVideo(dir / "p", MakeTestVideo(16, 16, 1), With(Codec::kPng));
  ASSERT_EQ(mkfifo((dir / "p/0001.png").c_str(), 0600), 0);
  EXPECT_THAT(TryRead(dir / "p").error, HasSubstr("0001.png: must be a picture file"));
  fs::create_symlink("loop.mp4", dir.path() / "loop.mp4");
  EXPECT_THAT([&] { OpenVideo(dir / "loop.mp4"); },
              ThrowsMessage<UserError>(HasSubstr("loop.mp4: must be a video file")));
}

class TensorVideo : public testing::Test {
 protected:
  template <typename T>
  void Write(DType dtype,
             std::vector<int64_t> shape,
             const std::vector<T>& values,
             const std::map<std::string, std::string>& metadata = {}) {
    const TensorView view{
        "frames", dtype, std::move(shape), std::as_bytes(std::span<const T>(values)), nullptr};
    WriteSafetensors(Path(), {view}, metadata);
  }
  std::string Path() const { return dir_ / "a.safetensors"; }
  TempDir dir_;
};

TEST_F(TensorVideo, PlanesAndPixels) {
  const std::vector<uint8_t> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  Write(DType::kU8, {2, 3, 1, 2}, values, {{"fps", "8"}});
  Video video = ReadVideo(Path());
  EXPECT_EQ(video.fps, 8);
  ASSERT_EQ(video.frames.size(), 2u);
  EXPECT_THAT(video.frames[0].rgb, ElementsAre(1, 3, 5, 2, 4, 6));
  EXPECT_THAT(video.frames[1].rgb, ElementsAre(7, 9, 11, 8, 10, 12));
  Write(DType::kU8, {2, 1, 2, 3}, values);
  video = ReadVideo(Path());
  EXPECT_THAT(video.frames[1].rgb, ElementsAre(7, 8, 9, 10, 11, 12));
  EXPECT_EQ(OpenVideo(Path())->info().num_frames, 2);
  EXPECT_EQ(OpenVideo(Path())->info().lossless, true);
}

TEST_F(TensorVideo, FloatsAreRoundedAndClamped) {
  const std::vector<double> values = {-0.5, 1.0 / 255, 0.999};
  const std::vector<float> singles(values.begin(), values.end());
  Write(DType::kF64, {1, 3, 1, 1}, values);
  EXPECT_THAT(ReadVideo(Path()).frames[0].rgb, ElementsAre(0, 1, 255));
  Write(DType::kF32, {1, 3, 1, 1}, singles);
  EXPECT_THAT(ReadVideo(Path()).frames[0].rgb, ElementsAre(0, 1, 255));
  Write(DType::kBF16, {1, 3, 1, 1}, std::vector<uint16_t>{0x3f80, 0x3f00, 0x3b80});
  EXPECT_THAT(ReadVideo(Path()).frames[0].rgb, ElementsAre(255, 128, 1));
  Write(DType::kF16, {1, 3, 1, 1}, std::vector<uint16_t>{0x3c00, 0x3800, 0x0001});
  EXPECT_THAT(ReadVideo(Path()).frames[0].rgb, ElementsAre(255, 128, 0));
}

// As a sampler gives it, [-1, 1], or float levels up to 255: clipped, it would be another picture.
TEST_F(TensorVideo, AnotherRangeIsRefused) {
  for (const float value : {-0.98F, 254.0F, 1.6F}) {
    Write(DType::kF32, {1, 3, 1, 1}, std::vector<float>{0.5F, value, 0.5F});
    EXPECT_THAT(TryRead(Path()).error, HasSubstr("frame 0 must have values in [0, 1] but has "));
  }
}

TEST_F(TensorVideo, WhatIsClippedIsSaid) {
  const auto notes = [&](float value) {
    Write(DType::kF32, {1, 3, 1, 1}, std::vector<float>{0.5F, value, 0.5F});
    const std::unique_ptr<VideoReader> reader = OpenVideo(Path());
    while (reader->Next()) {
    }
    return reader->info().notes;
  };
  EXPECT_THAT(notes(1.0F), testing::IsEmpty());
  EXPECT_THAT(notes(1.1F), ElementsAre(HasSubstr("clipped (33 % of them)")));
}

TEST_F(TensorVideo, WhatIsNoVideo) {
  const std::vector<float> six(6);
  const auto opening = [this] { OpenVideo(Path()); };
  Write(DType::kF32, {1, 1, 2, 3}, six);  // pixels, not planes
  EXPECT_NO_THROW(opening());
  Write(DType::kF32, {1, 6, 1, 1}, six);
  EXPECT_THAT(opening, ThrowsMessage<UserError>(HasSubstr("but is [1, 6, 1, 1]")));
  Write(DType::kF32, {2, 3}, six);
  EXPECT_THROW(opening(), UserError);
  Write(DType::kF32, {0, 3, 4, 4}, std::vector<float>());
  EXPECT_THAT(opening, ThrowsMessage<UserError>(HasSubstr("at least one frame")));
  Write(DType::kI32, {2, 3, 1, 1}, std::vector<int32_t>(6));
  EXPECT_THAT(opening, ThrowsMessage<UserError>(HasSubstr("must be U8 or of a float type")));
  Write(DType::kF32, {2, 3, 1, 1}, six, {{"fps", "fast"}});
  EXPECT_THAT(opening, ThrowsMessage<UserError>(HasSubstr("fps must be in")));
  Write(DType::kF32, {2, 3, 1, 1}, std::vector<float>{0, 0, 0, 0, NAN, 0});
  const Outcome outcome = TryRead(Path());
  EXPECT_EQ(outcome.frames, 1u);
  EXPECT_THAT(outcome.error, HasSubstr("frame 1 must have finite values but has nan"));
}

}  // namespace
}  // namespace teacache
