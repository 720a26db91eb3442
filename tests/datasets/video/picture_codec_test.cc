#include "datasets/video/picture_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/paths.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// Every picture of tests/golden.
std::vector<fs::path> GoldenPictures() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(SourceDir() + "/tests/golden")) {
    const fs::path& path = entry.path();
    if (path.extension() == ".png" || path.extension() == ".jpg") paths.push_back(path);
  }
  return paths;
}

PictureKind KindOf(const fs::path& path) {
  return path.extension() == ".png" ? PictureKind::kPng : PictureKind::kJpeg;
}

struct Difference {
  int64_t samples = 0;
  int64_t different = 0;
  int most = 0;  // levels

  void Add(const Frame& a, const Frame& b) {
    for (size_t i = 0; i < a.rgb.size(); ++i) {
      const int levels = std::abs(int{a.rgb[i]} - int{b.rgb[i]});
      ++samples;
      different += levels != 0;
      most = std::max(most, levels);
    }
  }
};

TEST(PictureCodecs, AgreeOnEveryGoldenPicture) {
  const std::vector<fs::path> paths = GoldenPictures();
  ASSERT_GE(paths.size(), 40u);
  Difference png, jpeg;
  for (const fs::path& path : paths) {
    SCOPED_TRACE(path.filename());
    const std::string bytes = ReadFile(path.string());
    const Picture a = OpenCvPictures().decode("opencv", KindOf(path), bytes);
    const Picture b = LibavPictures().decode("libav", KindOf(path), bytes);
    EXPECT_EQ(a.bits, b.bits);
    ASSERT_EQ(a.frame.width, b.frame.width);
    ASSERT_EQ(a.frame.height, b.frame.height);
    ASSERT_EQ(a.frame.rgb.size(), b.frame.rgb.size());
    (KindOf(path) == PictureKind::kPng ? png : jpeg).Add(a.frame, b.frame);
  }
  EXPECT_GT(png.samples, 0);
  EXPECT_EQ(png.different, 0);
  EXPECT_GT(jpeg.samples, 0);
  EXPECT_LE(jpeg.most, 3);
  EXPECT_LE(static_cast<double>(jpeg.different), 0.06 * static_cast<double>(jpeg.samples));
}

TEST(PictureCodecs, ReadWhatTheyWrite) {
  Frame frame{7, 5, std::vector<uint8_t>(7 * 5 * 3)};
  for (size_t i = 0; i < frame.rgb.size(); ++i) frame.rgb[i] = static_cast<uint8_t>(i * 37);
  for (const PictureCodec* writer : {&OpenCvPictures(), &LibavPictures()}) {
    const std::vector<uint8_t> png = writer->encode_png("picture", frame);
    const std::string bytes(png.begin(), png.end());
    for (const PictureCodec* reader : {&OpenCvPictures(), &LibavPictures()}) {
      EXPECT_TRUE(reader->decode("picture", PictureKind::kPng, bytes).frame.rgb == frame.rgb)
          << writer->name << " to " << reader->name;
    }
  }
}

TEST(PictureCodecs, RefuseWhatIsNoPicture) {
  for (const PictureCodec* codec : {&OpenCvPictures(), &LibavPictures()}) {
    for (const PictureKind kind : {PictureKind::kPng, PictureKind::kJpeg}) {
      EXPECT_THAT([&] { codec->decode("a.png", kind, "no picture at all"); },
                  ThrowsMessage<UserError>(HasSubstr("a.png: cannot be decoded")))
          << codec->name;
    }
  }
}

}  // namespace
}  // namespace teacache
