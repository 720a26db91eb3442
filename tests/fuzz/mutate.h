#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace teacache {

// Damages a file's bytes in the ways that files get damaged and attackers think of: flipped bits,
// overwritten, repeated, removed and swapped pieces, extreme numbers, cuts. Reproducible.
class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  // One to four mutations of `bytes`. `tokens` are pieces worth inserting into this format.
  std::string Mutate(std::string bytes, const std::vector<std::string>& tokens = {}) {
    for (size_t n = 1 + Below(4); n > 0; --n) {
      MutateOnce(&bytes, tokens);
    }
    return bytes;
  }

  // 0 ... bound - 1 (0 for 0).
  size_t Below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

 private:
  void MutateOnce(std::string* bytes, const std::vector<std::string>& tokens) {
    const size_t size = bytes->size(), at = Below(size + 1);
    const size_t length = std::min(size - at, Below(64));
    switch (Below(tokens.empty() ? 7 : 9)) {
      case 0:
        if (at < size) {
          (*bytes)[at] ^= static_cast<char>(1 << Below(8));
        }
        break;
      case 1:
        for (size_t i = at; i < at + length; ++i) {
          (*bytes)[i] = static_cast<char>(random_());
        }
        break;
      case 2:
        bytes->erase(at, length);
        break;
      case 3:
        bytes->insert(at, bytes->substr(Below(size + 1), length));
        break;
      case 4: {  // an extreme number
        constexpr uint8_t kBytes[] = {0x00, 0x7f, 0x80, 0xff};
        std::fill_n(bytes->begin() + static_cast<std::ptrdiff_t>(at),
                    std::min(size - at, size_t{1} << Below(4)),
                    static_cast<char>(kBytes[Below(4)]));
        break;
      }
      case 5:
        bytes->resize(at);
        break;
      case 6:
        if (at < size) {
          (*bytes)[at] = static_cast<char>((*bytes)[at] + (Below(2) == 0 ? 1 : -1));
        }
        break;
      default: {
        const std::string& token = tokens[Below(tokens.size())];
        if (Below(2) == 0) {
          bytes->insert(at, token);
        } else {
          bytes->replace(at, std::min(size - at, token.size()), token);
        }
      }
    }
  }

  std::mt19937 random_;
};

// `rounds` times TEACACHE_FUZZ_ROUNDS.
inline int FuzzRounds(int rounds) {
  const char* factor = std::getenv("TEACACHE_FUZZ_ROUNDS");
  return rounds * std::max(1, factor == nullptr ? 1 : std::atoi(factor));
}

}  // namespace teacache
