#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace teacache {

// The one exception type for mistakes of the user (bad files, bad options, bad prompts). The
// message is one line, "where: what must be ... but is ...", and is printed by main, which exits
// with 2. Anything else that is thrown is a defect of ours or of the machine.
class UserError : public std::runtime_error {
 public:
  UserError(std::string_view where, std::string_view what)
      : std::runtime_error(std::string(where) + ": " + std::string(what)) {}
};

// Throws UserError with a formatted message: ThrowUserError(path, "must have {} rows but has {}",
// a, b).
template <typename... Args>
[[noreturn]] void ThrowUserError(std::string_view where,
                                 fmt::format_string<Args...> format,
                                 Args&&... args) {
  throw UserError(where, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace teacache
