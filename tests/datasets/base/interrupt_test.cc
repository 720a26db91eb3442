#include "datasets/base/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace teacache {
namespace {

TEST(Interrupted, OnlyWithinAGuard) {
  EXPECT_FALSE(Interrupted());
  {
    const InterruptGuard guard;
    EXPECT_FALSE(Interrupted());
    raise(SIGINT);
    EXPECT_TRUE(Interrupted());
  }
  EXPECT_FALSE(Interrupted());
  const InterruptGuard again;
  raise(SIGTERM);
  EXPECT_TRUE(Interrupted());
}

TEST(InterruptedDeathTest, TheSecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const InterruptGuard guard;
        raise(SIGINT);
        raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT),
      "");
}

TEST(InterruptedDeathTest, AProgramSaysSoAndEnds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const InterruptMessage message("fit-coeffs");
        { const InterruptGuard guard; }
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM),
      "fit-coeffs: interrupted; run the same command again");
}

}  // namespace
}  // namespace teacache
