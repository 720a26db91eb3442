#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace teacache {

// CLIP's byte-pair encoding (openai/CLIP simple_tokenizer.py): text in lower case with single
// spaces, split into words, numbers (one digit each) and runs of other signs; each piece as bytes,
// merged by the ranks of a merges file.
//
// Ids: the 256 bytes in CLIP's order, the same with "</w>" (end of a word), the merges in the
// order of the file, then <|startoftext|> and <|endoftext|>: 49408 with CLIP's own file.
//
// Left out of upstream's clean-up is ftfy's repair of broken encodings; letters and digits beyond
// ASCII are distinguished by the C library.
class ClipTokenizer {
 public:
  // `path`: bpe_simple_vocab_16e6.txt, unpacked: a first line that is skipped, then "left right"
  // per line, of which the first 48894 are used. Throws UserError.
  static ClipTokenizer Open(const std::string& path);
  // From the text of such a file; `where` starts the messages.
  ClipTokenizer(std::string_view merges, const std::string& where);

  // Without start and end.
  std::vector<int64_t> Encode(std::string_view text) const;
  // <|startoftext|>, the text, <|endoftext|>, then zeros up to `length`. What is too long is cut
  // with <|endoftext|> last when `truncate`, otherwise UserError, as clip.tokenize and ViCLIP do.
  std::vector<int64_t> Tokenize(std::string_view text, size_t length, bool truncate) const;

  int64_t start_token() const { return end_token() - 1; }
  int64_t end_token() const { return static_cast<int64_t>(ids_.size()) + 1; }

 private:
  // Adds the ids of one piece of text, which has no spaces.
  void EncodePiece(std::string_view piece, std::vector<int64_t>* ids) const;

  std::map<std::string, int64_t, std::less<>> ids_;
  std::map<std::pair<std::string, std::string>, int64_t> ranks_;
};

}  // namespace teacache
