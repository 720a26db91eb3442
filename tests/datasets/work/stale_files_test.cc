#include "datasets/work/stale_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

TEST(RemoveStaleTemporaries, OldAndUnlockedOnesOnly) {
  const TempDir dir;
  const auto make = [&](const std::string& name, int minutes_old) {
    AtomicWriteFile(dir / name, "x");
    fs::last_write_time(dir / name,
                        fs::file_time_type::clock::now() - std::chrono::minutes(minutes_old));
    return dir / name;
  };
  // Named as UniqueTempPath does.
  const std::string old = UniqueTempPath(dir / "a");
  fs::rename(make("b", 120), old);
  const std::string old_folder = UniqueTempPath(dir / "c");
  MakeFolders(old_folder);
  AtomicWriteFile(old_folder + "/0000.png", "x");
  fs::last_write_time(old_folder, fs::file_time_type::clock::now() - std::chrono::hours(2));
  const std::string fresh = make(".teacache-0123456789abcdef.tmp", 10);
  const std::string locked = make(".teacache-00000000000000ff.tmp", 120);
  const std::string foreign = make(".teacache-mine.tmp", 120);
  const std::string other = make("results.json", 120);
  const int fd = open(locked.c_str(), O_RDONLY);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  RemoveStaleTemporaries(dir.path().string());
  close(fd);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_FALSE(fs::exists(old_folder));
  for (const std::string& path : {fresh, locked, foreign, other}) {
    EXPECT_TRUE(fs::exists(path)) << path;
  }
  RemoveStaleTemporaries(dir / "missing");
}

}  // namespace
}  // namespace teacache
