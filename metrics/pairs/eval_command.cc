#include "metrics/pairs/eval_command.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/outputs.h"
#include "datasets/work/parts.h"
#include "datasets/work/stale_files.h"
#include "metrics/pairs/collect_results.h"
#include "metrics/pairs/pairing.h"
#include "metrics/pairs/per_frame_csv.h"
#include "metrics/pairs/results_text.h"
#include "metrics/pairs/teacache_line.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// "out/r.json", "fast" -> "out/r.fast.json"
std::string WithTag(const std::string& path, const std::string& tag) {
  if (tag.empty() || PlaceOf(path) == OutputPlace::kStream) return path;
  const fs::path p(path);
  return (p.parent_path() / (p.stem().string() + "." + tag + p.extension().string())).string();
}

// The last part of a path, also of one that ends with a slash.
fs::path LastPart(const std::string& path) {
  const fs::path p = fs::absolute(path).lexically_normal();
  return (p.has_filename() ? p : p.parent_path()).filename();
}

// A name per folder that differs from the others.
std::vector<std::string> Tags(const std::vector<std::string>& gens) {
  if (gens.size() == 1) return {""};
  std::vector<std::string> tags;
  std::set<std::string> used;
  for (size_t i = 0; i < gens.size(); ++i) {
    std::string tag = LastPart(gens[i]).stem().string();
    if (!used.insert(tag).second) tag += fmt::format("-{}", i + 1);
    used.insert(tag);
    tags.push_back(tag);
  }
  return tags;
}

void Compare(const Results& other, const PoolingOptions& pooling, Results* results) {
  std::map<std::string, const VideoScore*> by_name;
  for (const VideoScore& video : other.videos) by_name[video.name] = &video;
  for (const MetricInfo& metric : results->metrics) {
    if (results->summary.count(metric.name) == 0) continue;
    std::vector<double> a, b;
    for (const VideoScore& video : results->videos) {
      const auto partner = by_name.find(video.name);
      if (partner == by_name.end()) continue;
      const auto mine = video.scores.find(metric.name);
      const auto theirs = partner->second->scores.find(metric.name);
      if (mine == video.scores.end() || theirs == partner->second->scores.end()) continue;
      a.push_back(mine->second);
      b.push_back(theirs->second);
    }
    PoolingOptions options = pooling;
    options.higher_is_better = metric.higher_is_better;
    results->comparison[metric.name] = ComparePaired(a, b, options);
  }
}

// Names of the outputs of one method, "" = not written.
std::string OutPath(const EvalCommand& command, const std::string& tag) {
  return command.out.empty() ? "" : WithTag(command.out, tag);
}

std::string CsvPath(const EvalCommand& command, const std::string& tag) {
  if (!command.csv.empty()) return WithTag(command.csv, tag);
  // No table goes beside /dev/stdout.
  if (command.out.empty() || PlaceOf(command.out) == OutputPlace::kStream) return "";
  return fs::path(OutPath(command, tag)).replace_extension(".per_video.csv").string();
}

// The values of every frame, where they are kept.
std::string FramesPath(const EvalCommand& command, const std::string& tag) {
  const std::string csv = CsvPath(command, tag);
  if (csv.empty() || !command.evaluate.score.per_frame) return "";
  const fs::path stem = fs::path(csv).replace_extension();
  return (stem.extension() == ".per_video" ? fs::path(stem).replace_extension() : stem).string() +
         ".per_frame.csv";
}

std::string LinePath(const EvalCommand& command, size_t method) {
  if (command.line_folder.empty()) return "";
  const fs::path name = LastPart(command.evaluate.gens[method]).string() + ".txt";
  return (fs::path(command.line_folder) / name).string();
}

void AddVideos(const std::string& flag,
               const std::string& source,
               const EvaluateOptions& options,
               OutputCheck* check) {
  if (source.empty()) return;
  check->Reads(flag, source);
  check->ReadsFolder(flag, source, VideoFileEndings());
  try {
    for (const NamedVideo& video : FindVideos(source, options.recursive, options.items)) {
      check->Reads(flag, video.path);
    }
  } catch (const UserError&) {
    // Reported when the videos are paired.
  }
}

