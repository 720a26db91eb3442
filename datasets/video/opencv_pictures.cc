#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "datasets/base/error.h"
#include "datasets/video/picture_codec.h"

namespace teacache {
namespace {

cv::Mat DecodeMat(const std::string& where, std::string_view bytes) {
  cv::Mat picture;
  try {
    const cv::Mat coded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
    picture = cv::imdecode(coded, cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH);
  } catch (const cv::Exception& error) {
    ThrowUserError(where, "cannot be decoded: {}", error.err);
  }
  if (picture.empty()) ThrowUserError(where, "cannot be decoded");
  if (picture.channels() != 3 || (picture.depth() != CV_8U && picture.depth() != CV_16U)) {
    ThrowUserError(where, "must have 8 or 16 bits per colour");
  }
  return picture;
}

Picture Decode(const std::string& where, PictureKind /*kind*/, std::string_view bytes) {
  const cv::Mat bgr = DecodeMat(where, bytes);
  const bool deep = bgr.depth() == CV_16U;
  Picture picture{{bgr.cols, bgr.rows, {}}, deep ? 16 : 8};
  picture.frame.rgb.resize(bgr.total() * 3);
  uint8_t* to = picture.frame.rgb.data();
  for (int y = 0; y < bgr.rows; ++y) {
    for (int x = 0; x < bgr.cols; ++x) {
      for (int c = 2; c >= 0; --c) {
        *to++ = deep ? static_cast<uint8_t>((bgr.ptr<uint16_t>(y)[3 * x + c] + 128) / 257)
                     : bgr.ptr<uint8_t>(y)[3 * x + c];
      }
    }
  }
  return picture;
}

std::vector<uint8_t> EncodePng(const std::string& where, const Frame& frame) {
  const cv::Mat rgb(frame.height, frame.width, CV_8UC3, const_cast<uint8_t*>(frame.rgb.data()));
  cv::Mat bgr;
  std::vector<uint8_t> bytes;
  bool done = false;
  try {
    cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
    done = cv::imencode(".png", bgr, bytes);
  } catch (const cv::Exception& error) {
    ThrowUserError(where, "cannot be written as PNG: {}", error.err);
  }
  if (!done) ThrowUserError(where, "cannot be written as PNG");
  return bytes;
}

}  // namespace

const PictureCodec& OpenCvPictures() {
  static const PictureCodec codec = {"OpenCV", Decode, EncodePng};
  return codec;
}

}  // namespace teacache
