#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "calib/importers/importers.h"
#include "calib/published_coefficients.h"
#include "datasets/base/error.h"
#include "datasets/coefficients.h"
#include "datasets/trace/trace.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

// Files of every kind, damaged at random with a fixed seed: a reader returns something or throws
// UserError, nothing else. Run under the address sanitizer, too.

std::string Damage(std::string text, std::mt19937* random) {
  static const std::string kPieces[] = {"NaN",
                                        "1e999",
                                        "-1",
                                        "null",
                                        "\"",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        ",",
                                        "\n",
                                        "9223372036854775808",
                                        "\xFF",
                                        std::string(1, '\0')};
  const int edits = 1 + (*random)() % 4;
  for (int i = 0; i < edits; ++i) {
    const size_t at = text.empty() ? 0 : (*random)() % text.size();
    switch ((*random)() % 5) {
      case 0:
        text.erase(at, 1 + (*random)() % 20);
        break;
      case 1:
        text.insert(at, kPieces[(*random)() % std::size(kPieces)]);
        break;
      case 2:
        if (!text.empty()) text[at] = static_cast<char>((*random)());
        break;
      case 3:
        text.resize(at);
        break;
      default:
        text.insert(at, text.substr((*random)() % (text.size() + 1), 1 + (*random)() % 40));
        break;
    }
  }
  return text;
}

template <typename Reader>
void Fuzz(const std::string& good, int rounds, const Reader& read) {
  std::mt19937 random(17);
  ASSERT_NO_THROW(read(good));
  int refused = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::string text = Damage(good, &random);
    try {
      read(text);
    } catch (const UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, rounds / 10);
}

TEST(Fuzz, Trace) {
  TempDir dir;
  Fuzz(
      R"({"format":"teacache-trace","version":1,"model":"m","steps":3,"calls":3}
{"prompt":"a","seed":0,"branch":"cond","call":0,"step":0,"timestep":999.5}
{"prompt":"a","seed":0,"branch":"cond","call":1,"step":1,"mod":{"diff_l1":1.5,"prev_l1":7,"n":9},"lookback":[null]}
{"prompt":"a","seed":0,"branch":"cond","call":2,"step":2,"mod":{"diff_l1":1.5,"prev_l1":7,"n":9},"ms_head":3}
)",
      800,
      [&](const std::string& text) {
        std::ofstream(dir / "t.jsonl", std::ios::binary) << text;
        ReadTrace(dir / "t.jsonl");
      });
}

TEST(Fuzz, Coefficients) {
  Fuzz(R"({"format": "teacache-coefficients", "version": 1, "coefficients": [1.5, -2, 3e-4],
  "x_range": [0.1, 0.5], "threshold": 0.2, "stats": {"r2": {"value": 0.5, "ci95": [0.4, 0.6]}},
  "experts": {"high": {"coefficients": [1]}}, "provenance": {"model": "m", "steps": 3, "traces": ["a"]}})",
       5000,
       [](const std::string& text) { ParseCoefficients(text, "f"); });
}

TEST(Fuzz, Imports) {
  const auto read = [](const std::string& text) { ImportPairsFromText(text, "f"); };
  Fuzz(R"({"high": {"0": [6, 0.0, 0.0], "1": [6, 0.5, 0.9]}, "low": {"4": [6, 0.1, 0.2]}})",
       5000,
       read);
  Fuzz(R"({"num_inference_steps": 3, "x_values": [1, 2, 3, 4], "y_values": [6, 5, 4, 3]})",
       5000,
       read);
  Fuzz(R"({"num_steps": 4, "trajectories": [{"prompt": "a", "seed": 3, "trajectory": [
    {"step": 1, "signal": 0.5, "delta": 0.6}, {"step": 2, "signal": 0.3, "delta": 0.4}]}]})",
       5000,
       read);
  Fuzz("[[0.1, 0.3], [0.2, 0.4]]", 5000, read);
  Fuzz("prompt,seed,branch,step,x,y\n\"a, b\",1,cond,2,0.5,0.6\nb,1,uncond,1,5e-1,+0.6\n",
       5000,
       read);
}

TEST(Fuzz, CoefficientLists) {
  Fuzz("[498.651651, -283.781631, 55.8554382, -3.82021401, 0.264230861]",
       5000,
       [](const std::string& text) { FindLikenesses(ResolveCoefficients(text).set.coefficients); });
}

}  // namespace
}  // namespace teacache
