#include "reports/page_assets.h"

#include <cstddef>

extern "C" {
extern const char teacache_plotly_js_begin[];
extern const char teacache_plotly_js_end[];
extern const char teacache_report_js_begin[];
extern const char teacache_report_js_end[];
extern const char teacache_report_css_begin[];
extern const char teacache_report_css_end[];
}

namespace teacache {
namespace {

std::string_view Asset(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::string_view PlotlyScript() { return Asset(teacache_plotly_js_begin, teacache_plotly_js_end); }
std::string_view PageScript() { return Asset(teacache_report_js_begin, teacache_report_js_end); }
std::string_view PageStyle() { return Asset(teacache_report_css_begin, teacache_report_css_end); }

std::string_view PlotlyVersion() {
  constexpr std::string_view kMark = "plotly.js v";
  const std::string_view head = PlotlyScript().substr(0, 300);
  const size_t start = head.find(kMark);
  if (start == std::string_view::npos) return "";
  const std::string_view version = head.substr(start + kMark.size());
  return version.substr(0, version.find_first_not_of("0123456789."));
}

}  // namespace teacache
