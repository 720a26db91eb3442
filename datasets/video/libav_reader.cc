extern "C" {
#include <libavutil/parseutils.h>
}

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "datasets/base/error.h"
#include "datasets/video/container_crop.h"
#include "datasets/video/eight_bits.h"
#include "datasets/video/frame_converter.h"
#include "datasets/video/frame_timing.h"
#include "datasets/video/libav_handles.h"
#include "datasets/video/picture_facts.h"
#include "datasets/video/video_limits.h"
#include "datasets/video/video_sources.h"

namespace teacache {
namespace {

constexpr double kFallbackRate = 25;  // ffmpeg's for streams that do not say

const int32_t* DisplayMatrix(const AVFrame& picture, const AVStream& stream) {
  if (const AVFrameSideData* side = av_frame_get_side_data(&picture, AV_FRAME_DATA_DISPLAYMATRIX)) {
    return reinterpret_cast<const int32_t*>(side->data);
  }
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
  const AVPacketSideData* side = av_packet_side_data_get(stream.codecpar->coded_side_data,
                                                         stream.codecpar->nb_coded_side_data,
                                                         AV_PKT_DATA_DISPLAYMATRIX);
  return side == nullptr ? nullptr : reinterpret_cast<const int32_t*>(side->data);
#else
  return reinterpret_cast<const int32_t*>(
      av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr));
#endif
}

// What the container asks to be cut off, where this libav gives it.
Crop ContainerCrop(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 19, 100)
  const AVPacketSideData* side = av_packet_side_data_get(stream.codecpar->coded_side_data,
                                                         stream.codecpar->nb_coded_side_data,
                                                         AV_PKT_DATA_FRAME_CROPPING);
  if (side != nullptr) return ReadCropSideData({side->data, side->size});
#else
  static_cast<void>(stream);
#endif
  return {};
}
constexpr bool kKnowsContainerCrop = LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 19, 100);

// Frames that were sent to the decoder and did not come out of it, by their times.
class LostFrames {
 public:
  void Sent(int64_t time) {
    if (!first_) {
      waiting_.push_back(time);
    } else if (time < *first_) {
      ++at_start_;
    }
    ++open_[time];
  }
  void CameOut(int64_t time) {
    if (!first_) {
      first_ = time;
      at_start_ = std::count_if(
          waiting_.begin(), waiting_.end(), [&](int64_t sent) { return sent < time; });
      waiting_.clear();
    }
    const auto found = open_.find(time);
    if (found != open_.end() && --found->second == 0) open_.erase(found);
  }
  // So far: frames that are shown before the first one that came out.
  int64_t at_start() const { return at_start_; }
  // At the end: all others.
  int64_t later() const {
    int64_t lost = 0;
    for (const auto& [time, count] : open_) lost += count;
    return lost - at_start_;
  }

 private:
  std::optional<int64_t> first_;
  std::vector<int64_t> waiting_;     // sent before the first one came out
  std::map<int64_t, int64_t> open_;  // time -> sent and not come out
  int64_t at_start_ = 0;
};

// Codecs whose packets each hold one picture that is shown. Others have hidden ones by design
// (VP8's and VP9's alternative references), or are too free with times.
bool ShowsEveryPacket(AVCodecID codec) {
  return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC;
}

// Codecs of which grey pictures without a range are of limited range, by their standards.
bool HasLimitedGrey(AVCodecID codec) {
  return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC || codec == AV_CODEC_ID_AV1;
}

// Are times equally far apart, up to the rounding to one tick?
class Distances {
 public:
  void Add(int64_t time) {
    if (before_) {
      least_ = std::min(least_, time - *before_);
      most_ = std::max(most_, time - *before_);
    }
    before_ = time;
  }
  bool differ() const { return most_ > least_ && most_ - least_ > 1; }

 private:
  std::optional<int64_t> before_;
  int64_t least_ = INT64_MAX, most_ = INT64_MIN;
};

