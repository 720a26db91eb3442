#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/torch_pickle.h"
#include "tests/fuzz/mutate.h"
#include "tests/support/golden.h"

namespace teacache {
namespace {

const std::vector<std::string> kTokens = {"\x80\x02",
                                          "(",
                                          ")",
                                          "t",
                                          "\x85",
                                          "\x86",
                                          "\x87",
                                          "]",
                                          "}",
                                          "a",
                                          "e",
                                          "s",
                                          "u",
                                          "N",
                                          "R",
                                          "b",
                                          "Q",
                                          ".",
                                          "q\x01",
                                          "h\x01",
                                          "K\xff",
                                          "J\xff\xff\xff\x7f",
                                          "J\xff\xff\xff\xff",
                                          "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
                                          "ctorch._utils\n_rebuild_tensor_v2\n",
                                          "ccollections\nOrderedDict\n",
                                          "ctorch\nFloatStorage\n",
                                          "cos\nsystem\n",
                                          "PK\x01\x02",
                                          "PK\x05\x06",
                                          "PK\x06\x07",
                                          "\xff\xff\xff\xff"};

// What is read is consistent, and every byte can be touched.
void CheckReadable(const std::vector<TensorView>& views) {
  size_t sum = 0;
  for (const TensorView& view : views) {
    const int64_t n = std::accumulate(
        view.shape.begin(), view.shape.end(), int64_t{1}, std::multiplies<int64_t>());
    ASSERT_EQ(static_cast<uint64_t>(n * DTypeSize(view.dtype)), view.data.size());
    for (const std::byte byte : view.data) sum += static_cast<size_t>(byte);
  }
  ASSERT_LT(sum, size_t{1} << 40);
}

TEST(TorchPickleFuzz, DamagedFilesGiveTensorsOrUserError) {
  const char* rounds = std::getenv("TEACACHE_FUZZ_ROUNDS");
  const int count = 400 * (rounds == nullptr ? 1 : std::max(1, std::atoi(rounds)));
  int read = 0, refused = 0;
  for (const GoldenCase& golden : FindGoldenCases("torch_files")) {
    const auto folder = golden.folder / golden.json["folder"].get<std::string>();
    for (const auto& file : golden.json["files"]) {
      const std::string name = file["file"];
      const std::string good = ReadFile((folder / name).string());
      Mutator mutator(static_cast<uint32_t>(std::hash<std::string>()(name)));
      for (int i = 0; i < count; ++i) {
        const std::string bad = mutator.Mutate(good, kTokens);
        try {
          CheckReadable(ParseTorchFile(std::as_bytes(std::span(bad)), name));
          ++read;
        } catch (const UserError&) {
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace teacache
