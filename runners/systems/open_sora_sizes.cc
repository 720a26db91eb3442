#include "runners/systems/open_sora_sizes.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr std::array<const char*, 5> kResolutions = {"144p", "240p", "360p", "480p", "720p"};

struct Row {
  const char* aspect_ratio;                             // height:width
  std::array<OpenSoraSize, kResolutions.size()> sizes;  // by resolution
};
// clang-format off
constexpr Row kRows[] = {
    {"3:8", {{{117, 312}, {196, 522}, {294, 784}, {392, 1046}, {588, 1568}}}},
    {"9:21", {{{125, 291}, {210, 490}, {314, 732}, {420, 980}, {628, 1466}}}},
    {"12:25", {{{133, 277}, {222, 462}, {332, 692}, {444, 925}, {666, 1388}}}},
    {"1:2", {{{135, 270}, {226, 452}, {340, 680}, {452, 904}, {678, 1356}}}},
    {"9:17", {{{139, 262}, {232, 438}, {350, 662}, {466, 880}, {698, 1318}}}},
    {"27:50", {{{141, 260}, {236, 436}, {352, 652}, {470, 870}, {706, 1306}}}},
    {"9:16", {{{144, 256}, {240, 426}, {360, 640}, {480, 854}, {720, 1280}}}},
    {"5:8", {{{151, 241}, {252, 404}, {380, 608}, {506, 810}, {758, 1212}}}},
    {"2:3", {{{156, 234}, {262, 393}, {392, 588}, {522, 784}, {784, 1176}}}},
    {"3:4", {{{166, 221}, {276, 368}, {416, 554}, {554, 738}, {832, 1110}}}},
    {"1:1", {{{192, 192}, {320, 320}, {480, 480}, {640, 640}, {960, 960}}}},
    {"4:3", {{{221, 165}, {370, 278}, {554, 416}, {740, 555}, {1108, 832}}}},
    {"3:2", {{{235, 156}, {392, 262}, {588, 392}, {784, 522}, {1176, 784}}}},
    {"16:9", {{{256, 144}, {426, 240}, {640, 360}, {854, 480}, {1280, 720}}}},
    {"17:9", {{{263, 139}, {440, 232}, {660, 350}, {880, 466}, {1320, 698}}}},
    {"2:1", {{{271, 135}, {452, 226}, {678, 340}, {906, 454}, {1358, 680}}}},
    {"50:27", {{{277, 132}, {462, 222}, {692, 332}, {924, 444}, {1386, 666}}}},
};
// clang-format on

}  // namespace

OpenSoraSize FindOpenSoraSize(const std::string& resolution, const std::string& aspect_ratio) {
  const auto column = std::find(kResolutions.begin(), kResolutions.end(), resolution);
  if (column == kResolutions.end()) {
    ThrowUserError(
        "--resolution", "must be one of {} but is '{}'", fmt::join(kResolutions, ", "), resolution);
  }
  std::vector<std::string> known;
  for (const Row& row : kRows) {
    if (row.aspect_ratio == aspect_ratio) return row.sizes[column - kResolutions.begin()];
    known.emplace_back(row.aspect_ratio);
  }
  ThrowUserError("--aspect-ratio",
                 "must be height:width, one of {} but is '{}'",
                 fmt::join(known, ", "),
                 aspect_ratio);
}

}  // namespace teacache
