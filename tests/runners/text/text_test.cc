// Text of the published systems beyond the golden cases: tags, references, broken text, damaged
// models, prompts files.

#include <ATen/Functions.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "runners/text/cleaning/caption_cleaning.h"
#include "runners/text/cleaning/html_text.h"
#include "runners/text/cleaning/mojibake.h"
#include "runners/text/cleaning/unicode_regex.h"
#include "runners/text/prompt_encoder.h"
#include "runners/text/prompts_file.h"
#include "runners/text/t5_encoder.h"
#include "runners/text/t5_tokenizer.h"
#include "tests/runners/models/golden_model.h"
#include "tests/support/checkpoint_folder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Html(const std::string& markup) { return ToUtf8(HtmlText(FromUtf8(markup))); }
std::string Repair(const std::string& text) { return ToUtf8(RepairText(FromUtf8(text))); }
std::string Unescape(const std::string& text) { return ToUtf8(HtmlUnescape(FromUtf8(text))); }

TEST(UnicodeRegex, ClassesArePythons) {
  EXPECT_TRUE(UnicodeRegex("^\\w+$").Search(u"été_٣½"));
  EXPECT_FALSE(UnicodeRegex("\\w").Search(u"\u0301\u200d"));  // a mark, a joiner
  EXPECT_TRUE(UnicodeRegex("^\\d$").Search(u"٣"));
  EXPECT_FALSE(UnicodeRegex("\\d").Search(u"½²"));
  EXPECT_TRUE(UnicodeRegex("^\\s{3}$").Search(u"\u00a0\u3000\u001c"));
  EXPECT_FALSE(UnicodeRegex("\\s").Search(u"\u200b"));
  EXPECT_EQ(UnicodeRegex("\\bé\\b").Replace(u"é éa", u"x"), u"x éa");
  EXPECT_TRUE(UnicodeRegex("a$").Search(u"a\n"));
  EXPECT_FALSE(UnicodeRegex("a$").Search(u"a\u2028"));
  EXPECT_EQ(UnicodeRegex("(a)(b)").Replace(u"ab", u"$2$1"), u"ba");
  EXPECT_EQ(UnicodeRegex("a").Count(u"banana"), 3);
}

// Answers of Python 3.11 with BeautifulSoup 4.15 and html.parser.
TEST(HtmlText, TagsAndBrokenMarkup) {
  EXPECT_EQ(Html("a<b>c</b>d<br>e<br/>f"), "acdef");
  EXPECT_EQ(Html("<script>x < 1 && </b></script>y<style>z"), "y");
  EXPECT_EQ(Html("<template>a<p>b</p></template>c<rt>d</rt>"), "c");
  EXPECT_EQ(Html("a <!-- b --> c <!doctype x> d <?php e ?> f"), "a  c  d  f");
  EXPECT_EQ(Html("<![CDATA[a]]>b"), "ab");
  EXPECT_EQ(Html("a < b <c"), "a < b <c");
  EXPECT_EQ(Html("</b>a</ >b</>c"), "abc");
  EXPECT_EQ(Html("a<p title='>'>b"), "ab");
  EXPECT_EQ(Html("  <b>  </b>\n<i> \n </i>"),
            " "
            " "
            "\n"
            "\n");
  EXPECT_EQ(Html("<pre>   </pre>"), "   ");
  EXPECT_EQ(Html("&eacute;&lt;&#233;&#xe9;&#150;&copy &nosuch; &"), "é<éé–© &nosuch &");
}

TEST(HtmlUnescape, NamesNumbersAndMistakes) {
  EXPECT_EQ(Unescape("&amp;&amp&notit;&notin;"), "&&¬it;∉");
  EXPECT_EQ(Unescape("&#38;&#x26;&#128;&#0;&#xd800;&#1;|"), "&&€\ufffd\ufffd|");
  EXPECT_EQ(Unescape("&#99999999999;&nosuch; & &"), "\ufffd&nosuch; & &");
  EXPECT_EQ(Unescape("&NotEqualTilde;"), "≂̸");
}

