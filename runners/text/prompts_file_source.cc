#include "datasets/base/error.h"
#include "runners/text/prompt_source.h"
#include "runners/text/prompts_file.h"

namespace teacache {
namespace {

class PromptsFileSource : public PromptSource {
 public:
  explicit PromptsFileSource(PromptsFile file) : file_(std::move(file)) {}

  void Check(const std::string& prompt) const override { file_.At(prompt); }
  void Prepare(const std::vector<std::string>& prompts, ProgressSink* /*progress*/) override {
    for (const std::string& prompt : prompts) Check(prompt);
  }
  bool Ready(const std::string& prompt) const override { return file_.Has(prompt); }
  PromptEmbedding Get(const std::string& prompt) override { return file_.At(prompt); }
  void Release() override {}
  std::vector<PartPlan> Plan() const override {
    return {{"prompt embeddings", file_.path(), 0, 0, 0}};
  }
  std::string EncoderDigest() const override { return file_.info().encoder; }

 private:
  PromptsFile file_;
};

}  // namespace

std::unique_ptr<PromptSource> MakePromptsFileSource(const std::string& path,
                                                    const TextRule& rule,
                                                    int64_t channels) {
  PromptsFile file = PromptsFile::Open(path);
  if (file.info().rule != rule) {
    ThrowUserError(path,
                   "must be made for this system ({} tokens, suffix \"{}\") but is for another one "
                   "({} tokens, suffix \"{}\")",
                   rule.max_tokens,
                   WithSuffixes("", rule),
                   file.info().rule.max_tokens,
                   WithSuffixes("", file.info().rule));
  }
  if (!file.prompts().empty() && file.channels() != channels) {
    ThrowUserError(path, "embeddings must have {} channels but have {}", channels, file.channels());
  }
  return std::make_unique<PromptsFileSource>(std::move(file));
}

}  // namespace teacache
