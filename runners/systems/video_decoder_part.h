#pragma once

#include <memory>
#include <utility>

#include "runners/systems/checkpoint_system.h"
#include "runners/vae/video_decoder.h"

namespace teacache {

// A VideoDecoder as the decoder of a CheckpointSystem.
class VideoDecoderPart : public DecoderPart {
 public:
  VideoDecoderPart(std::unique_ptr<const VideoDecoder> decoder, int64_t num_frames, double fps)
      : decoder_(std::move(decoder)), num_frames_(num_frames), fps_(fps) {}

  Video Decode(const at::Tensor& latent) const override {
    return FramesToVideo(decoder_->Decode(latent, num_frames_), fps_, decoder_->rounding());
  }

 private:
  std::unique_ptr<const VideoDecoder> decoder_;
  int64_t num_frames_;
  double fps_;
};

}  // namespace teacache
