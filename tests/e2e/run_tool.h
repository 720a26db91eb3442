#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace teacache {

// A program of the build, run as a user runs it.
ProcessResult RunTool(const std::string& program,
                      const std::vector<std::string>& arguments,
                      const ProcessOptions& options = {});

// Ended with exit code 2 and exactly one line on stderr, which begins with the program's name (or
// is the whole message) and holds all of `texts`; nothing on stdout.
void ExpectMistake(const ProcessResult& result, const std::vector<std::string>& texts);

// File name -> bytes of the files in a folder, not recursive. Hidden files are left out: a killed
// program may leave an unfinished one.
std::map<std::string, std::string> FilesIn(const std::string& folder);

}  // namespace teacache
