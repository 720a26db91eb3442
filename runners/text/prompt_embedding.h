#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace teacache {

// A prompt as a transformer takes it: L rows of C numbers, one per text token. L is the number of
// the prompt's real tokens: what the text encoder gives for padding is cut off.
struct PromptEmbedding {
  at::Tensor cond;  // [L, C]
  // The negative prompt's rows for the same L; undefined where the transformer has its own.
  at::Tensor uncond;  // [L, C] or undefined
};

// Put behind a prompt that does not have `mark` in it already.
struct TextSuffix {
  std::string text;
  std::string mark;
  bool operator==(const TextSuffix&) const = default;
};

// How a system turns a prompt into tokens.
struct TextRule {
  int max_tokens = 120;              // end-of-text token included; longer prompts are cut
  bool has_negative = true;          // whether the negative prompt "" goes through the encoder too
  std::vector<TextSuffix> suffixes;  // in this order, before cleaning
  // Whether "|0|" in front and "{" ask for something else than text: several clips joined, pictures
  // to begin with. Such prompts are refused.
  bool has_clip_syntax = false;
  bool operator==(const TextRule&) const = default;
};

// The prompt with the rule's suffixes.
std::string WithSuffixes(const std::string& prompt, const TextRule& rule);

// Throws UserError for a prompt that asks for more than text.
void CheckPromptText(const std::string& prompt, const TextRule& rule);

// [L, C] -> [max_tokens, C] with zeros below, and its mask [max_tokens] int64, ones first: for
// transformers that take padded text and look at rows of mask 1 only.
at::Tensor PadText(const at::Tensor& rows, int64_t max_tokens);
at::Tensor TextMask(int64_t rows, int64_t max_tokens);

}  // namespace teacache
