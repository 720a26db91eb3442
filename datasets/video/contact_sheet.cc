#include "datasets/video/contact_sheet.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/base/files.h"
#include "datasets/video/picture_codec.h"

namespace teacache {
namespace {

constexpr int kGap = 4;  // pixels between frames

}  // namespace

Frame MakeContactSheet(const std::vector<Video>& videos,
                       const std::vector<std::string>& labels,
                       const ContactSheetOptions& options) {
  if (videos.empty() || videos.front().frames.empty()) return {};
  const int cell_width = videos.front().frames.front().width * options.scale + kGap;
  const int cell_height = videos.front().frames.front().height * options.scale + kGap;
  const int label_width = labels.empty() ? 0 : options.label_width;
  cv::Mat sheet(static_cast<int>(videos.size()) * cell_height,
                label_width + options.columns * cell_width,
                CV_8UC3,
                cv::Scalar(60, 60, 60));
  for (size_t row = 0; row < videos.size(); ++row) {
    const Video& video = videos[row];
    const int top = static_cast<int>(row) * cell_height;
    if (label_width > 0) {
      cv::putText(sheet,
                  labels[row],
                  {6, top + cell_height / 2},
                  cv::FONT_HERSHEY_SIMPLEX,
                  0.4,
                  cv::Scalar(255, 255, 255),
                  1,
                  cv::LINE_AA);
    }
    for (int column = 0; column < options.columns; ++column) {
      const double last = static_cast<double>(video.frames.size() - 1);
      const auto index =
          static_cast<size_t>(std::lround(last * column / std::max(1, options.columns - 1)));
      const Frame& frame = video.frames[index];
      const cv::Mat picture(
          frame.height, frame.width, CV_8UC3, const_cast<uint8_t*>(frame.rgb.data()));
      const cv::Rect place(label_width + column * cell_width,
                           top,
                           frame.width * options.scale,
                           frame.height * options.scale);
      cv::resize(picture, sheet(place), place.size(), 0, 0, cv::INTER_NEAREST);
    }
  }
  return {sheet.cols, sheet.rows, std::vector<uint8_t>(sheet.datastart, sheet.dataend)};
}

void WritePng(const std::string& path, const Frame& frame) {
  const std::vector<uint8_t> bytes = Pictures().encode_png(path, frame);
  AtomicWriteFile(path, std::as_bytes(std::span<const uint8_t>(bytes)));
}

}  // namespace teacache
