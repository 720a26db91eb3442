// Decoding against the frames that imageio's ffmpeg gave (tests/golden/metrics/README.md).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <sstream>

#include "datasets/base/files.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/video/video.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

using Hashes = std::vector<std::string>;
using Decoder = VideoReaderOptions::Decoder;

Hashes HashFrames(const Video& video) {
  Hashes hashes;
  for (const Frame& frame : video.frames) {
    hashes.push_back(Sha256Hex(std::span<const uint8_t>(frame.rgb)));
  }
  return hashes;
}

std::string VideoPath(const GoldenCase& golden,
                      const std::string& set,
                      const std::string& side,
                      const std::string& id) {
  return (golden.folder / "videos" / set / side / (id + ".mp4")).string();
}

// Every video of the case: path -> hashes of its frames.
std::map<std::string, Hashes> ExpectedFrames(const GoldenCase& golden) {
  std::map<std::string, Hashes> expected;
  for (const auto& [set, content] : golden.json["sets"].items()) {
    if (content.contains("pairs")) {
      for (const auto& pair : content["pairs"]) {
        for (const char* side : {"gt", "gen"}) {
          const std::string path = VideoPath(golden, set, side, pair["id"]);
          expected[path] = pair[side]["frame_sha256"].get<Hashes>();
        }
      }
    }
    for (const char* side : {"gt", "gen", "gen2"}) {
      const auto hashes = content.find(std::string(side) + "_frame_sha256");
      if (hashes != content.end()) {
        for (const auto& [id, list] : hashes->items()) {
          expected[VideoPath(golden, set, side, id)] = list.get<Hashes>();
        }
      }
    }
  }
  return expected;
}

// Hashes of the frames before the codec, by "id" and side.
Hashes RenderedFrames(const GoldenCase& index, const std::string& id, const std::string& side) {
  for (const auto& [set, content] : index.json.items()) {
    if (!content.is_object()) {
      continue;
    }
    for (const auto& pair : content["pairs"]) {
      if (pair["id"] == id && pair.contains("source_sha256")) {
        return pair["source_sha256"][side].get<Hashes>();
      }
    }
  }
  ADD_FAILURE() << "videos_index has no rendered frames of " << id;
  return {};
}

TEST(ReadVideo, GoldenFramesBitForBit) {
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    const auto expected = ExpectedFrames(golden);
    EXPECT_FALSE(expected.empty()) << golden.file;
    for (const auto& [path, hashes] : expected) {
      SCOPED_TRACE(path);
      for (const Decoder decoder : {Decoder::kNative, Decoder::kImageio}) {
        EXPECT_EQ(HashFrames(ReadVideo(path, {decoder, 1})), hashes);
      }
      EXPECT_EQ(HashFrames(ReadVideo(path, {Decoder::kNative, 2})), hashes);
    }
  }
}

TEST(OpenVideo, GoldenInfo) {
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    for (const auto& [set, content] : golden.json["sets"].items()) {
      if (!content.contains("pairs")) {
        continue;
      }
      for (const auto& pair : content["pairs"]) {
        SCOPED_TRACE(pair["id"]);
        const VideoInfo info = OpenVideo(VideoPath(golden, set, "gt", pair["id"]))->info();
        const auto shape = pair["gt"]["shape_THWC"].get<std::vector<int64_t>>();
        EXPECT_EQ(info.num_frames, shape[0]);
        EXPECT_EQ(info.height, shape[1]);
        EXPECT_EQ(info.width, shape[2]);
        EXPECT_NEAR(info.fps, content["fps"].get<double>(), 1e-9);
        EXPECT_EQ(info.codec, "h264");
        EXPECT_EQ(info.pixel_format, "yuv420p");
        EXPECT_EQ(info.color_matrix, "unknown");
        EXPECT_FALSE(info.variable_frame_rate);
        EXPECT_EQ(info.lossless, false);
      }
    }
  }
}

TEST(ReadVideo, DecodedTensorsOfTheMainSet) {
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    const SafetensorsFile decoded =
        SafetensorsFile::Open((golden.folder / "main_decoded.safetensors").string());
    const auto& pairs = golden.json["sets"]["main"]["pairs"];
    for (size_t i = 0; i < pairs.size(); ++i) {
      for (const std::string side : {"gt", "gen"}) {
        const Video video = ReadVideo(VideoPath(golden, "main", side, pairs[i]["id"]));
        const TensorView& tensor = decoded.At(side + "." + std::to_string(i));
        ASSERT_EQ(tensor.shape[0], static_cast<int64_t>(video.frames.size()));
        const std::byte* from = tensor.data.data();
        for (const Frame& frame : video.frames) {
          EXPECT_EQ(std::memcmp(frame.rgb.data(), from, frame.rgb.size()), 0);
          from += frame.rgb.size();
        }
      }
    }
  }
}

