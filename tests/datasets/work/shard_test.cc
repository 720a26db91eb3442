#include "datasets/work/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "datasets/base/error.h"

namespace teacache {
namespace {

Shard From(const std::map<std::string, std::string>& variables) {
  return ShardFromEnvironment([&](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  });
}

TEST(ParseShard, Good) {
  const Shard shard = ParseShard("2/5");
  EXPECT_EQ(shard.index, 2);
  EXPECT_EQ(shard.count, 5);
  EXPECT_FALSE(shard.Contains(0));
  EXPECT_TRUE(shard.Contains(2));
  EXPECT_TRUE(shard.Contains(7));
  EXPECT_TRUE(ParseShard("0/1").Contains(123));
}

TEST(ParseShard, Bad) {
  for (const char* text : {"",
                           "1",
                           "1/1",
                           "/",
                           "1/",
                           "/2",
                           "-1/2",
                           "0/0",
                           "a/b",
                           "0/2/3",
                           " 0/2",
                           "0/2 ",
                           "0x0/2",
                           "+0/2",
                           "0/99999999999999",
                           "0/1000001"}) {
    EXPECT_THAT([&] { ParseShard(text); },
                testing::ThrowsMessage<UserError>(testing::HasSubstr("must be i/n")))
        << text;
  }
}

TEST(Shard, PartsCoverEveryItemOnce) {
  for (int item = 0; item < 20; ++item) {
    int owners = 0;
    for (int i = 0; i < 3; ++i) {
      owners += Shard{i, 3, ""}.Contains(item) ? 1 : 0;
    }
    EXPECT_EQ(owners, 1);
  }
}

TEST(ShardFromEnvironment, NothingSet) {
  const Shard shard = From({});
  EXPECT_EQ(shard.count, 1);
  EXPECT_TRUE(shard.source.empty());
  // A Slurm job that is no array, and a torchrun variable that is empty.
  EXPECT_EQ(From({{"SLURM_JOB_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).count, 1);
  EXPECT_EQ(From({{"RANK", ""}, {"WORLD_SIZE", "2"}}).count, 1);
}

TEST(ShardFromEnvironment, SlurmArray) {
  const Shard shard = From({{"SLURM_ARRAY_TASK_ID", "14"},
                            {"SLURM_ARRAY_TASK_COUNT", "4"},
                            {"SLURM_ARRAY_TASK_MIN", "10"},
                            {"SLURM_ARRAY_TASK_STEP", "2"}});
  EXPECT_EQ(shard.index, 2);
  EXPECT_EQ(shard.count, 4);
  EXPECT_EQ(shard.source, "SLURM_ARRAY_TASK_ID");
  // --array=1,3,9 has no formula for the index.
  EXPECT_THROW(From({{"SLURM_ARRAY_TASK_ID", "9"},
                     {"SLURM_ARRAY_TASK_COUNT", "3"},
                     {"SLURM_ARRAY_TASK_MIN", "1"}}),
               UserError);
}

TEST(ShardFromEnvironment, Ranks) {
  EXPECT_EQ(From({{"RANK", "3"}, {"WORLD_SIZE", "8"}}).index, 3);
  EXPECT_EQ(From({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}}).count, 2);
  EXPECT_EQ(From({{"PMI_RANK", "1"}, {"PMI_SIZE", "3"}}).count, 3);
  EXPECT_EQ(From({{"MV2_COMM_WORLD_RANK", "1"}, {"MV2_COMM_WORLD_SIZE", "4"}}).count, 4);
  EXPECT_THROW(From({{"RANK", "8"}, {"WORLD_SIZE", "8"}}), UserError);
  EXPECT_THROW(From({{"RANK", "x"}, {"WORLD_SIZE", "8"}}), UserError);
  EXPECT_THROW(From({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), UserError);
}

TEST(ShardFromEnvironment, RanksInsideAnArrayAreDistinct) {
  std::map<int, int> seen;
  for (int id = 0; id < 3; ++id) {
    for (int rank = 0; rank < 2; ++rank) {
      const Shard shard = From({{"SLURM_ARRAY_TASK_ID", std::to_string(id)},
                                {"SLURM_ARRAY_TASK_COUNT", "3"},
                                {"RANK", std::to_string(rank)},
                                {"WORLD_SIZE", "2"}});
      EXPECT_EQ(shard.count, 6);
      ++seen[shard.index];
    }
  }
  EXPECT_EQ(seen.size(), 6u);
}

TEST(ChooseShard, TheFlagWins) { EXPECT_EQ(ChooseShard("1/3").source, "--shard"); }

std::string ErrorOfParts(const std::vector<std::string>& parts) {
  try {
    CheckParts(parts, false);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(CheckParts, NamesWhatIsMissing) {
  EXPECT_EQ(ErrorOfParts({"1/3", "0/3", "2/3"}), "");
  EXPECT_EQ(ErrorOfParts({"", ""}), "");  // no parts
  EXPECT_THAT(ErrorOfParts({"0/4", "2/4"}),
              testing::AllOf(testing::StartsWith("--merge: must have all parts but lacks 1/4, 3/4"),
                             testing::HasSubstr("--allow-missing-parts")));
  EXPECT_EQ(CheckParts({"0/4", "2/4"}, true), "1/4, 3/4");
  EXPECT_EQ(CheckParts({"0/2", "1/2"}, true), "");
  EXPECT_THAT(CheckParts({"0/1000000"}, true), testing::EndsWith("20/1000000 and 999979 more"));
}

TEST(CheckParts, PartsFitTogether) {
  for (const bool allow_missing : {false, true}) {
    for (const std::vector<std::string>& parts : std::vector<std::vector<std::string>>{
             {"0/2", "0/2"}, {"0/2", "1/3"}, {"0/2", ""}, {"", "1/2"}, {"x"}, {"2/2"}}) {
      EXPECT_THROW(CheckParts(parts, allow_missing), UserError) << parts[0];
    }
  }
  EXPECT_EQ(PartOf({{"shard", "1/2"}}), "1/2");
  EXPECT_EQ(PartOf({}), "");
  EXPECT_THROW(PartOf({{kMissingParts, "1/2"}}), UserError);
}

}  // namespace
}  // namespace teacache
