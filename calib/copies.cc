#include "calib/copies.h"

#include <fmt/format.h>

#include <bit>
#include <map>
#include <tuple>

namespace teacache {
namespace {

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash ^= value;
  hash *= 0xFF51AFD7ED558CCD;
  return hash ^ (hash >> 32);
}

std::string Shown(const RunName& run) {
  const std::string prompt = run.first.size() <= 40 ? run.first : run.first.substr(0, 37) + "...";
  return fmt::format("\"{}\" seed {}", prompt, run.second);
}

}  // namespace

void RowDigest::Add(std::string_view text) {
  Add(static_cast<double>(text.size()));
  for (const char c : text) Add(static_cast<double>(c));
}

void RowDigest::Add(double number) {
  const uint64_t bits = std::bit_cast<uint64_t>(number == 0 ? 0.0 : number);
  a = Mix(a, bits);
  b = Mix(b, bits + 0x165667B19E3779F9);
}

void RunDigests::Add(const std::string& prompt, int64_t seed, const RowDigest& digest, bool moves) {
  if (last_ == SIZE_MAX || runs_[last_].name.second != seed || runs_[last_].name.first != prompt) {
    const auto [it, inserted] = index_[prompt].try_emplace(seed, runs_.size());
    if (inserted) runs_.push_back({{prompt, seed}});
    last_ = it->second;
  }
  Run& run = runs_[last_];
  run.a += digest.a;
  run.b += digest.b;
  ++run.rows;
  run.moves = run.moves || moves;
}

CopiedRuns RunDigests::Copies() const {
  std::map<std::tuple<uint64_t, uint64_t, int64_t>, size_t> first;
  CopiedRuns copies;
  std::string example;
  for (size_t i = 0; i < runs_.size(); ++i) {
    const Run& run = runs_[i];
    if (!run.moves) continue;
    const auto [it, inserted] = first.try_emplace({run.a, run.b, run.rows}, i);
    if (inserted) continue;
    copies.runs.insert(run.name);
    if (example.empty()) {
      example = fmt::format("{} of {}", Shown(run.name), Shown(runs_[it->second].name));
    }
  }
  if (copies.runs.empty()) return copies;
  copies.text = fmt::format(
      "{} of {} runs are exact copies of another one (e.g. {}), as every rank of a tensor-parallel "
      "engine writes them, or a seed that is not used: each is counted once",
      copies.runs.size(),
      runs_.size(),
      example);
  return copies;
}

}  // namespace teacache
