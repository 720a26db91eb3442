#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace teacache {

// T5's tokenizer: SentencePiece pieces, then the end-of-text token.
class T5Tokenizer {
 public:
  // `path`: a spiece.model, or a folder that holds one. Throws UserError for anything else.
  explicit T5Tokenizer(const std::string& path);
  ~T5Tokenizer();

  struct Tokens {
    std::vector<int64_t> ids;  // end-of-text included, padding not
    bool cut = false;          // whether the text was longer than allowed
  };
  // At most `max_tokens` (>= 1) ids: a longer text keeps its first max_tokens - 1 and the
  // end-of-text token. `text` is UTF-8.
  Tokens Encode(const std::string& text, int max_tokens) const;

  // The pieces and ids of SentencePiece alone.
  std::vector<std::string> Pieces(const std::string& text) const;
  std::vector<int64_t> PieceIds(const std::string& text) const;

  int64_t pad_id() const { return pad_id_; }
  int64_t eos_id() const { return eos_id_; }
  int64_t vocabulary() const { return vocabulary_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::unique_ptr<sentencepiece::SentencePieceProcessor> pieces_;
  int64_t pad_id_ = 0;
  int64_t eos_id_ = 1;
  int64_t vocabulary_ = 0;
};

}  // namespace teacache
