#include "calib/expected_signal.h"

#include <fmt/format.h>

#include <cctype>

#include "calib/published_sets.h"
#include "calib/rules/signal_kind.h"

namespace teacache {
namespace {

// Letters and digits only, small.
std::string Plain(const std::string& text) {
  std::string plain;
  for (const unsigned char c : text) {
    if (std::isalnum(c)) plain += static_cast<char>(std::tolower(c));
  }
  return plain;
}

// Of the published set whose name the model's begins with, the longest.
std::string PublishedSignal(const std::string& model) {
  std::string signal;
  size_t longest = 0;
  for (const PublishedSet& set : PublishedSets()) {
    const std::string name = Plain(set.name);
    if (!model.starts_with(name) || name.size() <= longest) continue;
    longest = name.size();
    signal = SignalKind(set.signal);
  }
  return signal;
}

}  // namespace

std::string ExpectedSignal(const std::string& format, const std::string& model) {
  if (format.starts_with("tensorrt-llm")) return "time";
  const std::string plain = Plain(model);
  if (format == "comfyui") {
    // Some of its models differ from the original's.
    const std::string own = PublishedSignal(plain + "comfyui");
    if (!own.empty()) return own;
  }
  const std::string published = PublishedSignal(plain);
  if (!published.empty()) return published;
  // Its adapter of Wan has not been seen.
  if (format == "vllm-omni") return "";
  if (plain.starts_with("wan") || plain.starts_with("cogvideo")) return "time";
  return "";
}

std::string SignalMismatch(const std::string& format,
                           const std::string& model,
                           const std::string& modulated) {
  const std::string expected = ExpectedSignal(format, model);
  if (!DifferentSignals(modulated, expected)) return "";
  return fmt::format(
      "x of this fit is of {}, but {} looks at {} for {}: neither the coefficients nor the "
      "threshold hold there. Record that signal instead.",
      DescribeSignal(modulated),
      format,
      DescribeSignal(expected),
      model);
}

}  // namespace teacache