TEST(ReadVideo, LosslessFilesGiveTheRenderedFrames) {
  const std::vector<GoldenCase> indices = FindGoldenCases("videos_index");
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    for (const GoldenCase& index : indices) {
      if (index.folder != golden.folder) {
        continue;
      }
      for (const auto& [label, entry] : golden.json["lossless"].items()) {
        for (size_t side = 0; side < 2; ++side) {
          const std::string path = (golden.folder / entry["files"][side]).string();
          SCOPED_TRACE(path);
          const Hashes expected = RenderedFrames(index, entry["id"], side == 0 ? "gt" : "gen");
          EXPECT_EQ(HashFrames(ReadVideo(path)), expected);
          EXPECT_EQ(HashFrames(ReadVideo(path, {Decoder::kImageio, 1})), expected);
          EXPECT_EQ(OpenVideo(path)->info().lossless, true);
        }
      }
    }
  }
}

// Mean of |a - b| over all samples of two clips of one shape.
double MeanDifference(const Video& a, const Video& b) {
  double sum = 0, n = 0;
  for (size_t t = 0; t < a.frames.size(); ++t) {
    for (size_t i = 0; i < a.frames[t].rgb.size(); ++i) {
      sum += std::abs(int{a.frames[t].rgb[i]} - int{b.frames[t].rgb[i]});
      ++n;
    }
  }
  return sum / n;
}

// The settings that libx264 wrote into the file ("crf=23.0"), without those of its threads.
std::set<std::string> X264Settings(const std::string& path) {
  const std::string bytes = ReadFile(path);
  const size_t begin = bytes.find(" - options: ");
  if (begin == std::string::npos) return {};
  std::istringstream words(bytes.substr(begin + 12, bytes.find('\0', begin) - begin - 12));
  std::set<std::string> settings;
  for (std::string word; words >> word;) {
    if (word.find("threads=") == std::string::npos) settings.insert(word);
  }
  return settings;
}

// Every file that imageio wrote was made with the settings that ours are made with, the ones of a
// size that is no multiple of 16 too.
TEST(WriteVideo, H264HasImageiosSettings) {
  const TempDir dir;
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    for (const auto& [set, content] : golden.json["sets"].items()) {
      if (!content.contains("pairs")) continue;
      for (const auto& pair : content["pairs"]) {
        const std::string path = VideoPath(golden, set, "gt", pair["id"]);
        SCOPED_TRACE(path);
        VideoWriterOptions options;
        options.fps = content["fps"];
        WriteVideo(dir / "a.mp4", MakeTestVideo(90, 62, 3), options);
        EXPECT_THAT(X264Settings(path), testing::Contains("crf=23.0"));
        EXPECT_EQ(X264Settings(dir / "a.mp4"), X264Settings(path));
      }
    }
  }
}

// imageio encoded the same frames, with another libx264, more threads and AVX-512, whose code does
// not give the same bytes twice. Most files decode to the same bits here; all must lose as much
// (half a percent is a quarter of one step of the rate factor).
TEST(WriteVideo, H264LosesWhatImageioLost) {
  const TempDir dir;
  int files = 0;
  for (const GoldenCase& golden : FindGoldenCases("video_metrics")) {
    for (const auto& [label, entry] : golden.json["lossless"].items()) {
      if (!label.starts_with("main_")) {
        continue;  // written with another macro_block_size
      }
      for (size_t side = 0; side < 2; ++side) {
        SCOPED_TRACE(entry["files"][side]);
        const Video rendered = ReadVideo((golden.folder / entry["files"][side]).string());
        const std::string path = VideoPath(golden, "main", side == 0 ? "gt" : "gen", entry["id"]);
        const Video theirs = ReadVideo(path);
        VideoWriterOptions options;
        options.fps = golden.json["sets"]["main"]["fps"];
        WriteVideo(dir / "a.mp4", rendered, options);
        const Video ours = ReadVideo(dir / "a.mp4");
        ASSERT_EQ(ours.frames.size(), theirs.frames.size());
        const double loss = MeanDifference(rendered, theirs);
        EXPECT_NEAR(MeanDifference(rendered, ours), loss, 0.005 * loss);
        ++files;
      }
    }
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace teacache
