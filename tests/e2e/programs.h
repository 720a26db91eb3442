#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace teacache {

// The programs of the build, run as a user runs them, on a small random model (whose videos show
// nothing, but whose runs are complete and take milliseconds).

inline const std::vector<std::string> kAllPrograms = {"record-diffs",
                                                      "fit-coeffs",
                                                      "generate-videos",
                                                      "eval-metrics",
                                                      "sweep-report",
                                                      "train-shapes"};

inline const std::vector<std::string> kShapesPrompts = {
    "a small red circle moving left slowly on black",
    "a large blue star circling fast on white",
    "a small pink ring pulsing slowly on gray",
    "a large green cross bouncing fast on black"};

ProcessResult RunTool(const std::string& program,
                      const std::vector<std::string>& arguments,
                      const ProcessOptions& options = {});

// Ended with exit code 2 and exactly one line on stderr, which begins with the program's name (or
// is the whole message) and holds all of `texts`; nothing on stdout.
void ExpectMistake(const ProcessResult& result, const std::vector<std::string>& texts);

// File name -> bytes of the files in a folder, not recursive. Hidden files are left out: a killed
// program may leave an unfinished one.
std::map<std::string, std::string> FilesIn(const std::string& folder);

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
