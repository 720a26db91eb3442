#include <utility>

#include "datasets/error.h"
#include "datasets/frame_converter.h"
#include "datasets/libav_handles.h"
#include "datasets/video_sources.h"

namespace teacache {
namespace {

constexpr int kMacroBlock = 16;  // imageio's macro_block_size

// What a codec asks for.
struct EncoderSpec {
  const char* encoder;
  const char* container;
  AVPixelFormat pixels;
  int width, height;  // of the coded picture
  std::vector<std::pair<const char*, std::string>> settings;
};

int RoundUp(int size) { return (size + kMacroBlock - 1) / kMacroBlock * kMacroBlock; }

EncoderSpec SpecOf(const Video& video, const VideoWriterOptions& options) {
  const Frame& first = video.frames.front();
  if (options.codec == VideoWriterOptions::Codec::kH264) {
    return {"libx264",
            "mp4",
            AV_PIX_FMT_YUV420P,
            RoundUp(first.width),
            RoundUp(first.height),
            {{"crf", std::to_string(options.crf)}}};
  }
  return {"ffv1",
          "matroska",
          AV_PIX_FMT_BGR0,
          first.width,
          first.height,
          {{"level", "3"}, {"slicecrc", "1"}}};
}

// One file under construction. Calls: the constructor, Add for every frame, Finish.
class Encoder {
 public:
  Encoder(const std::string& path, std::string where, EncoderSpec spec, double fps)
      : where_(std::move(where)), spec_(std::move(spec)) {
    QuietLibav();
    OpenContainer();
    OpenCodec(RateOf(fps));
    Check(avcodec_parameters_from_context(stream_->codecpar, codec_.get()));
    Check(avio_open(&format_->pb, ("file:" + path).c_str(), AVIO_FLAG_WRITE));
    Check(avformat_write_header(format_.get(), nullptr));
  }

  void Add(const Frame& frame) {
    const AvFrame picture = NewPicture(spec_.width, spec_.height, spec_.pixels);
    filler_.Fill(where_, frame, picture.get());
    picture->pts = next_pts_++;
    Check(avcodec_send_frame(codec_.get(), picture.get()));
    WritePackets();
  }

  void Finish() {
    Check(avcodec_send_frame(codec_.get(), nullptr));
    WritePackets();
    Check(av_write_trailer(format_.get()));
    Check(avio_closep(&format_->pb));
  }

 private:
  void Check(int result) const {
    if (result < 0) {
      ThrowUserError(where_, "cannot be written: {}", LibavError(result));
    }
  }

  void OpenContainer() {
    AVFormatContext* context = nullptr;
    Check(avformat_alloc_output_context2(&context, nullptr, spec_.container, nullptr));
    format_.reset(context);
    format_->flags |= AVFMT_FLAG_BITEXACT;  // no dates, random numbers or versions
    stream_ = avformat_new_stream(format_.get(), nullptr);
    if (stream_ == nullptr) {
      throw std::bad_alloc();
    }
  }

  void OpenCodec(AVRational rate) {
    const AVCodec* codec = avcodec_find_encoder_by_name(spec_.encoder);
    if (codec == nullptr) {
      ThrowUserError(where_, "needs a libav with the encoder {} but it has none", spec_.encoder);
    }
    codec_.reset(avcodec_alloc_context3(codec));
    if (!codec_) {
      throw std::bad_alloc();
    }
    codec_->width = spec_.width;
    codec_->height = spec_.height;
    codec_->pix_fmt = spec_.pixels;
    codec_->framerate = rate;
    codec_->time_base = av_inv_q(rate);
    codec_->thread_count = 1;  // libx264's bytes depend on the number of threads
    if ((format_->oformat->flags & AVFMT_GLOBALHEADER) != 0) {
      codec_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    stream_->time_base = codec_->time_base;
    stream_->avg_frame_rate = rate;
    AVDictionary* settings = nullptr;
    for (const auto& [key, value] : spec_.settings) {
      av_dict_set(&settings, key, value.c_str(), 0);
    }
    const int result = avcodec_open2(codec_.get(), codec, &settings);
    av_dict_free(&settings);
    Check(result);
  }

  void WritePackets() {
    const AvPacket packet = NewPacket();
    while (true) {
      const int result = avcodec_receive_packet(codec_.get(), packet.get());
      if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) {
        return;
      }
      Check(result);
      packet->stream_index = stream_->index;
      packet->duration = 1;
      av_packet_rescale_ts(packet.get(), codec_->time_base, stream_->time_base);
      Check(av_interleaved_write_frame(format_.get(), packet.get()));
    }
  }

  std::string where_;
  EncoderSpec spec_;
  FormatOutput format_;
  AVStream* stream_ = nullptr;  // of format_
  CodecContext codec_;
  PictureFiller filler_;
  int64_t next_pts_ = 0;
};

}  // namespace

void WriteVideoFile(const std::string& path,
                    const std::string& where,
                    const Video& video,
                    const VideoWriterOptions& options) {
  Encoder encoder(path, where, SpecOf(video, options), options.fps);
  for (const Frame& frame : video.frames) {
    encoder.Add(frame);
  }
  encoder.Finish();
}

}  // namespace teacache
