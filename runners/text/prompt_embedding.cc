#include "runners/text/prompt_embedding.h"

#include <ATen/Functions.h>

namespace teacache {

at::Tensor PadText(const at::Tensor& rows, int64_t max_tokens) {
  return at::constant_pad_nd(rows, {0, 0, 0, max_tokens - rows.size(0)});
}

at::Tensor TextMask(int64_t rows, int64_t max_tokens) {
  return at::arange(max_tokens, at::kLong).lt(rows).to(at::kLong);
}

}  // namespace teacache
