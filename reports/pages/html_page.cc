#include "reports/pages/html_page.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>

extern "C" {
extern const char teacache_plotly_js_gz_begin[];
extern const char teacache_plotly_js_gz_end[];
extern const char teacache_page_js_begin[];
extern const char teacache_page_js_end[];
extern const char teacache_page_css_begin[];
extern const char teacache_page_css_end[];
}

namespace teacache {
namespace {

// Everything that a page may do without a network. 'self' is for pages on a web server.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src 'self' file: data: blob:";

std::string_view Asset(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

// JSON inside a <script> element: '<' can only stand inside strings, where \u003c means the same
// and cannot end the element.
std::string ScriptSafe(std::string_view json) {
  std::string safe;
  safe.reserve(json.size() + json.size() / 50);
  for (const char c : json) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string Gzip(std::string_view bytes) {
  constexpr int kGzipWindow = 15 + 16;  // + 16: with gzip's header
  constexpr int kMemory = 8;
  z_stream stream = {};
  if (deflateInit2(
          &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::bad_alloc();
  }
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::length_error("page data too large to pack");
  return packed;
}

std::string Header(const HtmlPage& page) {
  std::string html = fmt::format("<header>\n<div><h1>{}</h1>\n", EscapeHtml(page.title));
  html += "<p class=\"facts\">";
  for (const std::string& fact : page.facts) {
    html += fmt::format("<span>{}</span>", EscapeHtml(fact));
  }
  html += "</p></div>\n<div class=\"actions\">";
  html += "<button type=\"button\" id=\"theme\">Dark</button>";
  html += "<button type=\"button\" id=\"print\">Print</button></div>\n</header>\n";
  return html +
         "<noscript><p class=\"warning\">Charts, videos and tables of this page need "
         "JavaScript.</p></noscript>\n";
}

}  // namespace

std::string HtmlPageText(const HtmlPage& page) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n",
      kPolicy,
      EscapeHtml(page.title));
  html += Asset(teacache_page_css_begin, teacache_page_css_end);
  html += page.style;
  html += "</style>\n</head>\n<body>\n<main>\n";
  html += Header(page);
  html += page.body;
  html += "</main>\n";
  html += page.data;
  html += fmt::format(
      "<!-- plotly.js v{}, Copyright Plotly, Inc., MIT license; gzip, base64 -->\n"
      "<script type=\"text/plain\" id=\"plotly\">",
      PlotlyVersion());
  html += PlotlyText();
  html += "</script>\n<script>\n(async () => {\n'use strict';\n";
  html += Asset(teacache_page_js_begin, teacache_page_js_end);
  html += page.script;
  return html + "})();\n</script>\n</body>\n</html>\n";
}

std::string ChartHtml(const ChartFrame& chart) {
  std::string buttons;
  for (size_t i = 0; i < chart.variants.size() && chart.variants.size() > 1; ++i) {
    buttons +=
        fmt::format("<button type=\"button\" data-variant=\"{}\" aria-pressed=\"{}\">{}</button>",
                    EscapeHtml(chart.variants[i].first),
                    i == 0,
                    EscapeHtml(chart.variants[i].second));
  }
  if (!buttons.empty()) buttons = "<span class=\"variants\">" + buttons + "</span>";
  for (const char* format : {"SVG", "PNG", "CSV"}) {
    buttons += fmt::format(
        "<button type=\"button\" data-save=\"{}\" aria-label=\"Save {} as {}\">{}</button>",
        format,
        EscapeHtml(chart.title),
        format,
        format);
  }
  return fmt::format(
      "<figure class=\"chart{}\" data-figure=\"{}\"{}>\n<div class=\"head\"><h3>{}</h3>"
      "<div class=\"tools\">{}</div></div>\n{}<div class=\"plot\" role=\"img\" "
      "aria-label=\"{}\"></div>\n<figcaption>{}</figcaption>\n</figure>\n",
      chart.wide ? " wide" : "",
      EscapeHtml(chart.id),
      chart.attributes,
      EscapeHtml(chart.title),
      buttons,
      chart.controls,
      EscapeHtml(chart.title + ". " + chart.caption),
      Prose(chart.caption));
}

std::string DataElement(std::string_view id, std::string_view json) {
  return fmt::format("<script type=\"application/json\" id=\"{}\">{}</script>\n",
                     EscapeHtml(id),
                     ScriptSafe(json));
}

std::string PackedDataElement(std::string_view id, std::string_view json) {
  return fmt::format(
      "<script type=\"application/json\" data-packed=\"gzip\" id=\"{}\">{}</script>\n",
      EscapeHtml(id),
      Base64(Gzip(json)));
}

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string Prose(std::string_view text) {
  std::string html = EscapeHtml(text);
  for (const std::string_view unit : {" %", " dB", " s "}) {
    for (size_t at = html.find(unit); at != std::string::npos; at = html.find(unit, at + 6)) {
      html.replace(at, 1, "&nbsp;");
    }
  }
  return html;
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += k <= n ? kDigits[group >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

std::string PlotlyText() {
  return Base64(Asset(teacache_plotly_js_gz_begin, teacache_plotly_js_gz_end));
}

std::string_view PlotlyVersion() { return TEACACHE_PLOTLY_VERSION; }

}  // namespace teacache
