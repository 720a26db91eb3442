#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace teacache {

// One self-contained page: style, plotly.js, script and all data inside. A content security policy
// in it forbids the browser to load anything from a network; only videos may come from files beside
// the page. The script that every page has (reports/kit/page.js) does theme, charts, their
// download and printing; '#theme=dark' or '#theme=light' begins with that theme, else the system's
// is taken.

// A chart's place; a script draws into it.
struct ChartFrame {
  std::string id;  // "quality-psnr", unique in the page
  std::string title;
  std::string caption = {};  // plain text
  std::string slider = {};   // id of a slider of thresholds above the drawing; "" = none
  bool wide = false;         // takes the full width of the page
  // Further data of the element for the script: {"model", "a"} is data-model="a".
  std::vector<std::pair<std::string, std::string>> data = {};
  // What can be drawn instead, as buttons: value of data-variant and label. Empty = one drawing.
  std::vector<std::pair<std::string, std::string>> variants = {};
};

struct HtmlPage {
  std::string title;               // plain text, also the heading
  std::vector<std::string> facts;  // plain text below the heading
  std::string body;                // HTML below that
  std::string data;                // DataElement()s and the like
  std::string_view style;          // beyond that of every page
  std::string_view script;         // beyond that of every page; runs in the same function
};

std::string HtmlPageText(const HtmlPage& page);

std::string ChartHtml(const ChartFrame& chart);

// JSON for the script: <script type="application/json" id="...">.
std::string DataElement(std::string_view id, std::string_view json);
// The same as gzip in base64, a fraction of the size; page.js unpacks it before anything else runs.
std::string PackedDataElement(std::string_view id, std::string_view json);

// `text` with & < > " ' as entities: safe in HTML text, in attributes and in plotly's labels.
std::string EscapeHtml(std::string_view text);

// Escaped text in which a number keeps its unit on the line.
std::string Prose(std::string_view text);

// RFC 4648 with padding.
std::string Base64(std::string_view bytes);

// plotly.js as it stands in the page: gzip in base64; its licence stands beside it in clear text.
std::string PlotlyText();
std::string_view PlotlyVersion();  // "4.1.1"; "" = unknown

}  // namespace teacache
