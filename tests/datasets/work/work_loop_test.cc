#include "datasets/work/work_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/journal.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Names(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back("item " + std::to_string(i));
  return names;
}

// Uneven work, so that later items are finished before earlier ones.
int Slowly(size_t i) {
  std::this_thread::sleep_for(std::chrono::microseconds(i % 3 == 0 ? 3000 : 100));
  return static_cast<int>(i * i);
}

WorkOptions Jobs(int jobs) {
  WorkOptions options;
  options.jobs = jobs;
  return options;
}

class Reports : public ProgressSink {
 public:
  void Report(const Progress& progress) override { reports.push_back(progress); }
  void Warn(std::string_view message) override { warnings.emplace_back(message); }
  std::vector<Progress> reports;
  std::vector<std::string> warnings;
};

TEST(WorkLoop, CommitsInOrderWhateverTheJobs) {
  for (const int jobs : {1, 2, 5}) {
    std::vector<size_t> order;
    std::vector<int> results;
    const WorkSummary summary = RunWork(Names(40), Jobs(jobs), {}, [&](size_t i) {
      return [&, i, result = Slowly(i)] {
        order.push_back(i);
        results.push_back(result);
      };
    });
    EXPECT_EQ(summary.total, 40);
    EXPECT_EQ(summary.done, 40);
    EXPECT_TRUE(summary.complete());
    ASSERT_EQ(order.size(), 40u) << jobs;
    for (size_t i = 0; i < order.size(); ++i) {
      EXPECT_EQ(order[i], i);
      EXPECT_EQ(results[i], static_cast<int>(i * i));
    }
  }
}

// What is finished waits for no slow item then.
TEST(WorkLoop, CommitsAtOnceWhereOrderDoesNotMatter) {
  WorkOptions options = Jobs(2);
  options.in_order = false;
  std::mutex mutex;
  std::set<size_t> committed;
  RunWork(Names(8), options, {}, [&](size_t i) {
    while (i == 0) {
      const std::lock_guard lock(mutex);
      if (committed.size() == 7) break;
    }
    return [&, i] {
      const std::lock_guard lock(mutex);
      committed.insert(i);
    };
  });
  EXPECT_EQ(committed.size(), 8u);
}

