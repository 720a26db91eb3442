// What Open-Sora's prompts become, by the options that its pipeline has for them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "datasets/base/file_lock.h"
#include "runners/encode_prompts.h"
#include "runners/generate_videos.h"
#include "runners/record_diffs.h"
#include "runners/systems/system_list.h"
#include "runners/text/prompt_encoder.h"
#include "tests/support/open_sora_folder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OpenSoraText : public ::testing::Test {
 protected:
  OpenSoraText() {
    WriteOpenSoraFolder(folder_.path(), OwnGoldenCase("opensora_vae"), OwnGoldenCase("t5"));
    options_.weights = folder_.path().string();
  }
  std::unique_ptr<PromptEncoder> Encoder() const {
    return LoadPromptEncoder("open-sora", options_);
  }
  // What the encoder makes of "a cat" by these options is what it makes of `text` without any.
  void ExpectText(const std::string& text) const {
    const at::Tensor made = Encoder()->Encode("a cat").cond;
    SystemOptions plain = options_;
    plain.aesthetic_score = -1;
    plain.motion_score.reset();
    plain.camera_motion.clear();
    EXPECT_TRUE(TensorsEqual(made, LoadPromptEncoder("open-sora", plain)->Encode(text).cond))
        << text;
    EXPECT_EQ("a cat" + LoadSystem("open-sora", options_)->info().prompt_suffix, text);
  }

  TempDir folder_;
  SystemOptions options_;
};

// pipeline_open_sora.py of ali-vilab/TeaCache: generate()'s aes = 6.5, flow and camera_motion None.
TEST_F(OpenSoraText, TheDefaultIsThatOfTheExperiment) { ExpectText("a cat aesthetic score: 6.5."); }

TEST_F(OpenSoraText, ScoresAndCameraMotion) {
  options_.motion_score = 4.25;
  ExpectText("a cat aesthetic score: 6.5. motion score: 4.2.");  // to even, as Python rounds
  options_.camera_motion = "pan right";
  ExpectText("a cat aesthetic score: 6.5. motion score: 4.2. camera motion: pan right.");
  options_.aesthetic_score = 7;
  options_.motion_score.reset();
  ExpectText("a cat aesthetic score: 7.0. camera motion: pan right.");
  options_.aesthetic_score = -1;
  options_.camera_motion.clear();
  ExpectText("a cat");
  options_.aesthetic_score = NAN;
  EXPECT_THAT(ErrorOf([&] { Encoder(); }), HasSubstr("--aesthetic-score: must be a finite number"));
  options_.aesthetic_score = 0;
  options_.motion_score = INFINITY;
  EXPECT_THAT(ErrorOf([&] { Encoder(); }), HasSubstr("--motion-score: must be a finite number"));
}

TEST_F(OpenSoraText, ClipsAndPicturesAreRefused) {
  const auto system = LoadSystem("open-sora", options_);
  EXPECT_THAT(ErrorOf([&] { system->CheckPrompt("|0| a day |1| a night"); }),
              HasSubstr("one clip"));
  EncodeOptions encode;
  encode.model = "open-sora";
  encode.system = options_;
  encode.prompts = {"a cat", "a dog{\"reference_path\": \"dog.png\", \"mask_strategy\": \"0\"}"};
  encode.out = folder_ / "p.safetensors";
  EXPECT_THAT(ErrorOf([&] { EncodePrompts(encode); }),
              AllOf(HasSubstr("dog.png"), HasSubstr("reference pictures")));
  EXPECT_FALSE(std::filesystem::exists(encode.out));
}

// Each of two processes would write the file without the other's prompts.
TEST_F(OpenSoraText, AFileThatAnotherProcessAddsToIsRefused) {
  EncodeOptions encode;
  encode.model = "open-sora";
  encode.system = options_;
  encode.prompts = {"a cat"};
  encode.out = folder_ / "p.safetensors";
  {
    const FileInUse other(encode.out);
    EXPECT_THAT(ErrorOf([&] { EncodePrompts(encode); }),
                AllOf(HasSubstr("p.safetensors"), HasSubstr("another process holds it")));
  }
  EXPECT_EQ(EncodePrompts(encode).done, 1);
  EXPECT_FALSE(std::filesystem::exists(folder_ / ".p.safetensors.lock"));
}

