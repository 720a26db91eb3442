#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "datasets/base/error.h"
#include "datasets/base/interrupt.h"

namespace teacache {

// What every main function does. Header-only, since only programs link CLI11.

// Parses the arguments, calls `run` and turns exceptions into exit codes: 0 fine, 1 not everything
// was done, 2 a mistake of the user.
inline int RunProgram(CLI::App* app,
                      int argc,
                      const char* const* argv,
                      const std::function<int()>& run) {
  app->failure_message([](const CLI::App* failed, const CLI::Error& error) {
    return fmt::format("{}: {} (see --help)\n", failed->get_name(), error.what());
  });
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version are "errors" with code 0.
    return app->exit(error) == 0 ? 0 : 2;
  }
  try {
    return run();
  } catch (const Interruption& error) {
    fmt::print(stderr, "{}: {}\n", app->get_name(), error.what());
    return 1;
  } catch (const UserError& error) {
    fmt::print(stderr, "{}: {}\n", app->get_name(), error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: unexpected failure: {}\n", app->get_name(), error.what());
    return 1;
  }
}

// The command line without the program's folder, for provenance in output files.
inline std::vector<std::string> PortableArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  if (!arguments.empty()) arguments[0] = arguments[0].substr(arguments[0].find_last_of('/') + 1);
  return arguments;
}

}  // namespace teacache
