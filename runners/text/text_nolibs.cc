// Tokenizer and caption cleaning in a build without SentencePiece and ICU (TEACACHE_GPU_KIT).
#include "datasets/base/error.h"
#include "runners/text/cleaning/caption_cleaning.h"
#include "runners/text/t5_tokenizer.h"

namespace sentencepiece {
class SentencePieceProcessor {};
}  // namespace sentencepiece

namespace teacache {
namespace {

[[noreturn]] void NeedsTextLibraries(const std::string& where) {
  ThrowUserError(where,
                 "this build has no SentencePiece and no ICU; encode the prompts elsewhere "
                 "(encode-prompts) and give them with --prompt-embeddings");
}

}  // namespace

T5Tokenizer::T5Tokenizer(const std::string& path) { NeedsTextLibraries(path); }
T5Tokenizer::~T5Tokenizer() = default;

T5Tokenizer::Tokens T5Tokenizer::Encode(const std::string&, int) const {
  NeedsTextLibraries(path_);
}
std::vector<std::string> T5Tokenizer::Pieces(const std::string&) const {
  NeedsTextLibraries(path_);
}
std::vector<int64_t> T5Tokenizer::PieceIds(const std::string&) const { NeedsTextLibraries(path_); }

std::string CleanCaption(const std::string&) { NeedsTextLibraries("prompt"); }
std::string CleanCaptionOnce(const std::string&) { NeedsTextLibraries("prompt"); }

}  // namespace teacache