// Answers of ftfy 6.3.
TEST(RepairText, WrongCharacterSetsAndOddCharacters) {
  EXPECT_EQ(Repair("schÃ¶n, voilÃ  le cafÃ©"), "schön, voilà le café");
  EXPECT_EQ(Repair("â€œquotesâ€\u009d"), "\"quotes\"");
  EXPECT_EQ(Repair("ÃƒÂ©"), "é");  // twice
  EXPECT_EQ(Repair("ﬁne ﬂow ＬＯＵＤ ‘x’"), "fine flow LOUD 'x'");
  EXPECT_EQ(Repair("a\r\nb\rc\u2028d\u0007e\ufeff"), "a\nb\nc\nde");
  EXPECT_EQ(Repair("e\u0301"), "é");
  EXPECT_EQ(Repair("\x1b[36mcolor\x1b[0m"), "color");
  EXPECT_EQ(Repair("&eacute; &lt;"), "é <");
  EXPECT_EQ(Repair("<b> &lt;"), "<b> &lt;");
  // Text that is as it should be.
  for (const char* text : {"café à la crème",
                           "naïve façade – déjà vu…",
                           "größer",
                           "Привет",
                           "日本語",
                           "20°C ½ £5 €6",
                           "¿Qué?",
                           "«à»"}) {
    EXPECT_EQ(Repair(text), text);
  }
}

TEST(CleanCaption, BytesThatAreNoText) {
  EXPECT_EQ(CleanCaption("a \xff\xfe cat"), "a \ufffd\ufffd cat");
  EXPECT_EQ(CleanCaption(std::string("a\0b", 3)), "ab");
  const std::string long_text(5000, 'a');
  EXPECT_EQ(CleanCaption(long_text), long_text);
}

TEST(T5Tokenizer, DamagedModelsAreRefused) {
  const TempDir folder;
  const GoldenCase golden = FindGoldenCases("tokenizer").front();
  const std::string bytes =
      ReadFile((golden.folder / golden.json.at("file").get<std::string>()).string());
  const std::string path = folder / "spiece.model";
  const std::vector<std::string> damaged = {"",
                                            "not a model",
                                            std::string(100, '\0'),
                                            bytes.substr(0, bytes.size() / 2),
                                            bytes.substr(10)};
  for (const std::string& text : damaged) {
    AtomicWriteFile(path, text);
    EXPECT_THAT(ErrorOf([&] { T5Tokenizer(folder.path().string()); }),
                AllOf(HasSubstr("spiece.model"), HasSubstr("SentencePiece")));
  }
  EXPECT_THAT(ErrorOf([&] { T5Tokenizer(folder / "none"); }), HasSubstr("none"));
}

TEST(T5Config, OtherEncodersAreRefused) {
  EXPECT_THAT(ErrorOf([] {
                ParseT5Config({{"feed_forward_proj", "relu"}}, "config.json");
              }),
              AllOf(HasSubstr("T5 v1.1"), HasSubstr("'relu'")));
  EXPECT_THAT(ErrorOf([] {
                ParseT5Config({{"feed_forward_proj", "gated-gelu"}, {"d_model", 0}}, "config.json");
              }),
              HasSubstr("d_model"));
}

class PromptEncoderTest : public ::testing::Test {
 protected:
  PromptEncoderTest() : golden_(FindGoldenCases("t5").front()) {
    WriteTextEncoder(root_.path(), golden_);
  }
  PromptEncoder Make(at::ScalarType dtype, const TextRule& rule = {}) const {
    return PromptEncoder(root_ / "text_encoder", root_ / "tokenizer", rule, dtype, at::kCPU);
  }
  GoldenCase golden_;
  TempDir root_;
};

TEST_F(PromptEncoderTest, EitherNameOfTheEmbedding) {
  const PromptEmbedding expected = Make(at::kFloat).Encode("a cat");
  TensorMap weights = GoldenWeights(golden_);
  weights["encoder.embed_tokens.weight"] = weights["shared.weight"].clone();
  weights["lm_head.weight"] = at::zeros({3});
  weights["decoder.block.0.x"] = at::zeros({3});
  const std::string folder = root_ / "text_encoder";
  WriteComponent(folder, golden_.json.at("config"), weights, "model.safetensors");
  EXPECT_TRUE(TensorsEqual(Make(at::kFloat).Encode("a cat").cond, expected.cond));
  weights.erase("shared.weight");
  WriteComponent(folder, golden_.json.at("config"), weights, "model.safetensors");
  EXPECT_TRUE(TensorsEqual(Make(at::kFloat).Encode("a cat").cond, expected.cond));
  weights.erase("encoder.embed_tokens.weight");
  WriteComponent(folder, golden_.json.at("config"), weights, "model.safetensors");
  EXPECT_THAT(ErrorOf([&] { Make(at::kFloat); }), HasSubstr("missing: shared.weight"));
}

