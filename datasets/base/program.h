#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <system_error>
#include <vector>

#include "datasets/base/choices.h"
#include "datasets/base/error.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/message.h"
#include "datasets/base/outputs.h"
#include "datasets/base/version.h"

namespace teacache {

// What every main function does. Header-only, since only programs link CLI11.

// A closed descriptor would be given to the next file that is opened, and what is printed would go
// into that file. Writing to a closed standard output fails; messages to a closed standard error
// are dropped.
inline void OpenClosedDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      // Opens the lowest free descriptor, which is this one.
      (void)!open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
    }
  }
}

// Never throws, unlike fmt::print, so that it can be used in handlers.
inline void PrintMessage(const CLI::App& app, const std::string& message) {
  std::fputs(fmt::format("{}: {}\n", app.get_name(), OneLine(message)).c_str(), stderr);
}

// `code`, or 1 instead of 0 when not all of standard output was written.
inline int FlushOutput(const CLI::App& app, int code) {
  std::cout.flush();
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int error = errno;
  if (flushed && std::ferror(stdout) == 0 && std::cout) return code;
  PrintMessage(app,
               "standard output cannot be written" +
                   (error == 0 ? "" : ": " + std::generic_category().message(error)));
  return code == 0 ? 1 : code;
}

// How many letters must be inserted, removed or replaced to make `b` of `a` (Levenshtein).
inline size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// The flag, of the program or the sub-command that was called, that an unknown one was probably
// meant to be; "" for none within two letters.
inline std::string SimilarFlag(const CLI::App& app, const std::string& unknown) {
  std::string best;
  size_t distance = 3;
  std::vector<const CLI::Option*> options = app.get_options();
  for (const CLI::App* called : app.get_subcommands()) {
    const std::vector<const CLI::Option*> own = called->get_options();
    options.insert(options.end(), own.begin(), own.end());
  }
  for (const CLI::Option* option : options) {
    for (const std::string& name : option->get_lnames()) {
      const size_t d = EditDistance(unknown, "--" + name);
      if (d < distance) {
        distance = d;
        best = "--" + name;
      }
    }
  }
  return best;
}

// A flag that takes one of the names of `choices`; its default is what `value` holds.
template <typename E, size_t N>
CLI::Option* AddChoice(CLI::App* app,
                       const std::string& flag,
                       E* value,
                       const Choices<E, N>& choices,
                       const std::string& text) {
  const auto set = [value, choices, flag](const std::string& name) {
    *value = ChoiceOf(choices, name, flag);
  };
  return app->add_option_function<std::string>(flag, set, text)
      ->type_name("NAME")
      ->default_str(std::string(NameOf(choices, *value)));
}

// --json FILE|-: "" in `path` = not asked for.
inline CLI::Option* AddJsonFlag(CLI::App* app, std::string* path) {
  const auto set = [path](const std::string& file) {
    if (file.empty()) {
      ThrowUserError("--json", "must name a file, or - for standard output (\"--json -\")");
    }
    *path = file;
  };
  return app
      ->add_option_function<std::string>(
          "--json", set, "Write everything found as JSON to this file; - = standard output")
      ->type_name("FILE")
      ->expected(0, 1);
}

// What CLI11 says of a wrong call, in one line.
inline std::string ParseFailure(const CLI::App* app, const CLI::Error& error) {
  std::string hint = "see --help";
  for (const std::string& word : app->remaining(/*recurse=*/true)) {
    const std::string flag = word.substr(0, word.find('='));
    const std::string similar = flag.starts_with("--") ? SimilarFlag(*app, flag) : "";
    if (!similar.empty()) hint = fmt::format("did you mean {}? {}", similar, hint);
  }
  return fmt::format("{}: {} ({})\n", app->get_name(), OneLine(error.what()), hint);
}

// Calls `run` and turns exceptions into exit codes.
inline int RunCatching(const CLI::App& app, const std::function<int()>& run) {
  try {
    return run();
  } catch (const Interruption& error) {
    PrintMessage(app, error.what());
    return 1;
  } catch (const UserError& error) {
    PrintMessage(app, error.what());
    return 2;
  } catch (const std::exception& error) {
    // fmt::print throws where standard output cannot be written, which FlushOutput reports.
    if (std::ferror(stdout) == 0) {
      PrintMessage(app, std::string("unexpected failure: ") + error.what());
    }
    return 1;
  }
}

// Parses the arguments (--version included), calls `run` and turns exceptions into exit codes: 0
// fine, 1 not everything was done (nor printed), 2 a mistake of the user.
inline int RunProgram(CLI::App* app,
                      int argc,
                      const char* const* argv,
                      const std::function<int()>& run) {
  OpenClosedDescriptors();
  app->set_version_flag("--version", kVersion);
  app->failure_message(ParseFailure);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version are "errors" with code 0.
    return FlushOutput(*app, app->exit(error) == 0 ? 0 : 2);
  } catch (const UserError& error) {  // of a flag's value
    PrintMessage(*app, error.what());
    return 2;
  }
  const InterruptMessage message(app->get_name());
  return FlushOutput(*app, RunCatching(*app, run));
}

// What decides about the outputs of a parsed call: program, folder and flags, but not where outputs
// go (their names are compared on their own), how fast they are made or what is said about them.
inline std::string CommandText(const CLI::App& app) {
  static const std::vector<std::string> kOthers = {"--out",
                                                   "--csv",
                                                   "--report",
                                                   "--json",
                                                   "--emit",
                                                   "--emit-dir",
                                                   "--jobs",
                                                   "--allow-missing",
                                                   "--overwrite"};
  std::error_code error;
  std::string text = app.get_name() + "\n" + std::filesystem::current_path(error).string() + "\n";
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0 || std::ranges::find(kOthers, name) != kOthers.end()) continue;
    text += name + "\n";
    for (const std::string& value : option->results()) text += "  " + value + "\n";
  }
  return text;
}

// --overwrite, and whose outputs are written.
inline void AddOverwriteFlag(CLI::App* app, OutputOwner* owner) {
  app->add_flag("--overwrite", owner->overwrite, "Replace files that another command made");
  app->parse_complete_callback([app, owner] { owner->command = CommandText(*app); });
}

// The command line without the program's folder, for provenance in output files.
inline std::vector<std::string> PortableArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  if (!arguments.empty()) arguments[0] = arguments[0].substr(arguments[0].find_last_of('/') + 1);
  return arguments;
}

}  // namespace teacache