// Before long work, so that nothing is refused at its end. Makes the folders of the outputs.
OutputCheck CheckOutputs(const EvalCommand& command) {
  const EvaluateOptions& evaluate = command.evaluate;
  OutputCheck check;
  check.OwnedBy(command.owner);
  std::vector<std::string> tags = {""};
  if (command.merge.empty()) {
    AddVideos("--gt", evaluate.gt, evaluate, &check);
    for (const std::string& gen : evaluate.gens) {
      AddVideos("--gen", gen, evaluate, &check);
    }
    AddVideos("--baseline", command.baseline, evaluate, &check);
    AddVideos("--compare", command.compare, evaluate, &check);
    tags = Tags(evaluate.gens);
    for (size_t i = 0; i < evaluate.gens.size(); ++i) {
      check.WritesFile("--compat", LinePath(command, i));
    }
    check.GrowsFile("journal of --out", evaluate.journal);
  }
  for (const auto& [flag, path] : command.other_inputs) check.Reads(flag, path);
  for (const std::string& file : command.merge) {
    for (const std::string& part : FindParts(file)) check.Reads("--merge", part);
  }
  for (const std::string& tag : tags) {
    check.WritesFile("--out", OutPath(command, tag));
    check.WritesFile(command.csv.empty() ? "table of --out" : "--csv", CsvPath(command, tag));
    check.WritesFile("--per-frame", FramesPath(command, tag));
  }
  check.WritesFile("--json", command.json == "-" ? "" : command.json);
  check.Run();
  for (const std::string& file : {command.out, command.csv, command.json}) {
    const fs::path folder = fs::path(file).parent_path();
    if (!folder.empty()) MakeFolders(folder.string());
    if (!file.empty()) RemoveStaleTemporaries(folder.string());
  }
  check.Begin();
  return check;
}

void Write(const EvalCommand& command, const std::string& tag, const Results& results) {
  if (!command.out.empty()) WriteResults(OutPath(command, tag), results);
  const std::string csv = CsvPath(command, tag);
  if (!csv.empty()) WritePerVideoCsv(csv, results);
  const std::string frames = FramesPath(command, tag);
  if (!frames.empty()) AtomicWriteFile(frames, std::string_view(PerFrameCsv(results)));
}

// As TeaCache's eval.py leaves it: <folder of the generated videos>.txt with the line, without an
// end of line.
void WriteLine(const EvalCommand& command, size_t method, const Results& results) {
  const std::string path = LinePath(command, method);
  if (!path.empty()) AtomicWriteFile(path, std::string_view(TeaCacheLine(results)));
}

// Whether the script's line says n/a of a metric that was not left out on purpose (--metrics).
bool LineIsIncomplete(const EvalCommand& command, const Results& results) {
  if (!command.evaluate.teacache || command.evaluate.notes.empty()) return false;
  return std::ranges::any_of(std::array{"lpips", "psnr", "ssim"}, [&results](const char* metric) {
    return FindMetric(results.metrics, metric) == nullptr;
  });
}

int ExitCode(const EvalCommand& command, const Results& results) {
  const bool missing =
      !results.unmatched_gt.empty() || !results.unmatched_gen.empty() || !results.left_out.empty();
  const bool failed = results.NumErrors() > 0 || (missing && !command.allow_missing) ||
                      LineIsIncomplete(command, results);
  return ExitCodeOf(results.requirements, failed ? 1 : 0);
}

// Of several methods: a list.
std::string Json(const std::vector<Results>& methods) {
  if (methods.size() == 1) return ResultsToJson(methods[0]);
  std::string json;
  for (const Results& results : methods) {
    json += (json.empty() ? "[" : ",") + ResultsToJson(results);
  }
  return json + "]\n";
}

std::string Tables(const EvalCommand& command, const EvalOutcome& outcome) {
  std::string text;
  for (size_t i = 0; i < outcome.results.size(); ++i) {
    const Results& results = outcome.results[i];
    if (command.evaluate.teacache) {
      text += TeaCacheLine(results) + "\n";
      if (results.videos.size() > 16 && results.videos.size() % 16 != 0) {
        text += fmt::format(
            "warning: {} videos are no multiple of 16: this number depends on their "
            "order (--compat-order)\n",
            results.videos.size());
      }
      text += "\n";
    }
    if (outcome.results.size() > 1) text += "== " + command.evaluate.gens[i] + "\n";
    text += ResultsText(results);
    if (i + 1 < outcome.results.size()) text += "\n";
  }
  return text;
}

