#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "datasets/base/error.h"

namespace teacache {

// Throws UserError unless `text` is "cpu", "cuda" or "cuda:N". Needs no LibTorch: whether the
// machine has the device is what ParseDevice says.
inline void CheckDeviceName(std::string_view text) {
  std::string_view number = text;
  const bool cuda = text.starts_with("cuda:");
  if (cuda) number.remove_prefix(5);
  const bool digits = !number.empty() && number.size() <= 3 &&
                      std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
  if (text != "cpu" && text != "cuda" && !(cuda && digits)) {
    ThrowUserError("--device", "must be cpu, cuda or cuda:N but is '{}'", text);
  }
}

}  // namespace teacache
