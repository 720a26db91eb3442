// Video files, with both decoders: frames of one size or UserError. libav itself is not
// instrumented.
#include <stdexcept>

#include "datasets/base/error.h"
#include "datasets/video/video.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

namespace teacache {
namespace {

constexpr int kMaxFrames = 20;  // a damaged time stamp may ask for very many

void Read(const std::string& path, VideoReaderOptions::Decoder decoder) {
  try {
    const auto reader = OpenVideo(path, {decoder, 1});
    for (int i = 0; i < kMaxFrames; ++i) {
      const std::optional<Frame> frame = reader->Next();
      if (!frame) return;
      if (frame->width != reader->info().width ||
          frame->rgb.size() !=
              size_t{3} * static_cast<size_t>(frame->width) * static_cast<size_t>(frame->height)) {
        throw std::logic_error("size of a frame");
      }
    }
  } catch (const UserError&) {
  }
}

}  // namespace
}  // namespace teacache

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const teacache::FuzzFolder folder;
  const std::string path = folder.Write("fuzz.mkv", data, size);
  teacache::Read(path, teacache::VideoReaderOptions::Decoder::kNative);
  teacache::Read(path, teacache::VideoReaderOptions::Decoder::kImageio);
  return 0;
}