// What is printed; writes the file of --json.
std::string Print(const EvalCommand& command, const EvalOutcome& outcome) {
  if (command.json == "-") return Json(outcome.results);
  if (!command.json.empty()) AtomicWriteFile(command.json, Json(outcome.results));
  return Tables(command, outcome);
}

EvalOutcome RunMerge(const EvalCommand& command) {
  std::vector<Results> shards;
  for (const std::string& file : command.merge) {
    for (const std::string& part : FindParts(file)) shards.push_back(ReadResults(part));
  }
  EvalOutcome outcome;
  outcome.results.push_back(
      MergeResults(shards, command.evaluate.pooling, command.allow_missing_parts));
  outcome.results[0].requirements = CheckResults(outcome.results[0], command.requirements);
  Write(command, "", outcome.results[0]);
  outcome.exit_code = ExitCode(command, outcome.results[0]);
  outcome.breaches = BreachLines(outcome.results[0].requirements);
  outcome.text = Print(command, outcome);
  return outcome;
}

}  // namespace

EvalOutcome RunEvalCommand(const EvalCommand& whole) {
  EvalCommand command = whole;
  if (command.merge.empty()) {
    const Shard& shard = command.evaluate.shard;
    for (std::string* path : {&command.out, &command.csv, &command.evaluate.journal}) {
      *path = PartPath(*path, shard);
    }
    if (command.json != "-") command.json = PartPath(command.json, shard);
  }
  const OutputCheck check = CheckOutputs(command);
  if (!command.merge.empty()) {
    EvalOutcome merged = RunMerge(command);
    check.Finish();
    return merged;
  }
  EvaluateOptions options = command.evaluate;
  const size_t methods = options.gens.size();
  if (methods == 0) options.Validate();
  if (!command.baseline.empty()) options.gens.push_back(command.baseline);
  if (!command.compare.empty()) options.gens.push_back(command.compare);
  std::vector<Results> all = EvaluateFolders(options);

  EvalOutcome outcome;
  std::vector<int> exit_codes;
  size_t next = methods;
  const Results* baseline = command.baseline.empty() ? nullptr : &all[next++];
  const Results* compare = command.compare.empty() ? nullptr : &all[next];
  const std::vector<std::string> tags = Tags(command.evaluate.gens);
  for (size_t i = 0; i < methods; ++i) {
    Results& results = all[i];
    if (baseline != nullptr) {
      results.baseline = baseline->summary;
      results.context["baseline"] = command.baseline;
      if (baseline->NumErrors() > 0) {
        results.warnings.push_back(
            fmt::format("{} videos of the baseline were not scored", baseline->NumErrors()));
      }
    }
    if (compare != nullptr) {
      results.context["compare"] = command.compare;
      Compare(*compare, options.pooling, &results);
      if (compare->NumErrors() > 0) {
        results.warnings.push_back(
            fmt::format("{} videos of {} were not scored", compare->NumErrors(), command.compare));
      }
    }
    if (options.shard.count == 1) {
      results.requirements = CheckResults(results, command.requirements, tags[i]);
    }
    if (options.teacache && !options.score.per_frame) {
      // TeaCacheLine below needs the values of all frames; the files do not.
      Results slim = results;
      for (VideoScore& video : slim.videos) video.per_frame.clear();
      Write(command, tags[i], slim);
    } else {
      Write(command, tags[i], results);
    }
    if (options.teacache) WriteLine(command, i, results);
    exit_codes.push_back(ExitCode(command, results));
    outcome.breaches += BreachLines(results.requirements);
    outcome.results.push_back(std::move(results));
  }
  outcome.text = Print(command, outcome);
  check.Finish();
  // Incomplete work is worse than a requirement that is not met.
  const bool incomplete = std::ranges::find(exit_codes, 1) != exit_codes.end();
  outcome.exit_code = incomplete ? 1 : std::ranges::max(exit_codes);
  if (command.json == "-") {
    NotePart(options.shard, options.progress);
  } else {
    outcome.text += LastLine(options.shard);
  }
  if (!options.journal.empty() && outcome.exit_code != 1) fs::remove(options.journal);
  return outcome;
}

}  // namespace teacache
