#pragma once

// Internal to teacache::datasets: libav's objects with owners. Not for public headers.

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>

namespace teacache {

struct FormatInputDeleter {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
};
struct FormatOutputDeleter {
  void operator()(AVFormatContext* context) const;
};
struct CodecContextDeleter {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct FrameDeleter {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct PacketDeleter {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct SwsDeleter {
  void operator()(SwsContext* context) const { sws_freeContext(context); }
};

using FormatInput = std::unique_ptr<AVFormatContext, FormatInputDeleter>;
using FormatOutput = std::unique_ptr<AVFormatContext, FormatOutputDeleter>;
using CodecContext = std::unique_ptr<AVCodecContext, CodecContextDeleter>;
using AvFrame = std::unique_ptr<AVFrame, FrameDeleter>;
using AvPacket = std::unique_ptr<AVPacket, PacketDeleter>;
using Sws = std::unique_ptr<SwsContext, SwsDeleter>;

// Throw std::bad_alloc.
AvFrame NewFrame();
AvPacket NewPacket();
// A picture with buffers of libav's own alignment (swscale's results depend on it at the borders).
AvFrame NewPicture(int width, int height, AVPixelFormat format);

// Silences libav once and remembers the last error it logged on each thread.
void QuietLibav();
// "Invalid data found (moov atom not found)": the code's text and what was logged on this thread
// since the last call.
std::string LibavError(int code);
// What was logged as an error on this thread since the last call; "" = nothing.
std::string TakeLoggedError();

// A frame's duration in its stream's time base; 0 = unknown.
int64_t DurationOf(const AVFrame& frame);

// A frame rate as a fraction: 23.976 is 2997/125.
AVRational RateOf(double fps);

}  // namespace teacache
