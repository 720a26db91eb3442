#pragma once

#include <functional>
#include <string>

#include "datasets/base/error.h"

namespace teacache {

// The text of the UserError that `call` throws; "no error" where it throws none.
inline std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace teacache
