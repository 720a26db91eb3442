#include "datasets/video/libav_handles.h"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <new>
#include <utility>

namespace teacache {
namespace {

thread_local std::string last_logged;

void RememberError(void* context, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR) {
    return;
  }
  int print_prefix = 0;
  std::array<char, 512> line{};
  av_log_format_line2(
      context, level, format, arguments, line.data(), static_cast<int>(line.size()), &print_prefix);
  last_logged = line.data();
  while (!last_logged.empty() && (last_logged.back() == '\n' || last_logged.back() == '.')) {
    last_logged.pop_back();
  }
}

}  // namespace

void FormatOutputDeleter::operator()(AVFormatContext* context) const {
  if (context->pb != nullptr) {
    avio_closep(&context->pb);
  }
  avformat_free_context(context);
}

AvFrame NewFrame() {
  AvFrame frame(av_frame_alloc());
  if (!frame) {
    throw std::bad_alloc();
  }
  return frame;
}

AvPacket NewPacket() {
  AvPacket packet(av_packet_alloc());
  if (!packet) {
    throw std::bad_alloc();
  }
  return packet;
}

AvFrame NewPicture(int width, int height, AVPixelFormat format) {
  AvFrame frame = NewFrame();
  frame->width = width;
  frame->height = height;
  frame->format = format;
  if (av_frame_get_buffer(frame.get(), 0) < 0) {
    throw std::bad_alloc();
  }
  return frame;
}

void QuietLibav() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(RememberError); });
}

std::string TakeLoggedError() { return std::exchange(last_logged, ""); }

std::string LibavError(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  std::string message = text.data();
  if (const std::string logged = TakeLoggedError(); !logged.empty()) {
    message += " (" + logged + ")";
  }
  return message;
}

int64_t DurationOf(const AVFrame& frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 2, 100)
  return frame.duration;
#else
  return frame.pkt_duration;
#endif
}

AVRational RateOf(double fps) { return av_d2q(fps, 1001000); }

}  // namespace teacache
