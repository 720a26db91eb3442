#pragma once

// What the importers share.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "calib/importers/importers.h"
#include "datasets/base/json.h"

namespace teacache {

// A file that is being imported: its text, and the JSON in it, parsed on demand.
class ImportSource {
 public:
  ImportSource(std::string text, std::string where, ImportOptions options);
  ImportSource(const ImportSource&) = delete;
  ImportSource& operator=(const ImportSource&) = delete;

  std::string_view text() const { return text_; }
  const std::string& where() const { return where_; }
  const ImportOptions& options() const { return options_; }
  // Whether the text begins as JSON does.
  bool looks_like_json() const { return looks_like_json_; }
  // Throws UserError with the position of what is no JSON.
  JsonNode Json() const;

 private:
  std::string text_;
  std::string where_;
  ImportOptions options_;
  bool looks_like_json_ = false;
  mutable std::unique_ptr<JsonDocument> json_;
};

// A format that can be imported. A new one is a file in calib/importers and a line in the list of
// calib/importers/importers.cc.
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

// A list of one.
std::vector<ImportedRuns> OneExpert(ImportedRuns runs);

// Throws UserError unless x and y are finite and >= 0.
void CheckPair(double x, double y, const std::string& where);

// Lists of the same length, all >= 0, as pairs numbered from 1. Throws UserError.
std::vector<Pair> ReadPairLists(const JsonNode& xs, const JsonNode& ys);

// By prompt, seed, branch, call; pairs of the same keep their order.
void SortPairs(PairSet* set);

// The first pair that appears twice; null where all are different. `set` must be sorted.
const Pair* FindDuplicate(const PairSet& set);

// "prompt "a cat", seed 0, branch "cond", call 3".
std::string DescribePair(const PairSet& set, const Pair& pair);

// Names to their indices in a list, at the end of which new ones are put; quick for the usual case
// that neighbours have the same.
class NameIndex {
 public:
  // `names` are the list so far, all different.
  explicit NameIndex(const std::vector<std::string>& names = {});

  int Get(std::string_view name, std::vector<std::string>* names);

 private:
  std::unordered_map<std::string, int> index_;
  int last_ = -1;
};

}  // namespace teacache