// Music with a cover is no video.
bool IsVideoTrack(const AVStream& stream) {
  return stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
         (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
}

class LibavReader : public VideoReader {
 public:
  LibavReader(const std::string& path, const VideoReaderOptions& options) : path_(path) {
    QuietLibav();
    OpenFile();
    OpenDecoder(options.threads);
    if (options.decoder == VideoReaderOptions::Decoder::kImageio) {
      PrepareConstantRate();
    }
    first_ = Decode();
    if (!first_) {
      ThrowUserError(path_, "must have at least one frame but has none");
    }
    FillInfo();
  }

  const VideoInfo& info() const override { return info_; }

  std::optional<Frame> Next() override {
    if (rate_) {
      return NextOfConstantRate();
    }
    std::optional<Decoded> decoded = NextDecoded();
    if (!decoded) {
      FinishInfo(decoded_);
      return std::nullopt;
    }
    return std::move(decoded->frame);
  }

 private:
  struct Decoded {
    Frame frame;
    std::optional<double> time;  // in output frames
    double duration = 1;
  };

  bool IsMov() const { return IsFormat("mov,"); }

  void OpenFile() {
    TakeLoggedError();  // of other files on this thread
    AVFormatContext* context = nullptr;
    AVDictionary* settings = nullptr;
    av_dict_set(&settings, "protocol_whitelist", "file", 0);  // a playlist must not reach the net
    int result = avformat_open_input(&context, ("file:" + path_).c_str(), nullptr, &settings);
    av_dict_free(&settings);
    if (result < 0) {
      ThrowUserError(path_, "must be a video but cannot be opened: {}", LibavError(result));
    }
    format_.reset(context);
    result = avformat_find_stream_info(format_.get(), nullptr);
    if (result < 0) {
      ThrowUserError(path_, "streams cannot be found: {}", LibavError(result));
    }
    const int index = ChooseTrack();
    if (index < 0) {
      ThrowUserError(path_, "must have a video stream but has none (cover pictures aside)");
    }
    stream_ = format_->streams[index];
    for (unsigned i = 0; i < format_->nb_streams; ++i) {
      format_->streams[i]->discard =
          static_cast<int>(i) == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    info_.fps = FrameRate();
  }

  // As the ffmpeg program chooses: the largest picture, with a bonus of 5 million pixels for
  // default tracks and of 100 million for those with data; but never a cover picture. -1 = no
  // video.
  int ChooseTrack() {
    int best = -1, tracks = 0;
    int64_t best_score = 0;
    for (unsigned i = 0; i < format_->nb_streams; ++i) {
      const AVStream& stream = *format_->streams[i];
      if (!IsVideoTrack(stream)) continue;
      ++tracks;
      int64_t score = int64_t{stream.codecpar->width} * stream.codecpar->height;
      if ((stream.event_flags & AVSTREAM_EVENT_FLAG_NEW_PACKETS) != 0) score += 100000000;
      if ((stream.disposition & AV_DISPOSITION_DEFAULT) != 0) score += 5000000;
      if (score > best_score) {
        best_score = score;
        best = static_cast<int>(i);
      }
    }
    if (best >= 0 && tracks > 1) {
      const AVCodecParameters& chosen = *format_->streams[best]->codecpar;
      AddNote(fmt::format("has {} video tracks: only track {} of {}x{} is compared",
                          tracks,
                          best,
                          chosen.width,
                          chosen.height));
    }
    return best;
  }

  bool IsFormat(std::string_view name) const {
    return std::string_view(format_->iformat->name).starts_with(name);
  }

  // 0 where the file does not say: libav makes up 25 for streams without times.
  double FrameRate() const {
    const double average = Rate(stream_->avg_frame_rate);
    if ((format_->iformat->flags & AVFMT_NOTIMESTAMPS) != 0 && !HasOwnRate()) return 0;
    // AVI counts the gaps between frames as frames, too.
    if (IsFormat("avi") && stream_->nb_frames > 0 && average > 0) {
      const int frames = avformat_index_get_entries_count(stream_);
      if (frames > 0 && frames < stream_->nb_frames) {
        return average * frames / static_cast<double>(stream_->nb_frames);
      }
    }
    return average > 0 ? average : Rate(stream_->r_frame_rate);
  }

  // Does the coded stream itself have a frame rate?
  bool HasOwnRate() const {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    return Rate(stream_->codecpar->framerate) > 0;
#else
    return Rate(stream_->r_frame_rate) != kFallbackRate;
#endif
  }

  void AddNote(const std::string& note) {
    if (std::find(info_.notes.begin(), info_.notes.end(), note) == info_.notes.end()) {
      info_.notes.push_back(note);
    }
  }

  void OpenDecoder(int threads) {
    const AVCodec* codec = avcodec_find_decoder(stream_->codecpar->codec_id);
    if (codec == nullptr) {
      ThrowUserError(path_,
                     "codec {} must be one that this libav decodes but is not",
                     avcodec_get_name(stream_->codecpar->codec_id));
    }
    codec_.reset(avcodec_alloc_context3(codec));
    if (!codec_ || avcodec_parameters_to_context(codec_.get(), stream_->codecpar) < 0) {
      throw std::bad_alloc();
    }
    codec_->pkt_timebase = stream_->time_base;
    codec_->thread_count = threads;
    if (codec->id == AV_CODEC_ID_FFV1) {
      codec_->thread_type = FF_THREAD_SLICE;  // so that errors are logged on our thread
    }
    codec_->max_pixels = kMaxFramePixels;
    codec_->err_recognition |= AV_EF_CRCCHECK;
    codec_->flags |=
        AV_CODEC_FLAG_OUTPUT_CORRUPT;  // to be notified of them instead of getting a gap
    const int result = avcodec_open2(codec_.get(), codec, nullptr);
    if (result < 0) {
      ThrowUserError(path_, "decoder {} cannot start: {}", codec->name, LibavError(result));
    }
  }

  void PrepareConstantRate() {
    rate_.emplace(/*keep_start=*/format_->nb_streams == 1);
    const AVRational rate = av_guess_frame_rate(format_.get(), stream_, nullptr);
    output_rate_ = rate.num > 0 && rate.den > 0 ? rate : av_d2q(kFallbackRate, 1000);
  }

  void FillInfo() {
    info_.path = path_;
    DescribePicture(*stream_->codecpar, *picture_, &info_);
    info_.width = first_->frame.width;
    info_.height = first_->frame.height;
    info_.num_frames = DeclaredFrames();
    info_.variable_frame_rate = HasVariableRate();
    info_.converted_by_swscale = rate_.has_value();
    NoteContainer();
  }

  // In MP4 without those that an edit list hides.
  int64_t DeclaredFrames() const {
    if (stream_->nb_frames <= 0) return -1;
    if (!IsMov()) return stream_->nb_frames;
    const int entries = avformat_index_get_entries_count(stream_);
    int64_t shown = 0;
    for (int i = 0; i < entries; ++i) {
      shown += (avformat_index_get_entry(stream_, i)->flags & AVINDEX_DISCARD_FRAME) == 0 ? 1 : 0;
    }
    return entries > 0 ? shown : stream_->nb_frames;
  }

  void NoteContainer() {
    const AVDictionaryEntry* alpha = av_dict_get(stream_->metadata, "alpha_mode", nullptr, 0);
    if (alpha != nullptr && std::string_view(alpha->value) != "0") {
      AddNote("has an alpha channel (alpha_mode), which is not compared");
    }
    if (ContainerCrop(*stream_).any()) AddNote("is cropped as its container says");
    if (kKnowsContainerCrop) return;
    if (const std::optional<Crop> crop = FindContainerCrop(path_)) {
      AddNote(
          fmt::format("has a crop in its container that is not applied (left {}, right {}, top "
                      "{}, bottom {}; FFmpeg 7.1 applies it)",
                      crop->left,
                      crop->right,
                      crop->top,
                      crop->bottom));
    }
  }

  // What every decoded picture can add.
  void NotePicture(const Orientation& orientation) {
    if (!transparent_ && HasTransparentPixels(*picture_)) {
      transparent_ = true;
      AddNote("has transparent pixels (alpha is not compared)");
    }
    if ((codec_->properties & FF_CODEC_PROPERTY_FILM_GRAIN) != 0 ||
        av_frame_get_side_data(picture_.get(), AV_FRAME_DATA_FILM_GRAIN_PARAMS) != nullptr) {
      AddNote("carries film grain, which the decoder makes");
    }
    if (orientation.turn != Orientation::Turn::kNone || orientation.flip_horizontal ||
        orientation.flip_vertical) {
      AddNote("is turned as its display matrix says");
    }
    if (IsInterlaced(*picture_)) {
      interlaced_ = true;
      AddNote("is interlaced: both fields are compared as one picture");
    }
    const AVRational aspect = picture_->sample_aspect_ratio;
    if (aspect.num > 0 && aspect.den > 0 && aspect.num != aspect.den) {
      AddNote(fmt::format(
          "has pixels that are not square ({}:{}): compared as stored", aspect.num, aspect.den));
    }
    info_.lost_at_start = lost_.at_start();
  }

  static bool IsInterlaced(const AVFrame& picture) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return (picture.flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
    return picture.interlaced_frame != 0;
#endif
  }

  // After the last frame, once.
  void FinishInfo(int64_t frames) {
    if (std::exchange(complete_, true)) return;
    info_.num_frames = frames;
    info_.lost_at_start = lost_.at_start();
    if (info_.lost_at_start > 0) {
      AddNote(
          fmt::format("has {} frames at its start that could not be decoded", info_.lost_at_start));
    }
    const int64_t later = lost_.later();
    if (later > 0 && !interlaced_ && ShowsEveryPacket(codec_->codec_id)) {
      AddNote(fmt::format("has {} frames that the decoder did not give out", later));
    }
    if (hidden_ > 0) AddNote(fmt::format("has {} frames that an edit list hides", hidden_));
  }

  static double Rate(AVRational rate) { return rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0.0; }

  // MP4 lists every frame in its index.
  bool HasVariableRate() const {
    const int entries = IsMov() ? avformat_index_get_entries_count(stream_) : 0;
    Distances distances;
    for (int i = 0; i < entries; ++i) {
      distances.Add(avformat_index_get_entry(stream_, i)->timestamp);
    }
    return distances.differ();
  }

  std::string FrameName() const { return fmt::format("{}: frame {}", path_, decoded_); }

  // Gives the decoder the next packet of our stream, or the end.
  void SendPacket() {
    const AvPacket packet = NewPacket();
    int result = 0;
    do {
      av_packet_unref(packet.get());
      result = av_read_frame(format_.get(), packet.get());
    } while (result >= 0 && packet->stream_index != stream_->index);
    if (result == AVERROR_EOF && (format_->pb == nullptr || format_->pb->error >= 0)) {
      CheckComplete();
      avcodec_send_packet(codec_.get(), nullptr);
      return;
    }
    if (result < 0) {
      ThrowUserError(FrameName(), "cannot be read: {}", LibavError(result));
    }
    if ((packet->flags & AV_PKT_FLAG_CORRUPT) != 0) {
      ThrowUserError(FrameName(), "is damaged or cut off");
    }
    ++packets_;
    if ((packet->flags & AV_PKT_FLAG_DISCARD) != 0) {
      ++hidden_;
    } else if (packet->pts != AV_NOPTS_VALUE && packet->size > 0) {
      lost_.Sent(packet->pts);
    }
    if (packet->pts != AV_NOPTS_VALUE && packet->pts + packet->duration > end_) {
      end_ = packet->pts + packet->duration;
      last_has_duration_ = packet->duration > 0;
    }
    result = avcodec_send_packet(codec_.get(), packet.get());
    if (result < 0) {
      ThrowUserError(FrameName(), "is damaged: {}", LibavError(result));
    }
  }

  // Some containers end silently where the file was cut.
  void CheckComplete() const {
    const int entries = IsMov() ? avformat_index_get_entries_count(stream_) : 0;
    if (packets_ < entries) {
      ThrowUserError(
          path_, "must have {} frames as it declares but ends after {}", entries, packets_);
    }
    const double declared = DeclaredSeconds();
    if (declared <= 0 || info_.fps <= 0 || packets_ == 0) {
      return;
    }
    const double end = static_cast<double>(end_) * av_q2d(stream_->time_base) +
                       (last_has_duration_ ? 0 : 1 / info_.fps);
    if (end < declared - 0.5 / info_.fps) {
      ThrowUserError(path_,
                     "must last {:.3f} s as it declares but ends after {} frames, at {:.3f} s",
                     declared,
                     packets_,
                     end);
    }
  }

  // Where a Matroska file says that its video ends; 0 = it does not say.
  double DeclaredSeconds() const {
    if (!IsFormat("matroska")) {
      return 0;
    }
    const AVDictionaryEntry* tag = av_dict_get(stream_->metadata, "DURATION", nullptr, 0);
    int64_t microseconds = 0;
    if (tag != nullptr && av_parse_time(&microseconds, tag->value, /*timeval=*/1) >= 0) {
      return static_cast<double>(microseconds) * 1e-6;
    }
    return format_->nb_streams == 1 && format_->duration > 0
               ? static_cast<double>(format_->duration) / AV_TIME_BASE
               : 0;
  }

  // Fills picture_; false at the end.
  bool DecodePicture() {
    TakeLoggedError();  // of other files on this thread
    while (true) {
      const int result = avcodec_receive_frame(codec_.get(), picture_.get());
      if (result == AVERROR(EAGAIN)) {
        SendPacket();
        continue;
      }
      if (result == AVERROR_EOF) {
        return false;
      }
      if (result < 0) {
        ThrowUserError(FrameName(), "is damaged: {}", LibavError(result));
      }
      // FFV1 fills slices of a wrong checksum from the frame before and only logs it.
      const std::string logged = TakeLoggedError();
      const bool bad_checksum = codec_->codec_id == AV_CODEC_ID_FFV1 && !logged.empty();
      if ((picture_->flags & AV_FRAME_FLAG_CORRUPT) != 0 || picture_->decode_error_flags != 0 ||
          bad_checksum) {
        ThrowUserError(FrameName(), "is damaged{}", logged.empty() ? "" : " (" + logged + ")");
      }
      DropUnknownColors(picture_.get());
      return true;
    }
  }

  std::optional<Decoded> Decode() {
    if (!DecodePicture()) {
      return std::nullopt;
    }
    Decoded decoded;
    const bool limited_grey = HasLimitedGrey(codec_->codec_id);
    const AVFrame& picture = rate_ ? *picture_ : eight_bits_.Of(*picture_, limited_grey);
    const Orientation orientation = ReadOrientation(path_, DisplayMatrix(*picture_, *stream_));
    decoded.frame =
        CropFrame(path_, converter_.ToRgb(FrameName(), picture), ContainerCrop(*stream_));
    decoded.frame = Orient(std::move(decoded.frame), orientation);
    NotePicture(orientation);
    if (decoded_ > 0 &&
        (decoded.frame.width != info_.width || decoded.frame.height != info_.height)) {
      ThrowUserError(FrameName(),
                     "must be {}x{} as the first one but is {}x{}",
                     info_.width,
                     info_.height,
                     decoded.frame.width,
                     decoded.frame.height);
    }
    if (picture_->best_effort_timestamp != AV_NOPTS_VALUE) {
      distances_.Add(picture_->best_effort_timestamp);
      lost_.CameOut(picture_->best_effort_timestamp);
      info_.variable_frame_rate = info_.variable_frame_rate || distances_.differ();
    }
    if (rate_) {
      SetTime(&decoded);
    }
    ++decoded_;
    return decoded;
  }

  std::optional<Decoded> NextDecoded() {
    if (first_) {
      return std::exchange(first_, std::nullopt);
    }
    return Decode();
  }

  // Time stamps as ffmpeg hands them to its encoder: counted from the file's start, in output
  // frames, with some bits behind the point and a shade away from zero.
  void SetTime(Decoded* decoded) const {
    const AVRational tick = av_inv_q(output_rate_);
    int64_t stamp = picture_->best_effort_timestamp;
    if (stamp != AV_NOPTS_VALUE) {
      if (format_->start_time != AV_NOPTS_VALUE) {
        stamp -= av_rescale_q(format_->start_time, AV_TIME_BASE_Q, stream_->time_base);
      }
      AVRational fine = tick;
      const int bits = std::clamp(29 - static_cast<int>(std::log2(fine.den)), 0, 16);
      fine.den <<= bits;
      double time = static_cast<double>(av_rescale_q(stamp, stream_->time_base, fine));
      time /= static_cast<double>(1 << bits);
      time += (time > 0 ? 1 : time < 0 ? -1 : 0) / static_cast<double>(1 << 17);
      decoded->time = time;
    }
    const double ticks =
        static_cast<double>(DurationOf(*picture_)) * av_q2d(stream_->time_base) / av_q2d(tick);
    decoded->duration = std::max(1.0, static_cast<double>(std::lrint(static_cast<float>(ticks))));
  }

  std::optional<Frame> NextOfConstantRate() {
    while (true) {
      if (repeats_.previous > 0) {
        --repeats_.previous;
        ++given_;
        return last_ ? last_ : incoming_;
      }
      if (repeats_.current > 0) {
        --repeats_.current;
        ++given_;
        return incoming_;
      }
      if (incoming_) {
        last_ = std::exchange(incoming_, std::nullopt);
      }
      if (finished_) {
        FinishInfo(given_);
        return std::nullopt;
      }
      if (std::optional<Decoded> decoded = NextDecoded()) {
        repeats_ = decoded->time ? rate_->Next(*decoded->time, decoded->duration)
                                 : ConstantRate::Repeats{0, 1};
        incoming_ = std::move(decoded->frame);
      } else {
        finished_ = true;
        repeats_ = {rate_->Finish(), 0};
      }
    }
  }

  std::string path_;
  VideoInfo info_;
  FormatInput format_;
  AVStream* stream_ = nullptr;  // of format_
  CodecContext codec_;
  AvFrame picture_ = NewFrame();
  EightBits eight_bits_;
  FrameConverter converter_;
  LostFrames lost_;
  int64_t hidden_ = 0;  // frames that an edit list hides
  bool transparent_ = false;
  bool interlaced_ = false;
  bool complete_ = false;
  Distances distances_;  // of the frames decoded so far
  int64_t decoded_ = 0;  // frames
  int64_t packets_ = 0;
  int64_t end_ = 0;  // of the last packet, in the stream's time base
  bool last_has_duration_ = false;
  std::optional<Decoded> first_;  // decoded when opened, not yet given out

  // Only for a constant frame rate.
  std::optional<ConstantRate> rate_;
  AVRational output_rate_{0, 1};
  ConstantRate::Repeats repeats_;
  std::optional<Frame> last_, incoming_;
  bool finished_ = false;
  int64_t given_ = 0;  // frames
};

// The demuxer of ANSI art takes any text.
bool IsTextFormat(const AVInputFormat& format) {
  return std::string_view(format.name) == "tty" || std::string_view(format.name) == "bin";
}

}  // namespace

bool CouldBeVideo(const std::string& path) {
  QuietLibav();
  AVFormatContext* opened = nullptr;
  AVDictionary* settings = nullptr;
  av_dict_set(&settings, "protocol_whitelist", "file", 0);
  const int result = avformat_open_input(&opened, ("file:" + path).c_str(), nullptr, &settings);
  av_dict_free(&settings);
  if (result < 0) return false;
  const FormatInput format(opened);
  if (format->probe_score <= AVPROBE_SCORE_RETRY || IsTextFormat(*format->iformat) ||
      avformat_find_stream_info(format.get(), nullptr) < 0) {
    return false;
  }
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    const AVStream& stream = *format->streams[i];
    if (IsVideoTrack(stream) && stream.codecpar->width > 0) return true;
  }
  return false;
}

std::unique_ptr<VideoReader> OpenVideoFile(const std::string& path,
                                           const VideoReaderOptions& options) {
  if (options.threads < 0) {
    ThrowUserError(path, "decoder threads must be 0 or more but are {}", options.threads);
  }
  return std::make_unique<LibavReader>(path, options);
}

}  // namespace teacache