TEST_F(PromptEncoderTest, HalfPrecisionKeepsOneMatrixInFull) {
  const PromptEmbedding full = Make(at::kFloat).Encode("a cat walking");
  PromptEncoder half = Make(at::kHalf);
  const PromptEmbedding halved = half.Encode("a cat walking");
  EXPECT_EQ(halved.cond.scalar_type(), at::kHalf);
  EXPECT_TRUE(TensorsNearRel(halved.cond, full.cond, 0.01));
  const T5Config config = ParseT5Config(golden_.json.at("config"), "config");
  const int64_t wo = config.num_layers * config.d_ff * config.d_model;
  EXPECT_EQ(half.plan().memory_bytes, 2 * half.plan().parameters + 2 * wo);
  const PromptEmbedding brain = Make(at::kBFloat16).Encode("a cat walking");
  EXPECT_TRUE(TensorsNearRel(brain.cond, full.cond, 0.05));
}

TEST_F(PromptEncoderTest, SuffixCutAndNoNegative) {
  const PromptEncoder plain = Make(at::kFloat, {6, true, {}});
  EXPECT_FALSE(plain.IsCut("a cat"));
  EXPECT_TRUE(plain.IsCut("a cat and a dog and a horse"));
  PromptEncoder rule = Make(at::kFloat, {300, false, {{" and a dog", "dog"}}});
  const PromptEmbedding with_suffix = rule.Encode("a cat");
  EXPECT_FALSE(with_suffix.uncond.defined());
  EXPECT_TRUE(TensorsEqual(with_suffix.cond,
                           Make(at::kFloat, {300, false, {}}).Encode("a cat and a dog").cond));
  EXPECT_TRUE(TensorsEqual(rule.Encode("a dog").cond,
                           Make(at::kFloat, {300, false, {}}).Encode("a dog").cond))
      << "the mark is there already";
  rule.Release();  // and is loaded again
  EXPECT_TRUE(TensorsEqual(rule.Encode("a cat").cond, with_suffix.cond));
}

TEST(WithSuffixes, EachUnlessThePromptHasItsMark) {
  const TextRule rule = {300, false, {{" score: 6.5.", "score:"}, {" motion: pan.", "motion:"}}};
  EXPECT_EQ(WithSuffixes("a cat", rule), "a cat score: 6.5. motion: pan.");
  EXPECT_EQ(WithSuffixes("a cat, score: 4", rule), "a cat, score: 4 motion: pan.");
  EXPECT_EQ(WithSuffixes("motion: none, score: 4", rule), "motion: none, score: 4");
  EXPECT_EQ(WithSuffixes("a cat", {}), "a cat");
}

TEST(CheckPromptText, ClipsAndPicturesAreRefusedWhereTheyMeanSomething) {
  TextRule rule;
  const std::vector<std::string> prompts = {
      "|0| a day |1| a night", "a cat {\"reference_path\": \"a.png\"}", "a {cat}"};
  for (const std::string& prompt : prompts) EXPECT_NO_THROW(CheckPromptText(prompt, rule));
  rule.has_clip_syntax = true;
  EXPECT_THAT(ErrorOf([&] { CheckPromptText(prompts[0], rule); }),
              AllOf(HasSubstr(prompts[0]), HasSubstr("one clip")));
  for (const std::string& prompt : {prompts[1], prompts[2]}) {
    EXPECT_THAT(ErrorOf([&] { CheckPromptText(prompt, rule); }),
                AllOf(HasSubstr(prompt), HasSubstr("text without {: reference pictures")));
  }
  for (const char* text : {"a cat | a dog", "a} cat", "the |0| sign"}) {
    EXPECT_NO_THROW(CheckPromptText(text, rule));
  }
}

TEST_F(PromptEncoderTest, TokenizerOfAnotherModel) {
  nlohmann::json config = golden_.json.at("config");
  config["vocab_size"] = 100;
  WriteComponent(root_ / "text_encoder", config, GoldenWeights(golden_), "model.safetensors");
  EXPECT_THAT(ErrorOf([&] { Make(at::kFloat); }),
              AllOf(HasSubstr("spiece.model"), HasSubstr("vocabulary is 100")));
}

TEST(PaddedText, ZerosAndMask) {
  const at::Tensor rows = at::ones({2, 3});
  const at::Tensor padded = PadText(rows, 4);
  EXPECT_TRUE(TensorsEqual(padded.narrow(0, 0, 2), rows));
  EXPECT_TRUE(TensorsEqual(padded.narrow(0, 2, 2), at::zeros({2, 3})));
  EXPECT_TRUE(TensorsEqual(TextMask(2, 4), at::tensor({1, 1, 0, 0}, at::kLong)));
}

class PromptsFileTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const TextRule& rule, int64_t channels = 3) const {
    const PromptEmbedding first{at::randn({2, channels}), at::randn({2, channels})};
    const PromptEmbedding second{at::randn({4, channels}), at::randn({4, channels})};
    WritePromptsFile(folder_ / name, {"a cat", "ein Übel"}, {first, second}, {rule, "digest"});
    return folder_ / name;
  }
  TempDir folder_;
};

TEST_F(PromptsFileTest, WhatIsWrittenIsRead) {
  const PromptEmbedding embedding{at::randn({2, 3}).to(at::kHalf), at::randn({2, 3}).to(at::kHalf)};
  const TextRule rule = {120, true, {{" x", "x:"}, {" y", "y:"}}, true};
  WritePromptsFile(folder_ / "p.safetensors", {"a \"cat\""}, {embedding}, {rule, "digest"});
  const PromptsFile file = PromptsFile::Open(folder_ / "p.safetensors");
  EXPECT_EQ(file.info().rule, rule);
  EXPECT_EQ(file.info().encoder, "digest");
  EXPECT_EQ(file.channels(), 3);
  EXPECT_THAT(file.prompts(), ElementsAre("a \"cat\""));
  EXPECT_TRUE(TensorsEqual(file.At("a \"cat\"").cond, embedding.cond));
  EXPECT_TRUE(TensorsEqual(file.At("a \"cat\"").uncond, embedding.uncond));
  EXPECT_THAT(ErrorOf([&] { file.At("a dog"); }),
              AllOf(HasSubstr("p.safetensors"), HasSubstr("\"a dog\"")));
}

TEST_F(PromptsFileTest, FilesForOtherSystemsAreRefused) {
  const TextRule rule;
  const std::string path = Write("p.safetensors", rule);
  EXPECT_NO_THROW(MakePromptsFileSource(path, rule, 3));
  EXPECT_THAT(ErrorOf([&] {
                MakePromptsFileSource(path, {300, false, {{" y", "y"}}}, 3);
              }),
              AllOf(HasSubstr("another"), HasSubstr("300"), HasSubstr("120")));
  EXPECT_THAT(ErrorOf([&] { MakePromptsFileSource(path, rule, 4); }), HasSubstr("channels"));
  const auto source = MakePromptsFileSource(path, rule, 3);
  EXPECT_THAT(ErrorOf([&] { source->Check("a dog"); }), HasSubstr("a dog"));
  EXPECT_EQ(source->Get("a cat").cond.size(0), 2);
}

TEST_F(PromptsFileTest, WhatIsNoPromptsFile) {
  SaveTensors(folder_ / "t.safetensors", {{"0.cond", at::ones({2, 3})}});
  EXPECT_THAT(ErrorOf([&] { PromptsFile::Open(folder_ / "t.safetensors"); }),
              HasSubstr("prompts file"));
  const std::map<std::string, std::string> metadata = {
      {"format", "teacache-prompts"},
      {"version", "1"},
      {"rule", R"({"max_tokens": 3, "has_negative": true, "suffixes": []})"},
      {"prompts", R"(["a"])"}};
  const auto error_with = [&](const TensorMap& tensors) {
    SaveTensors(folder_ / "u.safetensors", tensors, metadata);
    return ErrorOf([&] { PromptsFile::Open(folder_ / "u.safetensors"); });
  };
  EXPECT_EQ(error_with({{"0.cond", at::ones({2, 3})}, {"0.uncond", at::ones({2, 3})}}), "no error");
  EXPECT_THAT(error_with({{"0.cond", at::ones({2, 3})}}), HasSubstr("0.uncond"));
  EXPECT_THAT(error_with({{"0.cond", at::ones({6})}, {"0.uncond", at::ones({6})}}),
              HasSubstr("[tokens, channels]"));
  EXPECT_THAT(error_with({{"0.cond", at::ones({2, 3})}, {"0.uncond", at::ones({1, 3})}}),
              HasSubstr("cond and uncond alike"));
  EXPECT_THAT(error_with({{"0.cond", at::ones({5, 3})}, {"0.uncond", at::ones({5, 3})}}),
              HasSubstr("at most 3 rows"));
}

}  // namespace
}  // namespace teacache
