#include "reports/sweep/model_flags.h"

#include <algorithm>
#include <set>

#include "datasets/base/error.h"

namespace teacache {
namespace {

// A flag and what follows it up to the next one.
struct Flag {
  std::string model;               // "" = of all
  std::string name;                // "--weights"; "" = words before the first flag
  std::vector<std::string> words;  // as typed, but without the model
};

Flag MakeFlag(const std::string& word, const std::vector<std::string>& models) {
  for (const std::string& model : models) {
    const std::string prefix = "--" + model + ".";
    if (!word.starts_with(prefix)) continue;
    const std::string plain = "--" + word.substr(prefix.size());
    return {model, plain.substr(0, plain.find('=')), {plain}};
  }
  return {"", word.substr(0, word.find('=')), {word}};
}

std::vector<Flag> Split(const std::vector<std::string>& models,
                        const std::vector<std::string>& arguments) {
  std::vector<Flag> flags = {{}};
  for (const std::string& word : arguments) {
    if (word.starts_with("--")) {
      flags.push_back(MakeFlag(word, models));
    } else {
      flags.back().words.push_back(word);
    }
  }
  return flags;
}

}  // namespace

std::vector<std::string> ArgumentsFor(const std::string& model,
                                      const std::vector<std::string>& models,
                                      const std::vector<std::string>& arguments) {
  const std::vector<Flag> flags = Split(models, arguments);
  std::set<std::string> own;
  for (const Flag& flag : flags) {
    if (!flag.model.empty() && flag.model == model) own.insert(flag.name);
  }
  std::vector<std::string> words;
  for (const Flag& flag : flags) {
    const bool holds = flag.model.empty() ? !own.contains(flag.name) : flag.model == model;
    if (holds) words.insert(words.end(), flag.words.begin(), flag.words.end());
  }
  return words;
}

void CheckModelFlags(const std::vector<std::string>& models,
                     const std::vector<std::string>& chosen,
                     const std::vector<std::string>& common,
                     const std::vector<std::string>& arguments) {
  for (const Flag& flag : Split(models, arguments)) {
    if (flag.model.empty()) continue;
    const std::string typed = "--" + flag.model + "." + flag.name.substr(2);
    if (std::ranges::find(chosen, flag.model) == chosen.end()) {
      ThrowUserError(typed, "is for a model that --model does not name");
    }
    if (std::ranges::find(common, flag.name) != common.end()) {
      ThrowUserError(typed, "must hold for all models: give {}", flag.name);
    }
  }
}

}  // namespace teacache
