// The decoder of imageio's pipe against the ffmpeg program itself, on files that it makes here.
// Skips without ffmpeg. Both must use the same libav, as they do when both come from one
// distribution.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "datasets/base/files.h"
#include "datasets/video/video.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

struct Sample {
  const char* name;       // also the file's extension
  const char* arguments;  // of ffmpeg, between "-y" and the output
};

void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }

constexpr const char* kQuiet = "ffmpeg -nostdin -v error ";

bool HasFfmpeg() { return std::system("ffmpeg -version >/dev/null 2>&1") == 0; }

std::string Quote(const std::string& path) { return "'" + path + "'"; }

std::string Output(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string bytes;
  std::vector<char> block(1 << 16);
  while (const size_t n = fread(block.data(), 1, block.size(), pipe.get())) {
    bytes.append(block.data(), n);
  }
  return bytes;
}

// As imageio_ffmpeg.read_frames calls it.
std::string PipeOf(const std::string& path) {
  return Output(kQuiet + ("-i " + Quote(path)) +
                " -pix_fmt rgb24 -vcodec rawvideo -f image2pipe -");
}

std::string Joined(const Video& video) {
  std::string bytes;
  for (const Frame& frame : video.frames) {
    bytes.append(frame.rgb.begin(), frame.rgb.end());
  }
  return bytes;
}

class ImageioDecoder : public testing::TestWithParam<Sample> {};

