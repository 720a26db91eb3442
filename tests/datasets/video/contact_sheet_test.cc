#include "datasets/video/contact_sheet.h"

#include <gtest/gtest.h>

#include <array>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

// Frame t of video v is of one colour, (10 v, t, 200), so that every cell says what it is.
Video Plain(int v, int frames) {
  Video video;
  for (int t = 0; t < frames; ++t) {
    Frame frame{8, 6, {}};
    for (int i = 0; i < 8 * 6; ++i) {
      frame.rgb.push_back(static_cast<uint8_t>(10 * v));
      frame.rgb.push_back(static_cast<uint8_t>(t));
      frame.rgb.push_back(200);
    }
    video.frames.push_back(frame);
  }
  return video;
}

std::array<int, 3> PixelAt(const Frame& frame, int x, int y) {
  const uint8_t* p = &frame.rgb[3 * (static_cast<size_t>(y) * frame.width + x)];
  return {p[0], p[1], p[2]};
}

TEST(MakeContactSheet, RowsAreVideosColumnsAreTimes) {
  ContactSheetOptions options;
  options.columns = 4;
  options.scale = 3;
  const Frame sheet = MakeContactSheet({Plain(1, 16), Plain(2, 16)}, {}, options);
  const int cell_width = 8 * 3 + 4;
  const int cell_height = 6 * 3 + 4;
  ASSERT_EQ(sheet.width, 4 * cell_width);
  ASSERT_EQ(sheet.height, 2 * cell_height);
  ASSERT_EQ(sheet.rgb.size(), static_cast<size_t>(3 * sheet.width * sheet.height));
  const std::array<int, 4> times = {0, 5, 10, 15};  // first and last included
  for (int v = 1; v <= 2; ++v) {
    for (int c = 0; c < 4; ++c) {
      const std::array<int, 3> expected = {10 * v, times[c], 200};
      const int left = c * cell_width;
      const int top = (v - 1) * cell_height;
      EXPECT_EQ(PixelAt(sheet, left, top), expected);
      EXPECT_EQ(PixelAt(sheet, left + 8 * 3 - 1, top + 6 * 3 - 1), expected);
      EXPECT_NE(PixelAt(sheet, left + 8 * 3, top), expected);  // the gap
    }
  }
}

TEST(MakeContactSheet, LabelsAreLeftOfTheRows) {
  ContactSheetOptions options;
  options.columns = 2;
  options.label_width = 120;
  const Frame with = MakeContactSheet({Plain(3, 4)}, {"a star"}, options);
  const Frame blank = MakeContactSheet({Plain(3, 4)}, {""}, options);
  EXPECT_EQ(with.width, 120 + 2 * (16 + 4));
  EXPECT_EQ(PixelAt(with, 120, 0), (std::array<int, 3>{30, 0, 200}));
  int written = 0;
  for (int y = 0; y < with.height; ++y) {
    for (int x = 0; x < with.width; ++x) {
      const bool differs = PixelAt(with, x, y) != PixelAt(blank, x, y);
      written += differs;
      ASSERT_FALSE(x >= 120 && differs) << x << ", " << y;
    }
  }
  EXPECT_GT(written, 20);
}

TEST(MakeContactSheet, EdgeCases) {
  EXPECT_EQ(MakeContactSheet({}, {}).width, 0);
  ContactSheetOptions options;
  options.columns = 6;
  options.scale = 1;
  const Frame few = MakeContactSheet({Plain(1, 1)}, {}, options);  // one frame, shown six times
  for (int c = 0; c < 6; ++c) EXPECT_EQ(PixelAt(few, 12 * c, 0), (std::array<int, 3>{10, 0, 200}));
  options.columns = 1;
  EXPECT_EQ(PixelAt(MakeContactSheet({Plain(1, 9)}, {}, options), 0, 0)[1], 0);
}

TEST(WritePng, ReadsBackTheSame) {
  const TempDir folder;
  const Frame sheet = MakeContactSheet({Plain(1, 16), Plain(2, 16)}, {"one", "two"});
  MakeFolders(folder / "frames");
  WritePng(folder / "frames/0000.png", sheet);
  const Video read = ReadVideo(folder / "frames");
  ASSERT_EQ(read.frames.size(), 1u);
  EXPECT_EQ(read.frames[0].width, sheet.width);
  EXPECT_EQ(read.frames[0].rgb, sheet.rgb);
  EXPECT_THROW(WritePng(folder / "absent/sheet.png", sheet), UserError);
}

}  // namespace
}  // namespace teacache
