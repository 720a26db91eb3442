#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

// As gtest_main, but a binary in which no test runs has failed.
int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  const int result = RUN_ALL_TESTS();
  if (testing::GTEST_FLAG(list_tests)) {
    return result;
  }
  if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    std::fprintf(stderr, "no test was run\n");
    return 1;
  }
  return result;
}
