// eval-metrics and vbench-score without LibTorch: it comes with libteacache_networks.so, when it is
// asked for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "datasets/video/video.h"
#include "tests/e2e/run_tool.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class NetworksModule : public ::testing::Test {
 protected:
  void SetUp() override {
    VideoWriterOptions writer;
    writer.codec = VideoWriterOptions::Codec::kFfv1;
    for (const auto& [side, seed] : {std::pair("gt", 1u), {"gen", 2u}}) {
      fs::create_directory(folder_ / side);
      WriteVideo(folder_ / (std::string(side) + "/a.mkv"), MakeTestVideo(48, 32, 2, seed), writer);
    }
    fs::create_directory(folder_ / "empty");
  }

  ProcessResult Eval(std::vector<std::string> more, const std::string& modules = "") const {
    more.insert(more.begin(),
                {"--gt", folder_ / "gt", "--gen", folder_ / "gen", "--out", folder_ / "r.json"});
    ProcessOptions options;
    if (!modules.empty()) options.environment["TEACACHE_MODULES"] = modules;
    return RunTool("eval-metrics", more, options);
  }

  TempDir folder_;
};

TEST_F(NetworksModule, ProgramsDoNotLinkLibTorch) {
  for (const char* program : {"eval-metrics", "vbench-score"}) {
    const ProcessResult result = RunProcess({"/usr/bin/ldd", BinDir() + "/" + program});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("libc.so")) << program;
    EXPECT_THAT(result.out, Not(HasSubstr("libtorch"))) << program;
    EXPECT_THAT(result.out, Not(HasSubstr("libc10"))) << program;
  }
}

TEST_F(NetworksModule, WithoutItEverythingElseIsComputed) {
  const ProcessResult result = Eval({}, folder_ / "empty");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("LPIPS was left out: not installed: "));
  EXPECT_THAT(result.err, HasSubstr("libteacache_networks.so does not exist"));
  const Json summary = Json::parse(ReadFile(folder_ / "r.json")).at("summary");
  EXPECT_TRUE(summary.contains("psnr"));
  EXPECT_TRUE(summary.contains("ssim"));
  EXPECT_FALSE(summary.contains("lpips"));
  ExpectMistake(Eval({"--metrics", "lpips"}, folder_ / "empty"),
                {"LPIPS: not installed: ", "libteacache_networks.so"});
  ExpectMistake(Eval({"--metrics", "psnr", "--device", "cuda"}, folder_ / "empty"),
                {"not installed"});
}

TEST_F(NetworksModule, ADamagedOneIsNamed) {
  AtomicWriteFile(folder_ / "empty/libteacache_networks.so", std::string_view("x"));
  ExpectMistake(Eval({"--metrics", "lpips"}, folder_ / "empty"),
                {"LPIPS: not installed: cannot be loaded: ", "libteacache_networks.so"});
}

// Found beside the program; what is wrong is then said by the code inside.
TEST_F(NetworksModule, IsFoundBesideThePrograms) {
  ExpectMistake(Eval({"--metrics", "lpips", "--weights", folder_ / "empty"}),
                {"LPIPS: needs ", "alexnet", folder_ / "empty"});
  ExpectMistake(Eval({"--metrics", "lpips", "--lpips-net", "resnet"}), {"--lpips-net", "resnet"});
  ExpectMistake(Eval({"--metrics", "psnr", "--device", "gpu"}), {"--device", "'gpu'"});
  ExpectMistake(Eval({"--metrics", "psnr,vmaf"}), {"--metrics", "vmaf"});
}

}  // namespace
}  // namespace teacache
