#include "calib/rules/signal_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace teacache {

std::string SignalKind(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower.empty() || lower == "unknown" || lower == "any" || lower.ends_with("extractor")) {
    return "";
  }
  if (lower == "input" || lower.starts_with("modulated input")) return "input";
  if (lower.find("time") != std::string::npos) return "time";
  return std::string(text);
}

bool DifferentSignals(std::string_view a, std::string_view b) {
  const std::string first = SignalKind(a);
  const std::string second = SignalKind(b);
  return !first.empty() && !second.empty() && first != second;
}

std::string DescribeSignal(std::string_view text) {
  const std::string kind = SignalKind(text);
  if (kind.empty()) return "an unknown signal";
  if (kind == "input") return "the modulated input";
  if (kind == "time") return "the time embedding";
  return fmt::format("the tap \"{}\"", kind);
}

}  // namespace teacache
