#include "runners/systems/pixel_key.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace teacache {
namespace {

SystemInfo Info() {
  SystemInfo info;
  info.name = "fake";
  info.weights_digest = "w";
  info.text_encoder_digest = "t";
  info.decoder_digest = "d";
  info.scheduler = "rflow";
  info.dtype = "float32";
  info.device = "cpu";
  info.steps = info.calls = 30;
  info.guidance = 7;
  info.width = 64;
  info.height = 32;
  info.frames = 16;
  info.prompt_suffix = " aesthetic score: 6.5.";
  return info;
}

TEST(PixelKey, EveryFactThatDecidesMakesAnotherKey) {
  using Change = void (*)(SystemInfo*);
  const Change changes[] = {[](SystemInfo* i) { i->name = "other"; },
                            [](SystemInfo* i) { i->weights_digest = "w2"; },
                            [](SystemInfo* i) { i->text_encoder_digest = "t2"; },
                            [](SystemInfo* i) { i->decoder_digest = "d2"; },
                            [](SystemInfo* i) { i->scheduler = "ddim"; },
                            [](SystemInfo* i) { i->dtype = "bfloat16"; },
                            [](SystemInfo* i) { i->device = "cuda"; },
                            [](SystemInfo* i) { i->steps = 20; },
                            [](SystemInfo* i) { i->guidance = 1; },
                            [](SystemInfo* i) { i->width = 32; },
                            [](SystemInfo* i) { i->height = 64; },
                            [](SystemInfo* i) { i->frames = 17; },
                            [](SystemInfo* i) { i->prompt_suffix = ""; }};
  const PixelKey key = MakePixelKey(Info(), 1);
  EXPECT_EQ(MakePixelKey(Info(), 1), key);
  std::set<std::string> different = {ToJson(key).dump(), ToJson(MakePixelKey(Info(), 2)).dump()};
  for (const Change& change : changes) {
    SystemInfo info = Info();
    change(&info);
    EXPECT_NE(MakePixelKey(info, 1), key);
    different.insert(ToJson(MakePixelKey(info, 1)).dump());
  }
  EXPECT_EQ(different.size(), 2 + std::size(changes));
}

TEST(PixelKey, ATraceNamesWhatItWasRecordedWith) {
  const TraceHeader header = MakeTraceHeader(Info(), {"a cat"});
  EXPECT_EQ(header.model, "fake");
  EXPECT_EQ(header.weights_sha256, "w");
  EXPECT_EQ(header.text_encoder_sha256, "t");
  EXPECT_EQ(header.calls, 30);
  EXPECT_NE(header.prompts_digest, MakeTraceHeader(Info(), {"a dog"}).prompts_digest);
}

}  // namespace
}  // namespace teacache
