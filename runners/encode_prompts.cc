#include "runners/encode_prompts.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "datasets/base/error.h"
#include "datasets/base/file_lock.h"
#include "datasets/base/files.h"
#include "datasets/prompts.h"
#include "runners/nn/out_of_memory.h"
#include "runners/systems/system_list.h"
#include "runners/text/prompt_encoder.h"
#include "runners/text/prompts_file.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kSaveInterval{5};

// A prompts file that grows.
class GrowingFile {
 public:
  GrowingFile(std::string path, const PromptEncoder& encoder)
      : path_(std::move(path)), info_{encoder.rule(), encoder.Digest()} {
    if (!fs::exists(path_)) return;
    const PromptsFile file = PromptsFile::Open(path_);
    if (file.info().rule != info_.rule || file.info().encoder != info_.encoder) {
      ThrowUserError(
          path_,
          "holds prompts of another model or text encoder; give another --out or --overwrite");
    }
    for (const std::string& prompt : file.prompts()) {
      Add(prompt, file.At(prompt));
      if (embeddings_.back().cond.scalar_type() != encoder.dtype()) {
        ThrowUserError(
            path_, "holds prompts in another --dtype; give that one, another --out or --overwrite");
      }
    }
    changed_ = false;
  }

  bool Has(const std::string& prompt) const {
    return std::find(prompts_.begin(), prompts_.end(), prompt) != prompts_.end();
  }

  void Add(const std::string& prompt, const PromptEmbedding& embedding) {
    prompts_.push_back(prompt);
    embeddings_.push_back(embedding);
    changed_ = true;
  }

  void SaveNowAndThen() {
    if (Clock::now() - saved_ >= kSaveInterval) Save();
  }

  void Save() {
    if (!changed_) return;
    WritePromptsFile(path_, prompts_, embeddings_, info_);
    saved_ = Clock::now();
    changed_ = false;
  }

  int size() const { return static_cast<int>(prompts_.size()); }

 private:
  std::string path_;
  PromptsFileInfo info_;
  std::vector<std::string> prompts_;
  std::vector<PromptEmbedding> embeddings_;
  Clock::time_point saved_ = Clock::now();
  bool changed_ = false;
};

}  // namespace

EncodeSummary EncodePrompts(const EncodeOptions& options) {
  CheckDistinct(options.prompts, "prompts");
  const fs::path folder = fs::path(options.out).parent_path();
  if (!folder.empty()) MakeFolders(folder.string());
  const FileInUse in_use(options.out);
  const std::unique_ptr<PromptEncoder> encoder = LoadPromptEncoder(options.model, options.system);
  for (const std::string& prompt : options.prompts) CheckPromptText(prompt, encoder->rule());
  GrowingFile file(options.out, *encoder);
  ProgressSink& progress = options.progress ? *options.progress : NoProgress();
  WorkOptions work;
  work.task = "encoding";
  work.unit = "prompts";
  work.progress = &progress;
  EncodeSummary summary;
  static_cast<WorkSummary&>(summary) = RunWork(
      options.prompts,
      work,
      [&](size_t i) { return file.Has(options.prompts[i]); },
      [&](size_t i) -> Commit {
        const std::string& prompt = options.prompts[i];
        if (encoder->IsCut(prompt)) progress.Warn(CutWarning(prompt, encoder->rule()));
        PromptEmbedding made = NamingPart("text encoder", [&] { return encoder->Encode(prompt); });
        return [&file, &prompt, made = std::move(made)] {
          file.Add(prompt, made);
          file.SaveNowAndThen();
        };
      });
  file.Save();
  summary.in_file = file.size();
  return summary;
}

}  // namespace teacache
