#include "runners/ordered_jobs.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>

namespace teacache {
namespace {

// Uneven work, so that later items are finished before earlier ones.
int Slowly(size_t i) {
  std::this_thread::sleep_for(std::chrono::microseconds(i % 3 == 0 ? 3000 : 100));
  return static_cast<int>(i * i);
}

TEST(ForEachInOrder, CommitsInOrderWhateverTheJobs) {
  for (const int jobs : {1, 2, 5}) {
    std::vector<size_t> order;
    std::vector<int> results;
    ForEachInOrder<int>(40, {jobs, 1, {}}, Slowly, [&](size_t i, int&& result) {
      order.push_back(i);
      results.push_back(result);
    });
    ASSERT_EQ(order.size(), 40u) << jobs;
    for (size_t i = 0; i < order.size(); ++i) {
      EXPECT_EQ(order[i], i);
      EXPECT_EQ(results[i], static_cast<int>(i * i));
    }
  }
}

TEST(ForEachInOrder, SeveralItemsAreInWorkAtOnce) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  ForEachInOrder<int>(
      12,
      {3, 1, {}},
      [&](size_t) {
        const int now = ++inside;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        {
          const std::lock_guard lock(mutex);
          threads.insert(std::this_thread::get_id());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        --inside;
        return 0;
      },
      [](size_t, int&&) {});
  EXPECT_EQ(most, 3);
  EXPECT_EQ(threads.size(), 3u);
}

TEST(ForEachInOrder, NothingAndFewerItemsThanJobs) {
  int calls = 0;
  const auto commit = [&](size_t, int&&) { ++calls; };
  ForEachInOrder<int>(0, {4, 1, {}}, Slowly, commit);
  EXPECT_EQ(calls, 0);
  ForEachInOrder<int>(2, {4, 1, {}}, Slowly, commit);
  EXPECT_EQ(calls, 2);
}

TEST(ForEachInOrder, TheFirstExceptionEndsTheLoop) {
  for (const int jobs : {1, 3}) {
    std::atomic<int> begun = 0;
    std::vector<size_t> committed;
    try {
      ForEachInOrder<int>(
          1000,
          {jobs, 1, {}},
          [&](size_t i) -> int {
            ++begun;
            if (i == 10) throw std::runtime_error("item 10 failed");
            return Slowly(i);
          },
          [&](size_t i, int&&) { committed.push_back(i); });
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "item 10 failed");
    }
    EXPECT_LT(begun, 30) << jobs;
    EXPECT_LE(committed.size(), 10u);
    for (size_t i = 0; i < committed.size(); ++i) EXPECT_EQ(committed[i], i);
  }
}

TEST(ForEachInOrder, AnExceptionOfCommitToo) {
  int commits = 0;
  EXPECT_THROW(ForEachInOrder<int>(50,
                                   {2, 1, {}},
                                   Slowly,
                                   [&](size_t i, int&&) {
                                     ++commits;
                                     if (i == 4) throw std::runtime_error("disk full");
                                   }),
               std::runtime_error);
  EXPECT_EQ(commits, 5);
}

// Every item that was begun is finished and committed: no hole, nothing lost.
TEST(ForEachInOrder, StopFinishesWhatIsInWork) {
  for (const int jobs : {1, 3}) {
    std::atomic<int> begun = 0;
    std::atomic<bool> stop = false;
    std::vector<size_t> committed;
    ForEachInOrder<int>(
        1000,
        {jobs, 1, [&] { return stop.load(); }},
        [&](size_t i) {
          if (++begun == 7) stop = true;
          return Slowly(i);
        },
        [&](size_t i, int&&) { committed.push_back(i); });
    EXPECT_EQ(committed.size(), static_cast<size_t>(begun)) << jobs;
    EXPECT_LE(begun, 7 + jobs);
    for (size_t i = 0; i < committed.size(); ++i) EXPECT_EQ(committed[i], i);
  }
}

TEST(ForEachInOrder, ResultsAreMoved) {
  std::vector<std::string> results;
  ForEachInOrder<std::unique_ptr<std::string>>(
      3,
      {2, 1, {}},
      [](size_t i) { return std::make_unique<std::string>(std::to_string(i)); },
      [&](size_t, std::unique_ptr<std::string>&& result) { results.push_back(*result); });
  EXPECT_EQ(results, (std::vector<std::string>{"0", "1", "2"}));
}

}  // namespace
}  // namespace teacache
