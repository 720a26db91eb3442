#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/base/json.h"
#include "metrics/pairs/pairing.h"
#include "metrics/vbench/dimensions.h"

namespace teacache {

// Which videos belong to which prompts, and which prompts to which dimensions.

// One entry of VBench_full_info.json: {"prompt_en": text, "dimension": [names],
// "auxiliary_info": {dimension: {...}}}; the last one only where a dimension needs it.
struct SuitePrompt {
  std::string prompt;
  std::vector<const VbenchDimension*> dimensions;  // in the table's order
  std::string auxiliary;                           // JSON of "auxiliary_info"; "" = none
};

struct Suite {
  std::vector<SuitePrompt> prompts;  // each text once: entries of the same text are joined
  std::vector<std::string> warnings;
};

// Reads such a file (the one of VBench, which TeaCache's is equal to). Two of its 946 prompts occur
// twice, each time with other dimensions: they share their videos, and a warning names them. Throws
// UserError naming the entry that is wrong.
Suite ReadSuite(const std::string& path);

// A video and what it is scored for.
struct SuiteVideo {
  std::string name;  // file name without extension
  std::string path;
  std::string prompt;
  std::vector<const VbenchDimension*> dimensions;  // asked for, and of the prompt
  std::string auxiliary;
};

// "auxiliary_info" of its prompt; an empty object where it is missing.
ParsedJson Auxiliary(const SuiteVideo& video);

struct SuitePairing {
  std::vector<SuiteVideo> videos;    // in the order of the prompts, then of the numbers
  std::vector<std::string> missing;  // names that a prompt should have a video of
  std::vector<std::string> extra;    // paths that belong to no prompt of the suite
};

// `{prompt}-{0 ... samples - 1}` of every prompt that has one of the `chosen` dimensions, among
// `videos` (see FindVideos); long prompts are shortened as VideoStem does. Videos of prompts
// without a chosen dimension are neither scored nor `extra`.
SuitePairing PairSuite(const Suite& suite,
                       const std::vector<NamedVideo>& videos,
                       const std::vector<const VbenchDimension*>& chosen,
                       int samples = 5);

// All of `videos` for all `chosen` dimensions. Prompts by file name from `prompts` ("x-0.mp4" or
// without extension), or, where that is empty, the file name without "-<number>". Throws UserError
// for a dimension that only VBench's own prompts have and for a video without a prompt.
SuitePairing PairCustom(const std::vector<NamedVideo>& videos,
                        const std::vector<const VbenchDimension*>& chosen,
                        const std::map<std::string, std::string>& prompts = {});

// {"file name": "prompt", ...}, as VBench's --prompt_file. Throws UserError.
std::map<std::string, std::string> ReadPromptFile(const std::string& path);

// "a cat-3" -> "a cat"; names without a number stay.
std::string PromptOfName(const std::string& name);

}  // namespace teacache
