#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/e2e/run_tool.h"
#include "tests/support/temp_dir.h"

namespace teacache {

// The programs of the build, run as a user runs them, on a small random model (whose videos show
// nothing, but whose runs are complete and take milliseconds).

inline const std::vector<std::string> kAllPrograms = {"record-diffs",
                                                      "encode-prompts",
                                                      "fit-coeffs",
                                                      "generate-videos",
                                                      "eval-metrics",
                                                      "sweep-report",
                                                      "train-shapes",
                                                      "vbench-score"};

inline const std::vector<std::string> kShapesPrompts = {
    "a small red circle moving left slowly on black",
    "a large blue star circling fast on white",
    "a small pink ring pulsing slowly on gray",
    "a large green cross bouncing fast on black"};

// The lines of a trace without what differs from run to run (milliseconds).
std::vector<std::string> TraceWithoutTimes(const std::string& path);

// A test with a folder of its own and the small model's weights, made once.
class ProgramTest : public ::testing::Test {
 protected:
  static const std::string& Weights();
  std::string WritePrompts(const std::string& name, const std::vector<std::string>& prompts) const;

  TempDir folder_;
};

}  // namespace teacache
