#include "datasets/video/container_crop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/video.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void Append(uint64_t value, int bytes, std::string* out) {
  for (int i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

// As libav lays it out: top, bottom, left, right, little-endian.
TEST(ContainerCrop, SideData) {
  std::vector<uint8_t> data(16);
  data[0] = 1;   // top
  data[4] = 2;   // bottom
  data[8] = 3;   // left
  data[13] = 1;  // right: 256
  EXPECT_EQ(ReadCropSideData(data), (Crop{1, 2, 3, 256}));
  EXPECT_FALSE(ReadCropSideData(std::span(data).first(15)).any());
  EXPECT_FALSE(ReadCropSideData(std::vector<uint8_t>(16)).any());
}

TEST(ContainerCrop, Geometry) {
  Frame frame{4, 3, std::vector<uint8_t>(36)};
  std::iota(frame.rgb.begin(), frame.rgb.end(), uint8_t{0});
  const Frame cut = CropFrame("a", frame, {.top = 1, .bottom = 1, .left = 2, .right = 1});
  EXPECT_EQ(cut.width, 1);
  EXPECT_EQ(cut.height, 1);
  EXPECT_THAT(cut.rgb, ElementsAre(18, 19, 20));  // row 1, column 2
  const Frame rows = CropFrame("a", frame, {.top = 2, .bottom = 0, .left = 0, .right = 0});
  EXPECT_EQ(rows.rgb, std::vector<uint8_t>(frame.rgb.begin() + 24, frame.rgb.end()));
  EXPECT_EQ(CropFrame("a", frame, {}).rgb, frame.rgb);
  EXPECT_THROW(CropFrame("a", frame, {.top = 0, .bottom = 0, .left = 4, .right = 0}), UserError);
  EXPECT_THROW(CropFrame("a", frame, {.top = 4000000000, .bottom = 0, .left = 0, .right = 0}),
               UserError);
}

// Puts a box `clap` into the picture's entry of an MP4 whose index comes last.
std::string WithClap(std::string file, int width, int height, int right, int down) {
  std::string box;
  Append(40, 4, &box);
  box += "clap";
  for (const int number : {width, 1, height, 1, right, 1, down, 1}) {
    Append(static_cast<uint32_t>(number), 4, &box);
  }
  const size_t entry = file.find("avc1", file.find("stsd"));
  file.insert(entry + 4 + 78, box);
  size_t at = 0;
  for (const char* name : {"moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1"}) {
    at = file.find(name, at);
    uint32_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(file[at - 4 + i]);
    std::string bytes;
    Append(size + box.size(), 4, &bytes);
    file.replace(at - 4, 4, bytes);
  }
  return file;
}

TEST(ContainerCrop, CleanApertureOfMp4) {
  const TempDir dir;
  WriteVideo(dir / "a.mp4", MakeTestVideo(64, 48, 3));
  EXPECT_FALSE(FindContainerCrop(dir / "a.mp4").has_value());
  EXPECT_THAT(OpenVideo(dir / "a.mp4")->info().notes, IsEmpty());
  // 60 x 40 pixels, their middle one column to the right and two rows up.
  AtomicWriteFile(dir / "b.mp4",
                  std::string_view(WithClap(ReadFile(dir / "a.mp4"), 60, 40, 1, -2)));
  EXPECT_EQ(FindContainerCrop(dir / "b.mp4"), (Crop{2, 6, 3, 1}));
  const Video video = ReadVideo(dir / "b.mp4");
  const std::vector<std::string> notes = OpenVideo(dir / "b.mp4")->info().notes;
  EXPECT_THAT(notes, Contains(HasSubstr("crop")));
  // FFmpeg 7.1 and later give it, so that it is applied; older ones do not.
  const bool applied = notes[0] == "is cropped as its container says";
  EXPECT_EQ(video.frames[0].width, applied ? 60 : 64);
  EXPECT_EQ(video.frames[0].height, applied ? 40 : 48);
  // As large as the picture: nothing is cut off.
  AtomicWriteFile(dir / "c.mp4", std::string_view(WithClap(ReadFile(dir / "a.mp4"), 64, 48, 0, 0)));
  EXPECT_FALSE(FindContainerCrop(dir / "c.mp4").has_value());
}

std::string Element(uint32_t id, int id_bytes, const std::string& content) {
  std::string out;
  Append(id, id_bytes, &out);
  Append(0x4000 | content.size(), 2, &out);
  return out + content;
}

TEST(ContainerCrop, PixelCropOfMatroska) {
  const std::string video =
      Element(0xE0,
              1,
              Element(0xB0, 1, "\x40") + Element(0x54AA, 2, "\x04") + Element(0x54BB, 2, "\x02") +
                  Element(0x54DD, 2, std::string("\x01\x00", 2)));
  const std::string file = Element(0x1A45DFA3, 4, Element(0x4282, 2, "matroska")) +
                           Element(0x18538067, 4, Element(0x1654AE6B, 4, Element(0xAE, 1, video)));
  const TempDir dir;
  AtomicWriteFile(dir / "a.mkv", std::string_view(file));
  EXPECT_EQ(FindContainerCrop(dir / "a.mkv"), (Crop{2, 4, 0, 256}));
  // Cut anywhere: no crop, or this one, and no fault.
  for (size_t size = 0; size < file.size(); ++size) {
    AtomicWriteFile(dir / "b.mkv", std::string_view(file).substr(0, size));
    FindContainerCrop(dir / "b.mkv");
  }
}

}  // namespace
}  // namespace teacache
