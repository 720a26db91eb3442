#include "runners/text/t5_tokenizer.h"

#include <sentencepiece_processor.h>

#include <exception>
#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "runners/text/spiece_check.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxModelBytes = uint64_t{64} << 20;
constexpr const char* kModelFile = "spiece.model";

std::string ModelPath(const std::string& path) {
  return fs::is_directory(path) ? (fs::path(path) / kModelFile).string() : path;
}

}  // namespace

T5Tokenizer::T5Tokenizer(const std::string& path)
    : path_(ModelPath(path)), pieces_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  const std::string bytes = ReadFile(path_, kMaxModelBytes);
  std::string problem = FindSpieceDamage(bytes);
  try {
    const auto status = pieces_->LoadFromSerializedProto(bytes);
    if (!status.ok()) problem = status.message();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (problem.empty() && pieces_->GetPieceSize() == 0) problem = "it has no pieces";
  if (problem.empty() && pieces_->eos_id() < 0) problem = "it has no end-of-text token";
  if (!problem.empty()) {
    ThrowUserError(path_, "must be a SentencePiece model but is damaged: {}", problem);
  }
  pad_id_ = std::max(pieces_->pad_id(), 0);
  eos_id_ = pieces_->eos_id();
  vocabulary_ = pieces_->GetPieceSize();
}

T5Tokenizer::~T5Tokenizer() = default;

std::vector<std::string> T5Tokenizer::Pieces(const std::string& text) const {
  std::vector<std::string> pieces;
  const auto status = pieces_->Encode(text, &pieces);
  if (!status.ok()) ThrowUserError(path_, "cannot encode a text: {}", status.message());
  return pieces;
}

std::vector<int64_t> T5Tokenizer::PieceIds(const std::string& text) const {
  std::vector<int> ids;
  const auto status = pieces_->Encode(text, &ids);
  if (!status.ok()) ThrowUserError(path_, "cannot encode a text: {}", status.message());
  return {ids.begin(), ids.end()};
}

T5Tokenizer::Tokens T5Tokenizer::Encode(const std::string& text, int max_tokens) const {
  Tokens tokens{PieceIds(text), false};
  tokens.cut = static_cast<int64_t>(tokens.ids.size()) + 1 > max_tokens;
  if (tokens.cut) tokens.ids.resize(max_tokens - 1);
  tokens.ids.push_back(eos_id_);
  return tokens;
}

}  // namespace teacache
