#include "datasets/video/container_crop.h"

#include <algorithm>
#include <fstream>
#include <string_view>
#include <vector>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr int kMaxElements = 4000;  // of a file; also bounds the depth of nesting

// A file of nested elements: parts of it, read by place. Reads beyond the end give nothing.
class Headers {
 public:
  explicit Headers(const std::string& path) : in_(path, std::ios::binary) {
    in_.seekg(0, std::ios::end);
    size_ = in_ ? static_cast<int64_t>(in_.tellg()) : 0;
  }
  int64_t size() const { return size_; }
  // False once too many elements were looked at.
  bool Next() { return ++elements_ <= kMaxElements; }
  std::vector<uint8_t> Read(int64_t at, int64_t bytes) {
    if (at < 0 || bytes < 0 || at > size_ || bytes > size_ - at) return {};
    std::vector<uint8_t> out(static_cast<size_t>(bytes));
    in_.clear();
    in_.seekg(at);
    in_.read(reinterpret_cast<char*>(out.data()), bytes);
    return in_ ? out : std::vector<uint8_t>();
  }
  uint64_t BigEndian(int64_t at, int bytes) {
    uint64_t value = 0;
    for (const uint8_t byte : Read(at, bytes)) value = value << 8 | byte;
    return value;
  }

 private:
  std::ifstream in_;
  int64_t size_ = 0;
  int elements_ = 0;
};

// Calls visit(type, from, to) for the boxes in [from, to) until it gives a crop.
template <typename Visit>
std::optional<Crop> ForEachBox(Headers* file, int64_t from, int64_t to, const Visit& visit) {
  while (to - from >= 8 && file->Next()) {
    const std::vector<uint8_t> head = file->Read(from, 8);
    if (head.empty()) return std::nullopt;
    int64_t header = 8;
    uint64_t size = file->BigEndian(from, 4);
    if (size == 1) {
      size = file->BigEndian(from + 8, 8);
      header = 16;
    } else if (size == 0) {
      size = static_cast<uint64_t>(to - from);
    }
    if (size < static_cast<uint64_t>(header) || size > static_cast<uint64_t>(to - from)) {
      return std::nullopt;
    }
    const std::string_view type(reinterpret_cast<const char*>(head.data()) + 4, 4);
    const int64_t end = from + static_cast<int64_t>(size);
    if (const std::optional<Crop> crop = visit(type, from + header, end)) return crop;
    from = end;
  }
  return std::nullopt;
}

// The clean aperture: width, height and the distances of its middle from the picture's, each a
// fraction of 32-bit numbers.
std::optional<Crop> ReadClap(Headers* file, int64_t at, int width, int height) {
  const auto fraction = [&](int i) -> std::optional<double> {
    const auto top = static_cast<int32_t>(file->BigEndian(at + i * 8, 4));
    const auto bottom = static_cast<int32_t>(file->BigEndian(at + i * 8 + 4, 4));
    if (bottom <= 0) return std::nullopt;
    return static_cast<double>(top) / bottom;
  };
  const auto wide = fraction(0), high = fraction(1), right = fraction(2), down = fraction(3);
  if (!wide || !high || !right || !down) return std::nullopt;
  Crop crop;
  const auto sides = [](double size, double shown, double shift, int64_t* before, int64_t* after) {
    *before = static_cast<int64_t>((size - shown) / 2 + shift);
    *after = static_cast<int64_t>(size - shown) - *before;
  };
  sides(width, *wide, *right, &crop.left, &crop.right);
  sides(height, *high, *down, &crop.top, &crop.bottom);
  const bool sensible = std::min({crop.left, crop.right, crop.top, crop.bottom}) >= 0;
  return sensible && crop.any() ? std::optional(crop) : std::nullopt;
}

std::optional<Crop> SearchMp4(Headers* file, int64_t from, int64_t to) {
  constexpr int kSampleEntry = 78;  // bytes of a picture's entry before its boxes
  return ForEachBox(
      file, from, to, [&](std::string_view type, int64_t at, int64_t end) -> std::optional<Crop> {
        for (const char* folder : {"moov", "trak", "mdia", "minf", "stbl"}) {
          if (type == folder) return SearchMp4(file, at, end);
        }
        if (type != "stsd") return std::nullopt;
        return ForEachBox(
            file, at + 8, end, [&](std::string_view, int64_t entry, int64_t entry_end) {
              const int width = static_cast<int>(file->BigEndian(entry + 24, 2));
              const int height = static_cast<int>(file->BigEndian(entry + 26, 2));
              return ForEachBox(file,
                                entry + kSampleEntry,
                                entry_end,
                                [&](std::string_view box, int64_t box_at, int64_t box_end) {
                                  return box == "clap" && box_end - box_at >= 32
                                             ? ReadClap(file, box_at, width, height)
                                             : std::nullopt;
                                });
            });
      });
}

