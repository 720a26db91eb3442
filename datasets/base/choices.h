#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "datasets/base/error.h"

namespace teacache {

// The names of an enumeration's values, as flags and files write them. Each enumeration has one
// such table, beside it; what reads, writes or lists the names uses the table.
template <typename E, size_t N>
using Choices = std::array<std::pair<std::string_view, E>, N>;

// "strict, crop or min"
template <typename E, size_t N>
std::string ChoiceNames(const Choices<E, N>& choices) {
  std::string names;
  for (size_t i = 0; i < N; ++i) {
    names += (i == 0 ? "" : i + 1 == N ? " or " : ", ") + std::string(choices[i].first);
  }
  return names;
}

// "" for a value without a name.
template <typename E, size_t N>
constexpr std::string_view NameOf(const Choices<E, N>& choices, E value) {
  for (const auto& [name, choice] : choices) {
    if (choice == value) return name;
  }
  return "";
}

// The value of that name. Throws UserError, which lists the names after `where`.
template <typename E, size_t N>
E ChoiceOf(const Choices<E, N>& choices, std::string_view name, std::string_view where) {
  for (const auto& [known, value] : choices) {
    if (known == name) return value;
  }
  ThrowUserError(where, "must be {} but is \"{}\"", ChoiceNames(choices), name);
}

}  // namespace teacache