TEST(WorkLoop, SeveralItemsAreInWorkAtOnce) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<std::thread::id> started;
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  WorkOptions options = Jobs(3);
  options.start_thread = [&] {
    const std::lock_guard lock(mutex);
    started.insert(std::this_thread::get_id());
  };
  RunWork(Names(12), options, {}, [&](size_t) {
    const int now = ++inside;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      EXPECT_TRUE(started.contains(std::this_thread::get_id()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    --inside;
    return Commit();
  });
  EXPECT_EQ(most, 3);
  EXPECT_EQ(threads.size(), 3u);
}

TEST(WorkLoop, NothingAndFewerItemsThanJobs) {
  int calls = 0;
  const auto work = [&](size_t) { return [&] { ++calls; }; };
  EXPECT_TRUE(RunWork({}, Jobs(4), {}, work).complete());
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(RunWork(Names(2), Jobs(4), {}, work).done, 2);
  EXPECT_EQ(calls, 2);
}

TEST(WorkLoop, AFailingItemDoesNotEndTheRun) {
  for (const int jobs : {1, 3}) {
    Reports reports;
    WorkOptions options = Jobs(jobs);
    options.progress = &reports;
    std::vector<size_t> committed;
    const WorkSummary summary = RunWork(Names(20), options, {}, [&](size_t i) -> Commit {
      if (i == 10) throw std::runtime_error("work broke");
      if (i == 11) throw std::bad_alloc();
      return [&, i] {
        if (i == 4) throw std::runtime_error("disk full");
        committed.push_back(i);
      };
    });
    EXPECT_EQ(summary.done, 17);
    EXPECT_EQ(committed.size(), 17u);
    EXPECT_FALSE(summary.interrupted);
    EXPECT_FALSE(summary.complete());
    ASSERT_EQ(summary.failed.size(), 3u);
    EXPECT_EQ(summary.failed[0].index, 4u);
    EXPECT_EQ(summary.failed[0].name, "item 4");
    EXPECT_EQ(summary.failed[0].error, "disk full");
    EXPECT_EQ(summary.failed[1].error, "work broke");
    EXPECT_EQ(summary.failed[2].index, 11u);
    EXPECT_EQ(reports.warnings.size(), 3u);
    EXPECT_EQ(reports.reports.back().done, 20);
    EXPECT_THAT(SummaryText(summary, "items"), HasSubstr("failed: item 10: work broke\n"));
  }
}

TEST(WorkLoop, StopsAtAFailureWhereAskedTo) {
  WorkOptions options = Jobs(1);
  options.stop_at_failure = true;
  int begun = 0;
  const WorkSummary summary = RunWork(Names(20), options, {}, [&](size_t i) -> Commit {
    ++begun;
    if (i == 3) throw std::runtime_error("broke");
    return {};
  });
  EXPECT_EQ(begun, 4);
  EXPECT_EQ(summary.done, 3);
}

TEST(WorkLoop, FinishedItemsAndOtherShardsAreLeftOut) {
  Reports reports;
  WorkOptions options = Jobs(2);
  options.shard = {1, 3, "--shard"};  // 1, 4, 7, 10
  options.progress = &reports;
  std::vector<size_t> prepared;
  options.prepare = [&](const std::vector<size_t>& todo) { prepared = todo; };
  std::vector<size_t> committed;
  const WorkSummary summary = RunWork(
      Names(12),
      options,
      [](size_t i) { return i == 4; },
      [&](size_t i) { return [&, i] { committed.push_back(i); }; });
  EXPECT_THAT(prepared, ElementsAre(1, 7, 10));
  EXPECT_EQ(committed, prepared);
  EXPECT_EQ(summary.total, 4);
  EXPECT_EQ(summary.resumed, 1);
  EXPECT_EQ(summary.done, 3);
  EXPECT_EQ(reports.reports.front().done, 1);
  EXPECT_EQ(reports.reports.back().total, 4);
}

// Every item that was begun is finished and committed: no hole, nothing lost.
TEST(WorkLoop, AnInterruptionFinishesWhatIsInWork) {
  for (const int jobs : {1, 3}) {
    const InterruptGuard guard;
    std::atomic<int> begun = 0;
    std::vector<size_t> committed;
    const WorkSummary summary = RunWork(Names(1000), Jobs(jobs), {}, [&](size_t i) {
      if (++begun == 7) std::raise(SIGINT);
      Slowly(i);
      return [&, i] { committed.push_back(i); };
    });
    EXPECT_TRUE(summary.interrupted);
    EXPECT_EQ(committed.size(), static_cast<size_t>(begun)) << jobs;
    EXPECT_LE(begun, 7 + jobs);
    for (size_t i = 0; i < committed.size(); ++i) EXPECT_EQ(committed[i], i);
    EXPECT_THAT(SummaryText(summary, "videos"),
                AllOf(HasSubstr("interrupted after "),
                      HasSubstr(" of 1000 videos; run the same command again to go on")));
    EXPECT_THAT(ErrorOf([&] { ThrowIfInterrupted(summary, "videos", false); }),
                AllOf(HasSubstr("interrupted: after "), testing::Not(HasSubstr("again"))));
  }
}

TEST(ResultJournal, KeepsResultsByKey) {
  const TempDir folder;
  const std::string path = folder / "journal";
  const std::map<std::string, int> settings = {{"a", 1}};
  using Lists = std::map<std::string, std::vector<int>>;
  {
    ResultJournal journal(path, "tests", settings);
    EXPECT_EQ(journal.Find<double>("key one"), std::nullopt);
    journal.Keep("key one", "one", 1.5);
    journal.Keep("key two\nwith lines", "two\xff", Lists{{"x", {1, 2}}});
  }
  const ResultJournal again(path, "tests", settings);
  EXPECT_EQ(again.Find<double>("key one"), 1.5);
  EXPECT_EQ(again.Find<Lists>("key two\nwith lines"), (Lists{{"x", {1, 2}}}));
  EXPECT_EQ(again.Find<double>("key three"), std::nullopt);
  EXPECT_THAT([&] { again.Find<double>("key two\nwith lines"); },
              testing::ThrowsMessage<UserError>(HasSubstr("journal:3:")));
  EXPECT_THAT(ReadJournal(path).entries.front(), HasSubstr(R"("name":"one")"));
}

TEST(ResultJournal, WithoutAFileRemembersNothing) {
  ResultJournal journal("", "tests", std::map<std::string, int>());
  journal.Keep("key", "name", 1);
  EXPECT_EQ(journal.Find<int>("key"), std::nullopt);
}

TEST(FileStamp, ChangesWithTheFileAndTheFolder) {
  const TempDir folder;
  EXPECT_EQ(FileStamp(folder / "missing"), "");
  AtomicWriteFile(folder / "a", "1");
  const std::string file = FileStamp(folder / "a");
  const std::string all = FileStamp(folder.path().string());
  AtomicWriteFile(folder / "a", "22");
  EXPECT_NE(FileStamp(folder / "a"), file);
  EXPECT_NE(FileStamp(folder.path().string()), all);
  EXPECT_THAT(FileStamp(folder.path().string()), HasSubstr("\na "));
}

}  // namespace
}  // namespace teacache
