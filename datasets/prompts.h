#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace teacache {

// The prompts of a file.
struct PromptList {
  std::vector<std::string> prompts;   // each once
  std::vector<std::string> repeated;  // those that VBench's list has twice
};

// Prompts of a file: one per line (.txt; blank lines and lines that begin with # are left out), a
// JSON list of strings (.json), or VBench's VBench_full_info.json (a JSON list of objects with
// "prompt_en"). Texts are UTF-8. Throws UserError for an empty file and for a prompt that occurs
// twice (its videos would overwrite each other), naming both places; only VBench's own list may
// repeat prompts: each is taken once.
PromptList ReadPromptList(const std::string& path);
// The prompts alone.
std::vector<std::string> ReadPrompts(const std::string& path);

// Throws UserError naming the first prompt that occurs twice; `where` names the list.
void CheckDistinct(const std::vector<std::string>& prompts, const std::string& where);

// "0-4", "3", "0,2,7-9" -> the numbers, in the order written. Throws UserError.
std::vector<int64_t> ParseSeeds(const std::string& text);

// The file name, without extension, of a prompt's video as TeaCache's scripts write it,
// "{prompt}-{seed}". A prompt that a file system cannot hold (too long, '/') is shortened and
// marked with a digest: "{beginning}~{8 hex digits}-{seed}".
std::string VideoStem(const std::string& prompt, int64_t seed);

}  // namespace teacache
