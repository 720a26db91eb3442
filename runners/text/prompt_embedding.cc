#include "runners/text/prompt_embedding.h"

#include <ATen/Functions.h>

#include "datasets/base/error.h"

namespace teacache {

std::string WithSuffixes(const std::string& prompt, const TextRule& rule) {
  std::string text = prompt;
  for (const TextSuffix& suffix : rule.suffixes) {
    if (prompt.find(suffix.mark) == std::string::npos) text += suffix.text;
  }
  return text;
}

void CheckPromptText(const std::string& prompt, const TextRule& rule) {
  if (!rule.has_clip_syntax) return;
  if (prompt.starts_with("|0|")) {
    ThrowUserError(
        fmt::format("prompt \"{}\"", prompt),
        "must be the text of one clip: joined clips (|0| ... |1| ...) are not made here");
  }
  if (prompt.find('{') != std::string::npos) {
    ThrowUserError(
        fmt::format("prompt \"{}\"", prompt),
        "must be text without {{: reference pictures and mask strategies are not taken here");
  }
}

at::Tensor PadText(const at::Tensor& rows, int64_t max_tokens) {
  return at::constant_pad_nd(rows, {0, 0, 0, max_tokens - rows.size(0)});
}

at::Tensor TextMask(int64_t rows, int64_t max_tokens) {
  return at::arange(max_tokens, at::kLong).lt(rows).to(at::kLong);
}

}  // namespace teacache
