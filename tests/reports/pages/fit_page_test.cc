// The page of fit-coeffs as a browser shows it.

#include "reports/pages/fit_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <string>

#include "tests/support/chromium.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// 6 prompts of 12 steps, one of them with a name that must be escaped.
FitCoeffsResult MakeResult(const TempDir& dir) {
  std::ofstream file(dir / "pairs.csv");
  file << "prompt,step,x,y\n";
  std::mt19937 random(1);
  std::normal_distribution<double> normal(0, 0.01);
  for (int prompt = 0; prompt < 6; ++prompt) {
    for (int step = 1; step < 12; ++step) {
      const double x = 0.05 + 0.2 * std::fabs(std::sin(step + 0.2 * prompt));
      file << (prompt == 0 ? "</script><b>bold</b>" : "prompt " + std::to_string(prompt)) << ","
           << step << "," << x << "," << 0.1 + 2 * x + normal(random) << "\n";
    }
  }
  file.close();
  FitCoeffsOptions options;
  options.input.files = {dir / "pairs.csv"};
  options.fit.degree = 1;
  options.diagnostics.bootstrap = 50;
  options.threshold.target_skips = 4;
  return RunFitCoeffs(options);
}

int Count(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<int>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()));
}

// What is drawn in one chart.
std::string ChartOf(const std::string& dom, const std::string& figure) {
  const size_t from = dom.find("data-figure=\"" + figure + "\"");
  if (from == std::string::npos) return "";
  return dom.substr(from, dom.find("<figcaption>", from) - from);
}

TEST(FitPageHtml, IsOneFileWithoutANetwork) {
  TempDir dir;
  const std::string html = FitPageHtml(MakeResult(dir));
  const std::string own = html.substr(0, html.find("<script type=\"text/plain\" id=\"plotly\">"));
  EXPECT_LT(own.size(), html.size());
  EXPECT_EQ(Count(own, "<(script|link|img)[^>]+(src|href)=\"(?!data:)"), 0);
  EXPECT_THAT(html.substr(html.size() - 20000), Not(HasSubstr("src=")));
  EXPECT_THAT(own, HasSubstr("Content-Security-Policy\" content=\"default-src 'none'"));
  EXPECT_LT(html.size(), 3'000'000u);
  // A prompt cannot end the data element.
  EXPECT_THAT(html, Not(HasSubstr("</script><b>")));
}

// 90,000 pairs of 3,000 runs.
TEST(FitPageHtml, LargeDataAreThinnedOut) {
  TempDir dir;
  std::ofstream file(dir / "pairs.csv");
  file << "prompt,step,x,y\n";
  std::mt19937 random(1);
  std::uniform_real_distribution<double> number(0.01, 0.3);
  for (int prompt = 0; prompt < 3000; ++prompt) {
    for (int step = 1; step <= 30; ++step) {
      const double x = number(random);
      file << "prompt " << prompt << "," << step << "," << x << "," << 2 * x + number(random)
           << "\n";
    }
  }
  file.close();
  FitCoeffsOptions options;
  options.input.files = {dir / "pairs.csv"};
  options.fit.degree = 1;
  options.diagnostics.bootstrap = 5;
  options.diagnostics.learning_repeats = 1;
  options.threshold.target_skips = 4;
  const std::string html = FitPageHtml(RunFitCoeffs(options));
  EXPECT_LT(html.size(), 10'000'000u);
  EXPECT_THAT(html, HasSubstr("20,000 of 90,000 pairs are shown, evenly picked"));
  EXPECT_THAT(html, HasSubstr("300 of 3,000 runs are shown, evenly picked"));
  EXPECT_THAT(html, HasSubstr("\"prompt\":\"prompt 0\""));
  EXPECT_THAT(html, HasSubstr("\"prompt\":\"prompt 2999\""));
}

TEST(FitPage, DrawsAllCharts) {
  if (FindChromium().empty()) GTEST_SKIP() << "no chromium in PATH (build.sh installs it)";
  TempDir dir;
  WriteFitPage(dir / "fit.html", MakeResult(dir));
  const LoadedPage page = OpenPage(dir / "fit.html", "theme=dark");
  EXPECT_THAT(page.messages, IsEmpty());
  EXPECT_THAT(page.dom, HasSubstr("data-ready=\"yes\""));
  EXPECT_THAT(page.dom, HasSubstr("data-theme=\"dark\""));
  EXPECT_THAT(page.dom, HasSubstr("class=\"verdict\""));
  // 6 x 11 pairs, each a point, in the scatter (fitted and forced) and among the residuals.
  EXPECT_EQ(Count(ChartOf(page.dom, "scatter"), "class=\"point\""), 66);
  EXPECT_EQ(Count(ChartOf(page.dom, "residuals"), "class=\"point\""), 66);
  EXPECT_GE(Count(ChartOf(page.dom, "scatter"), "class=\"js-line\""), 1);
  // Leverage and means of x and y at calls 1 to 10: the last one is always computed.
  EXPECT_EQ(Count(ChartOf(page.dom, "steps"), "class=\"point\""), 30);
  EXPECT_EQ(Count(ChartOf(page.dom, "degrees"), "class=\"point\""), 3 + 8);
  EXPECT_GE(Count(ChartOf(page.dom, "learning"), "class=\"point\""), 3);
  EXPECT_GE(Count(ChartOf(page.dom, "threshold"), "class=\"js-line\""), 3);
  EXPECT_EQ(Count(ChartOf(page.dom, "skips"), "<image "), 1);
  EXPECT_THAT(page.dom, HasSubstr("calls skipped, longest run"));
}

TEST(FitPage, SliderMovesTheScheduleAndTheWords) {
  if (FindChromium().empty()) GTEST_SKIP() << "no chromium in PATH (build.sh installs it)";
  TempDir dir;
  WriteFitPage(dir / "fit.html", MakeResult(dir));
  const LoadedPage page = RunInPage(dir / "fit.html", "", R"(
    const slider = document.querySelector('.slider input');
    const map = document.querySelector('[data-figure=skips] .plot');
    const seen = [];
    for (const position of [0, slider.max]) {
      slider.value = position;
      slider.dispatchEvent(new Event('input'));
      await pause(300);
      const skipped = map.data[0].z.flat().filter((cell) => cell === 0).length / map.data[0].z.length;
      seen.push({words: document.querySelector('.slider output').textContent, skipped});
    }
    const report = JSON.parse(document.getElementById('report').textContent).experts[0];
    return {seen, first: report.schedules[0].mean_skips, last: report.schedules.at(-1).mean_skips};)");
  ASSERT_NE(page.result, "") << page.log;
  EXPECT_THAT(page.messages, IsEmpty());
  const auto result = nlohmann::json::parse(page.result);
  EXPECT_NEAR(result["seen"][0]["skipped"], result["first"].get<double>(), 1e-9);
  EXPECT_NEAR(result["seen"][1]["skipped"], result["last"].get<double>(), 1e-9);
  EXPECT_GT(result["last"], result["first"]);
  EXPECT_NE(result["seen"][0]["words"], result["seen"][1]["words"]);
}

}  // namespace
}  // namespace teacache
