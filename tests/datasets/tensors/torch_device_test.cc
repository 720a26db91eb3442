#include "datasets/tensors/torch_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string DeviceError(const std::string& text) {
  try {
    ParseDevice(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseDevice, KnownNames) {
  EXPECT_TRUE(ParseDevice("cpu").is_cpu());
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:1000", "cpu:0", "cuda:0 "}) {
    EXPECT_THAT(DeviceError(text), AllOf(HasSubstr("cpu, cuda or cuda:N"), HasSubstr(text)))
        << text;
  }
  // No machine has so many.
  EXPECT_THAT(DeviceError("cuda:999"),
              AllOf(HasSubstr("--device"), HasSubstr("cuda:999"), Not(HasSubstr("\n"))));
}

TEST(ParseDtype, KnownNames) {
  EXPECT_EQ(ParseDtype(""), at::kFloat);
  EXPECT_EQ(ParseDtype("float32"), at::kFloat);
  EXPECT_EQ(ParseDtype("bfloat16"), at::kBFloat16);
  EXPECT_EQ(ParseDtype("float16"), at::kHalf);
  EXPECT_THROW(ParseDtype("fp32"), UserError);
}

}  // namespace
}  // namespace teacache
