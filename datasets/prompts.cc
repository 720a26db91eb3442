#include "datasets/prompts.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <sstream>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;
constexpr size_t kMaxStemBytes = 230;  // of 255, leaving room for "-seed" and an extension
constexpr int64_t kMaxSeeds = 100000;

std::string Trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// Without the mark that some editors put at the start of UTF-8 files.
std::string ReadText(const std::string& path) {
  std::string text = ReadFile(path, kMaxFileBytes);
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

std::vector<std::string> ReadLines(const std::string& path) {
  std::vector<std::string> prompts;
  std::istringstream lines(ReadText(path));
  std::map<std::string, int> seen;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string prompt = Trim(line);
    if (prompt.empty() || prompt.front() == '#') continue;
    // Every prompt ends in a JSON file.
    if (!IsUtf8(prompt)) ThrowUserError(path, "line {} must be UTF-8 text but is not", number);
    const auto [it, is_new] = seen.emplace(prompt, number);
    if (!is_new) {
      ThrowUserError(path,
                     "prompt \"{}\" must occur once but is on lines {} and {}",
                     prompt,
                     it->second,
                     number);
    }
    prompts.push_back(prompt);
  }
  return prompts;
}

// A list of strings, or VBench's list of objects, in which a prompt may be repeated.
PromptList ReadJsonList(const std::string& path) {
  const ParsedJson json(ReadText(path), path);
  PromptList result;
  std::set<std::string> seen;
  const bool vbench = json.root().size() > 0 && json.root().At(0).is_object();
  json.root().ForEachElement([&](const JsonNode& item) {
    std::string prompt = (vbench ? item.At("prompt_en") : item).String();
    (!vbench || seen.insert(prompt).second ? result.prompts : result.repeated)
        .push_back(std::move(prompt));
  });
  if (!vbench) CheckDistinct(result.prompts, path);
  return result;
}

int64_t ParseSeed(std::string_view text, const std::string& whole) {
  int64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size() || seed < 0) {
    ThrowUserError("--seeds", "must be like 0-4 or 0,2,7 but is '{}'", whole);
  }
  return seed;
}

}  // namespace

PromptList ReadPromptList(const std::string& path) {
  PromptList list = path.ends_with(".json") ? ReadJsonList(path) : PromptList{ReadLines(path), {}};
  if (list.prompts.empty()) ThrowUserError(path, "must hold at least one prompt");
  return list;
}

std::vector<std::string> ReadPrompts(const std::string& path) {
  return ReadPromptList(path).prompts;
}

void CheckDistinct(const std::vector<std::string>& prompts, const std::string& where) {
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto [it, is_new] = seen.emplace(prompts[i], i + 1);
    if (!is_new) {
      ThrowUserError(where,
                     "prompt \"{}\" must occur once but is number {} and {}",
                     prompts[i],
                     it->second,
                     i + 1);
    }
  }
}

std::vector<int64_t> ParseSeeds(const std::string& text) {
  std::vector<int64_t> seeds;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t dash = part.find('-');
    const int64_t first = ParseSeed(std::string_view(part).substr(0, dash), text);
    const int64_t last = dash == std::string::npos
                             ? first
                             : ParseSeed(std::string_view(part).substr(dash + 1), text);
    if (last < first || last - first >= kMaxSeeds) {
      ThrowUserError("--seeds", "range must rise and hold at most {} but is '{}'", kMaxSeeds, part);
    }
    for (int64_t seed = first; seed <= last; ++seed) {
      if (std::find(seeds.begin(), seeds.end(), seed) != seeds.end()) {
        ThrowUserError("--seeds", "seed {} must occur once in '{}'", seed, text);
      }
      seeds.push_back(seed);
    }
  }
  if (seeds.empty()) ThrowUserError("--seeds", "must be like 0-4 or 0,2,7 but is '{}'", text);
  return seeds;
}

std::string VideoStem(const std::string& prompt, int64_t seed) {
  const bool fits = prompt.size() <= kMaxStemBytes && prompt.find('/') == std::string::npos &&
                    prompt.find('\0') == std::string::npos && !prompt.starts_with('.');
  if (fits) return fmt::format("{}-{}", prompt, seed);
  std::string beginning = prompt.substr(0, kMaxStemBytes - 16);
  // Not in the middle of a UTF-8 character.
  while (!beginning.empty() && (static_cast<unsigned char>(beginning.back()) & 0xC0) == 0x80) {
    beginning.pop_back();
  }
  if (!beginning.empty() && static_cast<unsigned char>(beginning.back()) >= 0xC0) {
    beginning.pop_back();
  }
  for (char& c : beginning) {
    if (c == '/' || c == '\0') c = '_';
  }
  if (beginning.starts_with('.')) beginning.front() = '_';
  return fmt::format("{}~{}-{}", beginning, Sha256Hex(prompt).substr(0, 8), seed);
}

}  // namespace teacache