TEST_P(ImageioDecoder, EqualsThePipeOfFfmpeg) {
  if (!HasFfmpeg()) {
    GTEST_SKIP() << "no ffmpeg program";
  }
  const TempDir dir;
  const std::string name = GetParam().name;
  const std::string path = dir / ("a." + name.substr(name.rfind('.') + 1));
  const std::string command =
      kQuiet + std::string("-y ") + GetParam().arguments + " " + Quote(path);
  if (std::system((command + " 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "this ffmpeg cannot make it: " << command;
  }
  const std::string expected = PipeOf(path);
  ASSERT_FALSE(expected.empty());
  const Video video = ReadVideo(path, {VideoReaderOptions::Decoder::kImageio, 1});
  ASSERT_FALSE(video.frames.empty());
  const size_t frame_bytes = video.frames[0].rgb.size();
  EXPECT_EQ(video.frames.size() * frame_bytes, expected.size())
      << "frames: " << video.frames.size() << ", ffmpeg's: " << expected.size() / frame_bytes;
  EXPECT_TRUE(Joined(video) == expected);
}

#define TESTSRC "-f lavfi -i testsrc2=s=96x64:r=10:d=1.2 "
#define TESTSRC_ODD "-f lavfi -i testsrc2=s=95x63:r=10:d=0.5 "

INSTANTIATE_TEST_SUITE_P(
    Files,
    ImageioDecoder,
    testing::Values(
        Sample{"plain.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv420p"},
        Sample{"no_b_frames.mkv", TESTSRC "-c:v libx264 -bf 0 -pix_fmt yuv420p"},
        Sample{"odd_rate.mp4", TESTSRC "-r 23.976 -c:v libx264 -pix_fmt yuv420p"},
        Sample{"bt709.mp4",
               TESTSRC "-c:v libx264 -pix_fmt yuv420p -colorspace bt709 -color_primaries bt709 "
                       "-color_trc bt709 -color_range tv"},
        Sample{"bt709_full.mp4",
               TESTSRC "-c:v libx264 -pix_fmt yuv420p -colorspace bt709 -color_range pc"},
        Sample{"smpte170m.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv420p -colorspace smpte170m"},
        Sample{"smpte240m.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv420p -colorspace smpte240m"},
        Sample{"bt2020.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv420p10 -colorspace bt2020nc"},
        Sample{"full_range.mp4", TESTSRC "-c:v libx264 -pix_fmt yuvj420p"},
        Sample{"yuv422.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv422p"},
        Sample{"yuv444.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv444p"},
        Sample{"ten_bit.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv420p10"},
        Sample{"ten_bit_422.mp4", TESTSRC "-c:v libx264 -pix_fmt yuv422p10"},
        Sample{"twelve_bit.mkv", TESTSRC "-c:v ffv1 -pix_fmt yuv444p12"},
        Sample{"sixteen_bit.mkv", TESTSRC "-c:v ffv1 -pix_fmt yuv420p16"},
        Sample{"rgb_48.mkv", TESTSRC "-c:v ffv1 -pix_fmt rgb48"},
        Sample{"gbrp10.mkv", TESTSRC "-c:v ffv1 -pix_fmt gbrp10"},
        Sample{"rgb.mkv", TESTSRC "-c:v libx264rgb -qp 0 -pix_fmt rgb24"},
        Sample{"gray.mkv", TESTSRC "-c:v ffv1 -pix_fmt gray"},
        Sample{"gray16.mkv", TESTSRC "-c:v ffv1 -pix_fmt gray16"},
        Sample{"alpha.mkv", TESTSRC "-c:v ffv1 -pix_fmt yuva420p"},
        Sample{"rgba.mov", TESTSRC "-c:v png -pix_fmt rgba"},
        Sample{"palette.gif", TESTSRC ""},
        Sample{"mpeg4.avi", TESTSRC "-c:v mpeg4"},
        Sample{"mjpeg.avi", TESTSRC "-c:v mjpeg"},
        Sample{"vp9.webm", TESTSRC "-c:v libvpx-vp9"},
        Sample{"raw.y4m", TESTSRC "-pix_fmt yuv420p"},
        Sample{"odd_420.mkv", TESTSRC_ODD "-c:v ffv1 -pix_fmt yuv420p"},
        Sample{"odd_422.mkv", TESTSRC_ODD "-c:v ffv1 -pix_fmt yuv422p"},
        Sample{"odd_height.mp4",
               "-f lavfi -i testsrc2=s=98x63:r=10:d=0.5 -c:v libx264 -pix_fmt yuv444p"},
        Sample{"narrow.mkv", "-f lavfi -i testsrc2=s=34x18:r=10:d=0.5 -c:v ffv1 -pix_fmt yuv420p"},
        Sample{"interlaced.mp4",
               TESTSRC "-vf interlace -c:v libx264 -flags +ildct+ilme -pix_fmt yuv420p"},
        Sample{"with_audio.mp4",
               TESTSRC "-f lavfi -i sine=d=1.2 -c:v libx264 -pix_fmt yuv420p -c:a aac"},
        Sample{"late_video.mp4",
               TESTSRC "-f lavfi -i sine=d=2 -vf setpts=PTS+0.5/TB -vsync vfr -c:v libx264 "
                       "-pix_fmt yuv420p -c:a aac"},
        Sample{"late_start.mkv",
               TESTSRC "-vf setpts=PTS+0.7/TB -vsync vfr -c:v libx264 -pix_fmt yuv420p"},
        Sample{"missing_frames.mp4",
               TESTSRC "-vf select='not(eq(mod(n\\,4)\\,2))' -vsync vfr -c:v libx264 "
                       "-pix_fmt yuv420p"},
        Sample{"missing_frames.mkv",
               TESTSRC "-vf select='not(between(n\\,3\\,7))' -vsync vfr -c:v libx264 "
                       "-pix_fmt yuv420p"},
        Sample{"last_frame_long.mp4",
               TESTSRC "-vf select='lt(n\\,6)+eq(n\\,11)' -vsync vfr -c:v libx264 "
                       "-pix_fmt yuv420p"},
        Sample{"uneven.mkv",
               TESTSRC "-vf setpts='(N+0.45*mod(N\\,3))/10/TB' -vsync vfr -c:v libx264 "
                       "-pix_fmt yuv420p"},
        Sample{"crowded.mkv",
               TESTSRC "-vf setpts='(N-0.8*mod(N\\,4))/10/TB' -vsync vfr -enc_time_base 1/1000 "
                       "-c:v libx264 -pix_fmt yuv420p"},
        Sample{"slowing.mp4",
               TESTSRC "-vf setpts='N*N/40/TB' -vsync vfr -enc_time_base 1/1000 -c:v libx264 "
                       "-pix_fmt yuv420p"}),
    [](const testing::TestParamInfo<Sample>& info) {
      std::string name = info.param.name;
      std::replace(name.begin(), name.end(), '.', '_');
      return name;
    });

TEST(OpenVideo, VariableFrameRatesAreSeen) {
  if (!HasFfmpeg()) {
    GTEST_SKIP() << "no ffmpeg program";
  }
  const TempDir dir;
  for (const char* container : {"mp4", "mkv"}) {
    for (const bool variable : {false, true}) {
      const std::string path = dir / (std::string("a.") + container);
      const std::string command = kQuiet +
                                  std::string("-y -f lavfi -i testsrc2=s=96x64:r=24:d=0.5 ") +
                                  (variable ? "-vf select='not(eq(n\\,5))' -vsync vfr " : "") +
                                  "-pix_fmt yuv420p " + Quote(path) + " 2>/dev/null";
      if (std::system(command.c_str()) != 0) {
        GTEST_SKIP() << "this ffmpeg cannot make it: " << command;
      }
      const auto reader = OpenVideo(path);
      size_t frames = 0;
      while (reader->Next()) {
        ++frames;
      }
      EXPECT_EQ(frames, variable ? 11u : 12u);
      EXPECT_EQ(reader->info().variable_frame_rate, variable) << path;
      EXPECT_EQ(ReadVideo(path, {VideoReaderOptions::Decoder::kImageio, 1}).frames.size(), 12u);
    }
  }
}

// The same samples with more bits, packed or semi-planar are the same picture.
TEST(OpenVideo, EqualSamplesGiveEqualRgb) {
  if (!HasFfmpeg()) {
    GTEST_SKIP() << "no ffmpeg program";
  }
  const TempDir dir;
  // NUT has no names for p010le and nv24, and swscale's gbrp10 has not the samples of gbrp.
  const std::pair<const char*, std::vector<const char*>> families[] = {
      {"-c:v ffv1 -pix_fmt yuv420p",
       {"-c:v ffv1 -pix_fmt yuv420p10",
        "-c:v ffv1 -pix_fmt yuv420p16",
        "-c:v rawvideo -pix_fmt yuv420p12be",
        "-c:v rawvideo -pix_fmt nv12"}},
      {"-c:v ffv1 -pix_fmt yuv422p",
       {"-c:v ffv1 -pix_fmt yuv422p10",
        "-c:v rawvideo -pix_fmt yuyv422",
        "-c:v rawvideo -pix_fmt uyvy422"}},
      {"-c:v ffv1 -pix_fmt yuv444p", {"-c:v ffv1 -pix_fmt yuv444p12"}},
      {"-c:v ffv1 -pix_fmt yuv420p -color_range pc",
       {"-c:v ffv1 -pix_fmt yuv420p10 -color_range pc"}},
      {"-c:v ffv1 -pix_fmt gray", {"-c:v ffv1 -pix_fmt gray10", "-c:v ffv1 -pix_fmt gray16"}}};
  int made = 0;
  for (const auto& [base, others] : families) {
    const std::string source = dir / "a.nut";
    ASSERT_EQ(std::system(
                  (kQuiet + std::string("-y ") + TESTSRC_ODD + base + " " + Quote(source)).c_str()),
              0);
    const std::string expected = Joined(ReadVideo(source));
    for (const char* other : others) {
      const std::string command =
          kQuiet + ("-y -i " + Quote(source)) + " " + other + " " + Quote(dir / "b.nut");
      if (std::system((command + " 2>/dev/null").c_str()) != 0) continue;
      EXPECT_TRUE(Joined(ReadVideo(dir / "b.nut")) == expected) << command;
      ++made;
    }
  }
  EXPECT_GT(made, 8);
}

// Turned by metadata only: made in two steps, because the turn is a property of the stream.
TEST(ImageioDecoder, TurnsAsFfmpegDoes) {
  if (!HasFfmpeg()) {
    GTEST_SKIP() << "no ffmpeg program";
  }
  const TempDir dir;
  WriteVideo(dir / "a.mp4", MakeTestVideo(96, 64, 3));
  for (const int angle : {90, 180, 270}) {
    SCOPED_TRACE(angle);
    const std::string path = dir / ("r" + std::to_string(angle) + ".mp4");
    const std::string input = " -i " + Quote(dir / "a.mp4") + " -c copy ";
    const std::string turn = std::to_string(angle);
    if (std::system((kQuiet + ("-y -display_rotation " + turn) + input + Quote(path) +
                     " 2>/dev/null || " + kQuiet + "-y" + input + "-metadata:s:v rotate=" + turn +
                     " " + Quote(path) + " 2>/dev/null")
                        .c_str()) != 0) {
      GTEST_SKIP() << "this ffmpeg cannot write a turn";
    }
    const Video video = ReadVideo(path, {VideoReaderOptions::Decoder::kImageio, 1});
    EXPECT_EQ(video.frames[0].width, angle == 180 ? 96 : 64);
    EXPECT_TRUE(Joined(video) == PipeOf(path));
    EXPECT_TRUE(Joined(ReadVideo(path)) == PipeOf(path));
    EXPECT_FALSE(Joined(video) == Joined(ReadVideo(dir / "a.mp4")));
  }
}

// As imageio_ffmpeg.write_frames calls it without a quality, with one thread and without AVX-512,
// with which libx264 does not give the same bytes twice.
TEST(WriteVideo, H264EqualsImageiosArguments) {
  if (!HasFfmpeg()) {
    GTEST_SKIP() << "no ffmpeg program";
  }
  const TempDir dir;
  const int sizes[][2] = {{96, 64}, {90, 62}, {33, 49}, {320, 176}};
  for (const auto& [width, height] : sizes) {
    SCOPED_TRACE(testing::Message() << width << "x" << height);
    const Video video = MakeTestVideo(width, height, 20);
    AtomicWriteFile(dir / "a.rgb", Joined(video));
    const int round_width = (width + 15) / 16 * 16, round_height = (height + 15) / 16 * 16;
    const bool scaled = round_width != width || round_height != height;
    const std::string command =
        kQuiet + std::string("-y -f rawvideo -vcodec rawvideo -s ") + std::to_string(width) + "x" +
        std::to_string(height) + " -pix_fmt rgb24 -r 8.00 -i " + Quote(dir / "a.rgb") +
        " -an -vcodec libx264 -pix_fmt yuv420p" +
        (scaled ? " -vf scale=" + std::to_string(round_width) + ":" + std::to_string(round_height)
                : "") +
        " -threads 1 $(grep -q avx512 /proc/cpuinfo && echo -x264-params asm=avx2) " +
        Quote(dir / "theirs.mp4") + " 2>/dev/null";
    if (std::system(command.c_str()) != 0) {
      GTEST_SKIP() << "this ffmpeg has no libx264";
    }
    WriteVideo(dir / "ours.mp4", video);
    EXPECT_TRUE(Joined(ReadVideo(dir / "ours.mp4")) == Joined(ReadVideo(dir / "theirs.mp4")));
    EXPECT_TRUE(PipeOf(dir / "ours.mp4") == PipeOf(dir / "theirs.mp4"));
  }
}

// A file that begins with its index shows a cut only where a frame is missing.
TEST(OpenVideo, MusicWithACoverIsNoVideo) {
  if (!HasFfmpeg()) {
    GTEST_SKIP() << "no ffmpeg program";
  }
  const TempDir dir;
  const std::string path = dir / "song.mp4";
  const std::string command = std::string(kQuiet) +
                              "-f lavfi -i sine=d=0.2 -f lavfi -i testsrc2=s=64x64:r=1:d=1 -map 0 "
                              "-map 1 -c:a aac -c:v png -disposition:v attached_pic " +
                              Quote(path);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  EXPECT_THAT([&] { OpenVideo(path); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("cover pictures aside")));
}

TEST(OpenVideo, ACutOfAFastStartFileIsNoticed) {
  if (!HasFfmpeg()) {
    GTEST_SKIP() << "no ffmpeg program";
  }
  const TempDir dir;
  WriteVideo(dir / "a.mp4", MakeTestVideo(96, 64, 12));
  if (std::system((kQuiet + ("-y -i " + Quote(dir / "a.mp4")) + " -c copy -movflags +faststart " +
                   Quote(dir / "f.mp4") + " 2>/dev/null")
                      .c_str()) != 0) {
    GTEST_SKIP() << "this ffmpeg cannot write it";
  }
  const std::string bytes = ReadFile(dir / "f.mp4");
  EXPECT_EQ(ReadVideo(dir / "f.mp4").frames.size(), 12u);
  for (const size_t missing : {size_t{1}, size_t{50}, bytes.size() / 3, bytes.size() / 2}) {
    AtomicWriteFile(dir / "f.mp4", std::string_view(bytes).substr(0, bytes.size() - missing));
    EXPECT_ANY_THROW(ReadVideo(dir / "f.mp4")) << missing;
  }
}

struct Carrier {
  const char* arguments;  // of ffmpeg, before the output
  std::optional<bool> lossless;
};

// What a file says of its coding: by codec, by profile, by the settings that encoders leave in it.
TEST(Lossless, IsToldByTheFile) {
  if (!HasFfmpeg()) GTEST_SKIP() << "no ffmpeg program";
  const TempDir dir;
  const Carrier carriers[] = {
      {"-c:v ffv1", true},
      {"-c:v huffyuv -pix_fmt yuv422p", true},
      {"-c:v utvideo -pix_fmt gbrp", true},
      {"-c:v png", true},
      {"-c:v rawvideo", true},
      {"-c:v mjpeg", false},
      {"-c:v mpeg4", false},
      {"-c:v libx264 -crf 0", true},
      {"-c:v libx264 -qp 0 -pix_fmt yuv444p", true},
      {"-c:v libx264rgb -crf 0 -pix_fmt rgb24", true},
      {"-c:v libx264 -crf 23", false},
      {"-c:v libx264 -crf 23 -pix_fmt yuv444p", false},
      {"-c:v libx264 -qp 1 -pix_fmt yuv444p", false},
      {"-c:v libx264 -crf 0 -pix_fmt yuv420p10le", false},  // as x264 understands it
      {"-c:v libx264 -crf 0 -bsf:v filter_units=remove_types=6", std::nullopt},
      {"-c:v libx265 -x265-params log-level=none:lossless=1", true},
      {"-c:v libx265 -x265-params log-level=none", false},
      {"-c:v libvpx-vp9 -lossless 1", std::nullopt},
      {"-c:v libaom-av1 -cpu-used 8 -crf 40", std::nullopt},
  };
  int made = 0;
  for (const Carrier& carrier : carriers) {
    for (const char* ending : {"mkv", "mp4"}) {
      const std::string path = dir / (std::string("a.") + ending);
      const std::string command =
          kQuiet + std::string("-y -f lavfi -i testsrc2=size=64x48:rate=8:duration=0.5 ") +
          carrier.arguments + " " + Quote(path) + " 2>/dev/null";
      if (std::system(command.c_str()) != 0) continue;  // not in this ffmpeg, or not in MP4
      EXPECT_EQ(OpenVideo(path)->info().lossless, carrier.lossless) << command;
      ++made;
    }
  }
  EXPECT_GT(made, 10);
}

}  // namespace
}  // namespace teacache
