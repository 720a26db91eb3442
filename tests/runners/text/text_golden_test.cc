// Text against the reference: caption cleaning, token ids, the T5 encoder, and the embeddings of
// the pipelines (golden kinds "caption_cleaning", "tokenizer", "t5").

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "runners/text/cleaning/caption_cleaning.h"
#include "runners/text/prompt_encoder.h"
#include "runners/text/t5_encoder.h"
#include "runners/text/t5_tokenizer.h"
#include "tests/runners/models/golden_model.h"
#include "tests/support/checkpoint_folder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

TEST(CaptionCleaning, MatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("caption_cleaning")) {
    SCOPED_TRACE(golden.file.string());
    for (const auto& sample : golden.json.at("cases")) {
      const std::string text = sample.at("in");
      EXPECT_EQ(CleanCaption(text), sample.at("out").get<std::string>()) << text;
      if (!sample.contains("once")) continue;
      EXPECT_EQ(CleanCaptionOnce(text), sample.at("once").get<std::string>()) << text;
    }
  }
}

TEST(Tokenizer, MatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("tokenizer")) {
    SCOPED_TRACE(golden.file.string());
    const T5Tokenizer tokenizer((golden.folder / golden.json.at("file")).string());
    EXPECT_EQ(tokenizer.pad_id(), golden.json.at("pad_id"));
    EXPECT_EQ(tokenizer.eos_id(), golden.json.at("eos_id"));
    EXPECT_EQ(tokenizer.vocabulary(), golden.json.at("sp_vocab_size"));
    for (const auto& sample : golden.json.at("cases")) {
      const std::string text = sample.at("text");
      SCOPED_TRACE(text);
      EXPECT_EQ(tokenizer.Pieces(text), sample.at("sp_pieces").get<std::vector<std::string>>());
      EXPECT_EQ(tokenizer.PieceIds(text), sample.at("sp_ids").get<std::vector<int64_t>>());
      const T5Tokenizer::Tokens tokens = tokenizer.Encode(text, 120);
      EXPECT_EQ(tokens.ids, sample.at("ids_max120").get<std::vector<int64_t>>());
      EXPECT_EQ(tokens.cut, sample.at("truncated").get<bool>());
      EXPECT_EQ(tokenizer.Encode(text, 10000).ids,
                sample.at("ids_untruncated").get<std::vector<int64_t>>());
    }
  }
}

T5Encoder LoadEncoder(const GoldenCase& golden) {
  CheckpointParameters source(GoldenWeights(golden), golden.name);
  AdaptT5Source(&source);
  T5Encoder encoder(&source, ParseT5Config(golden.json.at("config"), golden.name));
  source.Finish();
  return encoder;
}

TEST(T5Encoder, MatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("t5")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const double tolerance = golden.json.at("tolerance").at("max_rel_of_absmax");
    const T5Encoder encoder = LoadEncoder(golden);
    const std::vector<at::Tensor> trace =
        encoder.Trace(tensors.In("input_ids"), tensors.In("attention_mask"));
    for (size_t i = 0; i + 1 < trace.size(); ++i) {
      EXPECT_TRUE(TensorsNearRel(trace[i], tensors.Out(fmt::format("block.{}", i)), tolerance));
    }
    EXPECT_TRUE(TensorsNearRel(trace.back(), tensors.Out("last_hidden_state"), tolerance));
    for (const std::string name : {"long", "empty"}) {
      const at::Tensor output =
          encoder(tensors.In(name + "_input_ids"), tensors.In(name + "_attention_mask"));
      EXPECT_TRUE(TensorsNearRel(output, tensors.Out(name + "_last_hidden_state"), tolerance));
    }
  }
}

TEST(T5Encoder, RelativePositionsMatchReference) {
  for (const GoldenCase& golden : FindGoldenCases("t5")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const T5Encoder encoder = LoadEncoder(golden);
    const at::Tensor expected = tensors.Out("relative_buckets");
    const int64_t n = (expected.numel() + 1) / 2;
    EXPECT_TRUE(TensorsEqual(T5RelativeBuckets(at::arange(1 - n, n),
                                               encoder.config().relative_attention_num_buckets,
                                               encoder.config().relative_attention_max_distance),
                             expected));
    const at::Tensor bias = encoder.PositionBias(n)[0];
    EXPECT_TRUE(TensorsEqual(bias.select(1, 0), tensors.Out("position_bias_first_query")));
    EXPECT_TRUE(TensorsEqual(bias.select(1, n - 1), tensors.Out("position_bias_last_query")));
  }
}

TEST(PromptEncoder, MatchesPipelines) {
  for (const GoldenCase& golden : FindGoldenCases("t5")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const double tolerance = golden.json.at("tolerance").at("max_rel_of_absmax");
    const TempDir root;
    WriteTextEncoder(root.path(), golden);
    for (const auto& [pipeline, max_tokens] : {std::pair{"latte", 120}, std::pair{"osp", 300}}) {
      TextRule rule;
      rule.max_tokens = max_tokens;
      PromptEncoder encoder(root / "text_encoder", root / "tokenizer", rule, at::kFloat, at::kCPU);
      int index = 0;
      for (const auto& sample : golden.json.at("encode_prompt")) {
        const std::string prompt = sample.at("prompt");
        const std::string name = fmt::format("encode_prompt.{}.{}.", pipeline, index++);
        SCOPED_TRACE(name);
        EXPECT_EQ(CleanCaption(prompt), sample.at("cleaned").get<std::string>());
        const PromptEmbedding embedding = encoder.Encode(prompt);
        EXPECT_EQ(embedding.cond.size(0), sample.at("kept_tokens").at(pipeline));
        EXPECT_TRUE(TensorsNearRel(
            embedding.cond.unsqueeze(0), tensors.Out(name + "prompt_embeds"), tolerance));
        EXPECT_TRUE(TensorsNearRel(embedding.uncond.unsqueeze(0),
                                   tensors.Out(name + "negative_prompt_embeds"),
                                   tolerance));
      }
    }
  }
}

}  // namespace
}  // namespace teacache
