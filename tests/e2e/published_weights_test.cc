// Folders laid out as the systems of the paper are published, at full size and with every tensor of
// the reference's own modules (tests/published), but hollow: the programs check them and say what a
// run would take.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/programs.h"
#include "tests/support/golden.h"
#include "tests/support/published_model.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr int kEncoderShards = 4;

class PublishedWeights : public ::testing::Test {
 protected:
  void Write(const std::string& part,
             const std::string& model,
             const std::string& stem = "diffusion_pytorch_model",
             int shards = 1) const {
    WriteHollowModel(folder_.path() / part, PublishedModel::Read(model), stem, shards);
  }
  void WriteEncoder(const std::string& part, const std::string& tokenizer) const {
    Write(part, "t5_v1_1_xxl_encoder", "model", kEncoderShards);
    fs::create_directories(folder_.path() / tokenizer);
    fs::copy_file(OwnGoldenCase("t5").folder / "spiece.model",
                  folder_.path() / tokenizer / "spiece.model");
  }
  ProcessResult DryRun(const std::string& model) const {
    return RunTool("generate-videos",
                   {"--model",
                    model,
                    "--weights",
                    folder_.path(),
                    "--dtype",
                    "float16",
                    "--prompt",
                    "a cat",
                    "--dry-run",
                    "--out",
                    folder_ / "out"});
  }
  // The plan's rows: part, parameters, on disk, in memory.
  void ExpectPlan(const std::string& model,
                  const std::string& headline,
                  const std::vector<std::string>& rows) const {
    const ProcessResult plan = DryRun(model);
    EXPECT_EQ(plan.exit_code, 0) << plan.err;
    EXPECT_THAT(plan.out, HasSubstr(headline));
    for (const std::string& row : rows) EXPECT_THAT(plan.out, ContainsRegex(row));
  }

  TempDir folder_;
};

TEST_F(PublishedWeights, Latte) {
  Write("transformer", "latte_transformer");
  Write("vae_temporal_decoder", "svd_temporal_vae");
  Write("vae", "sd_vae");
  WriteEncoder("text_encoder", "tokenizer");
  ExpectPlan("latte",
             "512 x 512 pixels, 16 frames; 50 steps of ddim (50 calls), guidance 7.5",
             {"text encoder +4.76 G +19.6 GB", "transformer +1.06 G +4.23 GB +2.11 GB", "decoder"});
  // What was not downloaded is named.
  const fs::path second = folder_.path() / "text_encoder" / "model-00002-of-00004.safetensors";
  fs::rename(second, folder_.path() / "elsewhere");
  ExpectMistake(DryRun("latte"), {"model.safetensors.index.json", "lacks model-00002-of-00004"});
  fs::rename(folder_.path() / "elsewhere", second);
  // Another system's transformer is distinguished.
  fs::remove_all(folder_.path() / "transformer");
  Write("transformer", "open_sora_plan_transformer");
  ExpectMistake(DryRun("latte"), {"transformer/config.json", "use --model open-sora-plan"});
}

TEST_F(PublishedWeights, OpenSora) {
  Write("OpenSora-STDiT-v3", "open_sora_transformer", "model");
  Write("OpenSora-VAE-v1.2", "open_sora_vae", "model");
  WriteEncoder("t5-v1_1-xxl", "t5-v1_1-xxl");
  ExpectPlan("open-sora",
             "848 x 480 pixels, 51 frames; 30 steps of rflow (30 calls), guidance 7",
             {"text encoder +4.76 G +19.6 GB",
              "transformer +1.21 G +4.84 GB +2.42 GB",
              "decoder.*1.57 GB"});
}

TEST_F(PublishedWeights, OpenSoraPlan) {
  Write("65x512x512", "open_sora_plan_transformer");
  Write("vae", "open_sora_plan_vae");
  WriteEncoder("t5-v1_1-xxl", "t5-v1_1-xxl");
  ExpectPlan("open-sora-plan",
             "512 x 512 pixels, 65 frames; 150 steps of pndm (159 calls), guidance 7.5",
             {"text encoder +4.76 G +19.6 GB", "transformer +1.06 G +4.23 GB +2.11 GB", "decoder"});
}

}  // namespace
}  // namespace teacache
