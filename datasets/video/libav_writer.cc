extern "C" {
#include <libavutil/cpu.h>
}

#include <utility>

#include "datasets/base/error.h"
#include "datasets/video/frame_converter.h"
#include "datasets/video/libav_handles.h"
#include "datasets/video/video_sources.h"

namespace teacache {
namespace {

constexpr int kMacroBlock = 16;  // imageio's macro_block_size

constexpr int kSmallSide = 16;

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
  std::vector<std::pair<const char*, std::string>> settings;
  if (options.codec == VideoWriterOptions::Codec::kH264) {
    settings.emplace_back("crf", std::to_string(options.crf));
    if ((av_get_cpu_flags() & AV_CPU_FLAG_AVX512) != 0) {
      // With AVX-512, libx264 164 reads memory that was never written and its bytes change from run
      // to run (seen with MALLOC_PERTURB_); its other code gives one answer on every processor.
      settings.emplace_back("x264-params", "asm=avx2");
    }
    return {"libx264",
            "mp4",
            AV_PIX_FMT_YUV420P,
            RoundUp(first.width),
            RoundUp(first.height),
            std::move(settings)};
  }
  settings = {{"level", "3"}, {"slicecrc", "1"}};
  if (first.width < kSmallSide || first.height < kSmallSide) {
    settings.emplace_back("slices", "1");  // FFV1 cannot divide these
  }
  return {"ffv1", "matroska", AV_PIX_FMT_BGR0, first.width, first.height, settings};
}

void FillBgr0(const Frame& frame, AVFrame* picture) {
  const uint8_t* from = frame.rgb.data();
  for (int y = 0; y < frame.height; ++y) {
    uint8_t* to = picture->data[0] + static_cast<ptrdiff_t>(y) * picture->linesize[0];
    for (int x = 0; x < frame.width; ++x, from += 3, to += 4) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
      to[3] = 0;
    }
  }
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
    if (spec_.pixels == AV_PIX_FMT_BGR0) {
      FillBgr0(frame, picture.get());
    } else {
      filler_.Fill(where_, frame, picture.get());
    }
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
