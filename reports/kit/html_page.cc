#include "reports/kit/html_page.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "reports/kit/embedded/chart_html.h"
#include "reports/kit/embedded/page_css.h"
#include "reports/kit/embedded/page_html.h"
#include "reports/kit/embedded/page_js.h"
#include "reports/kit/embedded/plotly_js_gz.h"
#include "reports/kit/html_template.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

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

}  // namespace

std::string HtmlPageText(const HtmlPage& page) {
  return FillTemplate(embedded::page_html(),
                      {{"title", page.title},
                       {"facts", page.facts},
                       {"style", fmt::format("{}{}", embedded::page_css(), page.style)},
                       {"body", page.body},
                       {"data", page.data},
                       {"plotly_version", PlotlyVersion()},
                       {"plotly", PlotlyText()},
                       {"script", fmt::format("{}{}", embedded::page_js(), page.script)}});
}

std::string ChartHtml(const ChartFrame& chart) {
  Json variants = Json::array();
  for (const auto& [id, label] : chart.variants) {
    variants.push_back({{"id", id}, {"label", label}, {"pressed", variants.empty()}});
  }
  Json data = Json::array();
  for (const auto& [name, value] : chart.data) data.push_back({{"name", name}, {"value", value}});
  return FillTemplate(embedded::chart_html(),
                      {{"id", chart.id},
                       {"title", chart.title},
                       {"caption", chart.caption},
                       {"slider", chart.slider},
                       {"wide", chart.wide},
                       {"data", data},
                       {"choice", variants.size() > 1},
                       {"variants", variants},
                       {"formats", {"SVG", "PNG", "CSV"}}});
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

std::string PlotlyText() { return Base64(embedded::plotly_js_gz()); }

std::string_view PlotlyVersion() { return TEACACHE_PLOTLY_VERSION; }

}  // namespace teacache