// A number of Matroska: the position of its first bit gives its bytes. `keep`: with that bit, as
// in identifiers. -1 where it is damaged, or of unknown size.
int64_t ReadVint(Headers* file, int64_t* at, bool keep) {
  const std::vector<uint8_t> first = file->Read(*at, 1);
  if (first.empty() || first[0] == 0) return -1;
  int bytes = 1;
  while ((first[0] & (0x80 >> (bytes - 1))) == 0) ++bytes;
  uint64_t value = file->BigEndian(*at, bytes);
  *at += bytes;
  const uint64_t all = (uint64_t{1} << (7 * bytes)) - 1;
  if (!keep) value &= all;
  return !keep && value == all ? -1 : static_cast<int64_t>(value);
}

void SearchMatroska(Headers* file, int64_t from, int64_t to, Crop* crop) {
  constexpr int64_t kSegment = 0x18538067, kTracks = 0x1654AE6B, kTrack = 0xAE, kVideo = 0xE0;
  constexpr int64_t kCluster = 0x1F43B675;
  while (from < to && file->Next()) {
    const int64_t id = ReadVint(file, &from, /*keep=*/true);
    const int64_t size = ReadVint(file, &from, /*keep=*/false);
    if (id < 0 || id == kCluster) return;
    const int64_t end = size < 0 || size > to - from ? to : from + size;
    if (id == kSegment || id == kTracks || id == kTrack || id == kVideo) {
      SearchMatroska(file, from, end, crop);
    }
    for (const auto& [side, value] : {std::pair(0x54BB, &crop->top),
                                      std::pair(0x54AA, &crop->bottom),
                                      std::pair(0x54CC, &crop->left),
                                      std::pair(0x54DD, &crop->right)}) {
      if (id == side && size >= 1 && size <= 4) {
        *value = static_cast<int64_t>(file->BigEndian(from, static_cast<int>(size)));
      }
    }
    from = end;
  }
}

}  // namespace

Crop ReadCropSideData(std::span<const uint8_t> data) {
  if (data.size() < 16) return {};
  const auto number = [&](size_t at) {
    int64_t value = 0;
    for (size_t i = 4; i-- > 0;) value = value << 8 | data[at + i];
    return value;
  };
  return {number(0), number(4), number(8), number(12)};
}

Frame CropFrame(const std::string& where, Frame frame, const Crop& crop) {
  if (!crop.any()) return frame;
  const int64_t width = frame.width - crop.left - crop.right;
  const int64_t height = frame.height - crop.top - crop.bottom;
  if (width < 1 || height < 1) {
    ThrowUserError(where,
                   "its container must leave pixels but crops {} + {} of {} columns and {} + {} "
                   "of {} rows",
                   crop.left,
                   crop.right,
                   frame.width,
                   crop.top,
                   crop.bottom,
                   frame.height);
  }
  Frame out{static_cast<int>(width), static_cast<int>(height), {}};
  out.rgb.reserve(static_cast<size_t>(3 * width * height));
  for (int64_t y = 0; y < height; ++y) {
    const auto row = frame.rgb.begin() + 3 * ((crop.top + y) * frame.width + crop.left);
    out.rgb.insert(out.rgb.end(), row, row + 3 * width);
  }
  return out;
}

std::optional<Crop> FindContainerCrop(const std::string& path) {
  Headers file(path);
  const std::vector<uint8_t> start = file.Read(0, 8);
  if (start.empty()) return std::nullopt;
  if (file.BigEndian(0, 4) == 0x1A45DFA3) {
    Crop crop;
    SearchMatroska(&file, 0, file.size(), &crop);
    return crop.any() ? std::optional(crop) : std::nullopt;
  }
  const std::string_view type(reinterpret_cast<const char*>(start.data()) + 4, 4);
  for (const char* first : {"ftyp", "moov", "mdat", "free", "wide", "skip"}) {
    if (type == first) return SearchMp4(&file, 0, file.size());
  }
  return std::nullopt;
}

}  // namespace teacache
