#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "datasets/base/json.h"

namespace teacache {

// A document made in a test, as the program reads it from the file `where`.
inline ParsedJson Parsed(const nlohmann::json& json, const std::string& where = "config.json") {
  return {json.dump(), where};
}

}  // namespace teacache