// Embeddings belong to what was put behind the prompts.
TEST_F(OpenSoraText, AFileOfOtherScoresIsRefused) {
  EncodeOptions encode;
  encode.model = "open-sora";
  encode.system = options_;
  encode.prompts = {"a cat"};
  encode.out = folder_ / "p.safetensors";
  EncodePrompts(encode);
  options_.prompt_embeddings = encode.out;
  EXPECT_NO_THROW(LoadSystem("open-sora", options_)->CheckPrompt("a cat"));
  options_.motion_score = 3;
  EXPECT_THAT(
      ErrorOf([&] { LoadSystem("open-sora", options_); }),
      AllOf(HasSubstr("p.safetensors"), HasSubstr("motion score: 3.0."), HasSubstr("another one")));
}

// Videos of other sizes or texts do not belong into a folder that has been begun.
TEST_F(OpenSoraText, ARunFolderKeepsToItsSizeAndText) {
  options_.steps = 1;
  options_.width = options_.height = 16;
  options_.frames = 1;
  GenerateOptions run;
  run.prompts = {"a cat"};
  run.out = folder_ / "run";
  GenerateVideos(*LoadSystem("open-sora", options_), run);
  EXPECT_EQ(GenerateVideos(*LoadSystem("open-sora", options_), run).resumed, 1);
  const auto error_with = [&](const auto& change) {
    SystemOptions other = options_;
    change(&other);
    return ErrorOf([&] { GenerateVideos(*LoadSystem("open-sora", other), run); });
  };
  EXPECT_THAT(error_with([](SystemOptions* o) { o->frames = 17; }), HasSubstr("frames"));
  EXPECT_THAT(error_with([](SystemOptions* o) { o->width = 32; }), HasSubstr("width"));
  EXPECT_THAT(error_with([](SystemOptions* o) { o->motion_score = 2; }),
              HasSubstr("prompt_suffix"));
}

// A folder of weights like `from` with other values.
std::string WriteOtherWeights(const std::string& folder,
                              const nlohmann::json& config,
                              TensorMap weights) {
  for (auto& [name, tensor] : weights) tensor = tensor * 1.25;
  WriteComponent(folder, config, weights, "model.safetensors");
  return folder;
}

TEST_F(OpenSoraText, ARunFolderKeepsToItsDecoderAndTextEncoder) {
  const GoldenCase vae = OwnGoldenCase("opensora_vae");
  const GoldenCase t5 = OwnGoldenCase("t5");
  options_.steps = 1;
  options_.width = options_.height = 16;
  options_.frames = 1;
  GenerateOptions run;
  run.prompts = {"a cat"};
  run.out = folder_ / "run";
  GenerateVideos(*LoadSystem("open-sora", options_), run);
  const std::string before = ReadFile(folder_ / "run/run.json");
  const auto error_with = [&](const SystemOptions& other) {
    return ErrorOf([&] { GenerateVideos(*LoadSystem("open-sora", other), run); });
  };
  SystemOptions other = options_;
  other.vae =
      WriteOtherWeights(folder_ / "other-vae", TinyOpenSoraVaeConfig(vae), GoldenWeights(vae));
  EXPECT_THAT(error_with(other), AllOf(HasSubstr("timing.jsonl"), HasSubstr("decoder_sha256 was")));
  other = options_;
  other.text_encoder =
      WriteOtherWeights(folder_ / "other-t5", t5.json.at("config"), GoldenWeights(t5));
  other.tokenizer = folder_ / "t5-v1_1-xxl";
  EXPECT_THAT(error_with(other),
              AllOf(HasSubstr("timing.jsonl"), HasSubstr("text_encoder_sha256 was")));
  EXPECT_EQ(ReadFile(folder_ / "run/run.json"), before);
  // A trace depends on the text encoder, but not on the decoder.
  RecordOptions record;
  record.prompts = run.prompts;
  record.out = folder_ / "trace.jsonl";
  RecordDiffs(*LoadSystem("open-sora", options_), record);
  EXPECT_THAT(ErrorOf([&] { RecordDiffs(*LoadSystem("open-sora", other), record); }),
              HasSubstr("text_encoder_sha256"));
  other = options_;
  other.vae = folder_ / "other-vae";
  EXPECT_EQ(RecordDiffs(*LoadSystem("open-sora", other), record).resumed, 1);
}

}  // namespace
}  // namespace teacache
