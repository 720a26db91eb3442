#pragma once

// What the importers share: for calib/importers*.cc only.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calib/importers.h"

namespace teacache {

// A file that is being imported: its text, and the JSON in it once somebody asks.
class ImportSource {
 public:
  ImportSource(std::string_view text, std::string where, ImportOptions options);

  std::string_view text() const { return text_; }
  const std::string& where() const { return where_; }
  const ImportOptions& options() const { return options_; }
  // Whether the text begins as JSON does.
  bool looks_like_json() const { return looks_like_json_; }
  // Throws UserError with the position of what is no JSON.
  const nlohmann::json& Json() const;

 private:
  std::string_view text_;
  std::string where_;
  ImportOptions options_;
  bool looks_like_json_ = false;
  mutable std::optional<nlohmann::json> json_;
};

// A format that can be imported. A new one is a file in calib/importers and a line in the list of
// calib/importers.cc.
struct Importer {
  const char* name;  // as on the command line
  // Whether the file is of this format, asked in the order of the list.
  bool (*recognises)(const ImportSource& source);
  // One entry per expert, in order of name. Throws UserError.
  std::vector<ImportedRuns> (*read)(const ImportSource& source);
};

Importer SglangImporter();    // sglang.cc
Importer MlxImporter();       // mlx.cc
Importer DiffletImporter();   // difflet.cc
Importer VllmOmniImporter();  // vllm_omni.cc
Importer CsvImporter();       // csv.cc

// Throws UserError unless x and y are finite and >= 0.
void CheckPair(double x, double y, const std::string& where);

// By prompt, seed, branch, call; pairs of the same keep their order.
void SortPairs(PairSet* set);

// Throws UserError for a pair that is there twice; `set` must be sorted.
void RefuseDuplicates(const PairSet& set, const std::string& where);

// "prompt "a cat", seed 0, branch "cond", call 3".
std::string DescribePair(const PairSet& set, const Pair& pair);

// The index of a name in the list, at the end of which it is put if it is new.
int IndexOf(const std::string& name, std::vector<std::string>* names);

}  // namespace teacache
