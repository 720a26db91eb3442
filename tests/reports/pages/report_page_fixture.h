#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "datasets/base/files.h"
#include "reports/pages/html_report.h"
#include "tests/support/chromium.h"
#include "tests/support/temp_dir.h"

namespace teacache {

// The pages of reports as a browser shows them; skipped where no browser is installed.

class ReportPageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (FindChromium().empty()) GTEST_SKIP() << "no chromium in PATH (build.sh installs it)";
  }

  std::string Path() const { return folder_ / "report.html"; }
  LoadedPage Open(const std::string& hash) { return OpenPage(Path(), hash); }
  nlohmann::json Run(const std::string& hash, const std::string& script, int seconds = 20) {
    const LoadedPage page = RunInPage(Path(), hash, script, seconds);
    EXPECT_THAT(page.messages, ::testing::IsEmpty());
    EXPECT_NE(page.result, "") << page.log;
    return page.result.empty() ? nlohmann::json() : nlohmann::json::parse(page.result);
  }
  // In a window of a size of its own: as a frame of another page.
  nlohmann::json RunAt(int width, int height, const std::string& script) {
    std::string html = ReadFile(Path());
    html.insert(html.rfind("</body>"),
                "<script>(async () => {\n"
                "const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });\n"
                "while (document.documentElement.dataset.ready !== 'yes') await pause(20);\n"
                "const result = await (async () => {\n" +
                    script +
                    "\n})();\nparent.postMessage(JSON.stringify(result), '*');\n})();</script>\n");
    AtomicWriteFile(folder_ / "framed.html", html);
    AtomicWriteFile(
        folder_ / "frame.html",
        fmt::format("<!DOCTYPE html><html><body style=\"margin:0\"><iframe src=\"framed.html\" "
                    "style=\"border:0;width:{}px;height:{}px\"></iframe><script>"
                    "addEventListener('message', (event) => {{ "
                    "document.documentElement.dataset.result = event.data; }});"
                    "</script></body></html>\n",
                    width,
                    height));
    LoadedPage page;
    for (const int seconds : {20, 80, 320}) {
      page = OpenPage(folder_ / "frame.html", "", seconds);
      if (!page.result.empty() || !page.messages.empty()) break;
    }
    EXPECT_THAT(page.messages, ::testing::IsEmpty());
    return page.result.empty() ? nlohmann::json() : nlohmann::json::parse(page.result);
  }
  void Write(const Report& report, bool embed_videos = false) {
    WriteReportFiles(folder_.path().string(), report, embed_videos);
  }

  TempDir folder_;
};

}  // namespace teacache
