#include <gtest/gtest.h>

#include <functional>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/torch_pickle.h"
#include "tests/fuzz/check_tensors.h"
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

TEST(TorchPickleFuzz, DamagedFilesGiveTensorsOrUserError) {
  const int count = FuzzRounds(400);
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
          CheckTensors(ParseTorchFile(std::as_bytes(std::span(bad)), name));
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
