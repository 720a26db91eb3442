#include "runners/systems/pixel_key.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "datasets/base/archive.h"

namespace teacache {
namespace {

SystemInfo Info() {
  return {.name = "fake",
          .description = "",
          .weights_digest = "w",
          .text_encoder_digest = "t",
          .decoder_digest = "d",
          .parameters = 0,
          .scheduler = "rflow",
          .dtype = "float32",
          .device = "cpu",
          .modulated = "input",
          .steps = 30,
          .calls = 30,
          .guidance = 7,
          .width = 64,
          .height = 32,
          .frames = 16,
          .fps = 0,
          .prompt_suffix = " aesthetic score: 6.5."};
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
  std::set<std::string> different = {ToJson(key, "key"), ToJson(MakePixelKey(Info(), 2), "key")};
  for (const Change& change : changes) {
    SystemInfo info = Info();
    change(&info);
    EXPECT_NE(MakePixelKey(info, 1), key);
    different.insert(ToJson(MakePixelKey(info, 1), "key"));
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
