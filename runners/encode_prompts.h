#pragma once

#include <string>
#include <vector>

#include "datasets/base/progress.h"
#include "datasets/work/work_loop.h"
#include "runners/systems/system.h"

namespace teacache {

struct EncodeOptions {
  std::string model;
  SystemOptions system;  // weights, text_encoder, tokenizer, device, dtype
  std::vector<std::string> prompts;
  std::string out;  // prompts file (text/prompts_file.h)
  ProgressSink* progress = nullptr;
};

struct EncodeSummary : WorkSummary {
  int in_file = 0;  // prompts in the file now
};

// Adds the embeddings of `prompts` to a prompts file, which is created when it does not exist. The
// file is replaced as a whole, now and then and at the end or after an interruption, so that it is
// complete at any time; prompts that it holds are not encoded again. Throws UserError for a system
// without a text encoder and for a file of another system, encoder or number type.
EncodeSummary EncodePrompts(const EncodeOptions& options);

}  // namespace teacache
