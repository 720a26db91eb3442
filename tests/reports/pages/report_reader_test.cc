// What a reader of the page finds first, and how it serves readers of every kind: first screen,
// explanations, addresses, keys, copied text, paper, telephones.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "datasets/base/files.h"
#include "reports/charts/figures.h"
#include "reports/findings/labels.h"
#include "reports/findings/summaries.h"
#include "tests/reports/pages/report_page_fixture.h"
#include "tests/reports/synthetic_sweep.h"

namespace teacache {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

// What the table of the choice must show of an option of report.json.
std::vector<std::string> FiguresOf(const Json& report, const Json& option) {
  const auto interval = [](const Json& ci95, int digits) {
    return fmt::format("({}–{})",
                       Fixed(ci95["lo"].get<double>(), digits),
                       Fixed(ci95["hi"].get<double>(), digits));
  };
  std::vector<std::string> texts = {Fixed(option["worst"].get<double>(), 1) + " dB"};
  for (const Json& row : report["rows"]) {
    if (row["id"] != option["row"]) continue;
    const Json& speedup = row["speedup_total"];
    texts.push_back(Fixed(speedup["value"].get<double>(), 2) + "×");
    texts.push_back(interval(speedup["ci95"], 2));
  }
  if (!option["worst_ci95"].is_null()) texts.push_back(interval(option["worst_ci95"], 1));
  if (option["behind"]["value"] > 0) {
    texts.push_back(Fixed(option["behind"]["value"].get<double>(), 2) + "×");
    texts.push_back(interval(option["behind"]["ci95"], 2));
  }
  return texts;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The first line of `text` that begins so.
std::string LineWith(const std::string& text, const std::string& start) {
  for (const std::string& line : LinesOf(text)) {
    if (line.starts_with(start)) return line;
  }
  return "";
}

// "38.24 (37.10–39.40)".
std::string WithInterval(const Json& value,
                         const Json& ci95,
                         int digits,
                         const std::string& unit = "") {
  return fmt::format("{}{} ({}–{})",
                     Fixed(value.get<double>(), digits),
                     unit,
                     Fixed(ci95["lo"].get<double>(), digits),
                     Fixed(ci95["hi"].get<double>(), digits));
}

// The table above everything else, in the figures of report.json.
TEST_F(ReportPageTest, TheFastestSettingOfEveryPolicyComesFirst) {
  Write(SyntheticSweep({.everything = true}));
  const Json result = Run("", R"(
    const lines = [...document.querySelectorAll('.choice tr[data-row]')];
    const first = document.getElementById('setting').value;
    lines[1].click();
    return {first, second: document.getElementById('setting').value,
      lines: lines.map((line) => ({id: line.dataset.row, text: line.textContent}))};)");
  const Json file = Json::parse(ReadFile(folder_ / "report.json"));
  const Json& options = file["choices"][0]["options"];
  ASSERT_EQ(result["lines"].size(), options.size());
  ASSERT_EQ(options.size(), 5u);
  for (size_t i = 0; i < options.size(); ++i) {
    EXPECT_EQ(result["lines"][i]["id"], options[i]["row"]);
    for (const std::string& text : FiguresOf(file, options[i])) {
      EXPECT_THAT(result["lines"][i]["text"].get<std::string>(), HasSubstr(text));
    }
  }
  EXPECT_EQ(result["first"], options[0]["row"]);
  EXPECT_EQ(result["second"], options[1]["row"]);
}

// Sentence, table, one chart with its lines named, and a video that plays, without scrolling.
constexpr const char* kFirstScreen = R"(
  const box = (selector) => {
    const {top, left, bottom, right} = document.querySelector(selector).getBoundingClientRect();
    return {top, left, bottom, right};
  };
  const {data, layout} = document.querySelector('.first .chart:not([hidden]) .plot');
  const lines = data.filter((trace) => trace.mode === 'lines+markers');
  const video = document.getElementById('video-cached');
  for (let i = 0; i < 100 && video.readyState < 2; ++i) await pause(20);
  return {verdict: document.querySelector('.verdict').textContent,
    best: document.querySelector('.choice tr[data-row]').innerText,
    second: document.querySelectorAll('.choice tr[data-row]')[1].innerText,
    count: document.querySelector('.choice + .note').innerText,
    names: layout.annotations.map(({text}) => text).sort(), lines: lines.map(({name}) => name).sort(),
    bands: data.filter((trace) => trace.meta?.band).length,
    playing: !video.paused && video.readyState >= 2, width: document.documentElement.scrollWidth,
    boxes: [box('.verdict'), box('.choice'), box('.first .plot .xaxislayer-above'), box('#video-cached')]};)";

TEST_F(ReportPageTest, TheFirstScreenAnswersTheQuestion) {
  const Report report = SyntheticSweep({.everything = true});
  WriteSyntheticVideos(report, folder_.path().string());
  for (const auto& [width, height] : {std::pair(1280, 800), std::pair(390, 844)}) {
    Write(report);
    const Json result = RunAt(width, height, kFirstScreen);
    ASSERT_FALSE(result.is_null()) << width;
    const Json file = Json::parse(ReadFile(folder_ / "report.json"));
    const Json& options = file["choices"][0]["options"];
    for (const std::string& text : FiguresOf(file, options[0])) {
      EXPECT_THAT(result["best"].get<std::string>(), HasSubstr(text)) << width;
    }
    EXPECT_THAT(result["second"].get<std::string>(),
                HasSubstr(Fixed(options[1]["behind"]["value"].get<double>(), 2) + "×"));
    EXPECT_THAT(result["count"].get<std::string>(),
                HasSubstr(fmt::format("{} videos", options[0]["videos"].get<int>())));
    EXPECT_EQ(result["names"], result["lines"]);
    EXPECT_LE(result["lines"].size(), 6u);
    EXPECT_EQ(result["lines"].size(), result["bands"]);
    EXPECT_EQ(result["playing"], true) << width;
    EXPECT_LE(result["width"], width);
    for (const Json& box : result["boxes"]) {
      EXPECT_GE(box["top"], 0) << width << result["boxes"];
      EXPECT_LE(box["bottom"], height) << width << result["boxes"];
      EXPECT_LE(box["right"], width) << width;
      EXPECT_GT(box["bottom"], box["top"]);
    }
  }
}

// One click from the word; of the floor with a video that is near it.
TEST_F(ReportPageTest, WordsAreExplainedOneClickAway) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  WriteSyntheticVideos(report, folder_.path().string());
  const Json result = Run("", R"(
    const note = document.getElementById('term-note');
    const seen = {};
    for (const button of document.querySelectorAll('.choice .term')) {
      button.click();
      seen[button.dataset.term] = note.hidden ? '' : note.textContent;
    }
    document.querySelector('.choice .term[data-term=floor]').click();
    const stills = [...note.querySelectorAll('video')];
    for (let i = 0; i < 1000 && stills.some((video) => video.readyState < 2); ++i) await pause(20);
    note.querySelector('button').click();
    return {seen, stills: stills.map((video) => video.readyState >= 2), caption: note.querySelectorAll('figcaption')[1].textContent,
      setting: document.getElementById('setting').value, video: document.getElementById('video').value,
      role: note.getAttribute('role')};)");
  for (const char* term :
       {"call", "floor", "psnr", "speed-up", "teacache", "uniform", "mask", "magcache", "steps"}) {
    EXPECT_GT(result["seen"][term].get<std::string>().size(), 20u) << term;
  }
  EXPECT_EQ(result["stills"], (Json{true, true}));
  EXPECT_EQ(result["role"], "status");
  double nearest = 1e9;
  for (const ReportRow& row : report.rows) {
    for (const ReportVideo& video : row.videos) {
      const double* score = Find(video.scores, "psnr");
      if (score && std::abs(*score - 30) < std::abs(nearest - 30)) nearest = *score;
    }
  }
  EXPECT_THAT(result["caption"].get<std::string>(), HasSubstr(Fixed(nearest, 1) + " dB: "));
}

TEST_F(ReportPageTest, WhatTellsNothingApartIsFoldedAway) {
  Report report = SyntheticSweep();
  for (ReportRow& row : report.rows) {
    for (ReportVideo& video : row.videos) {
      video.scores["temporal_flickering"] = 0.9 + 0.01 * (video.prompt % 3);
    }
  }
  SummarizeReport(&report, {.bootstrap_samples = 200});
  Write(report);
  const Json result = Run("threshold=0.1", R"(
    return {heads: [...document.querySelectorAll('#settings thead th')].map((head) => head.textContent),
      chart: Boolean(document.querySelector('[data-figure=quality-temporal_flickering]')),
      tiles: document.getElementById('tiles').textContent, text: document.body.innerText};)");
  EXPECT_THAT(result["heads"].get<std::vector<std::string>>(),
              Not(::testing::Contains("temporal flickering")));
  EXPECT_EQ(result["chart"], false);
  EXPECT_THAT(result["tiles"].get<std::string>(), Not(HasSubstr("temporal flickering")));
  EXPECT_THAT(result["text"].get<std::string>(),
              HasSubstr("Temporal flickering does not tell the settings apart"));
}

TEST_F(ReportPageTest, UnknownAddressesSaySo) {
  Write(SyntheticSweep());
  const Json result = Run("setting=nonsense&prompt=99", R"(
    const note = document.getElementById('link-note');
    const first = note.hidden ? '' : note.textContent;
    location.hash = 'threshold=0.07&seed=7';
    await pause(100);
    const second = note.hidden ? '' : note.textContent;
    location.hash = 'threshold=0.1&prompt=2&seed=1';
    await pause(100);
    return {first, second, third: note.hidden ? '' : note.textContent};)");
  EXPECT_THAT(result["first"].get<std::string>(),
              HasSubstr("setting “nonsense” and prompt 99, which this report does not have"));
  EXPECT_THAT(result["second"].get<std::string>(), HasSubstr("threshold 0.07 and seed 7"));
  EXPECT_EQ(result["third"], "");
}

// From the slowest setting to the next, as a reader without a mouse finds them.
TEST_F(ReportPageTest, ArrowKeysMoveAlongAChart) {
  const Report report = SyntheticSweep();
  Write(report);
  const Json result = Run("threshold=0.1", R"(
    const plot = document.querySelector('[data-figure=quality-psnr] .plot');
    plot.focus();
    const press = (key) => {
      plot.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
      return document.getElementById('setting').value;
    };
    for (let i = 0; i < 100; ++i) press('ArrowLeft');
    const seen = [document.getElementById('setting').value, press('ArrowRight'), press('ArrowRight')];
    return {seen, focused: document.activeElement === plot,
      live: document.getElementById('tiles').getAttribute('aria-live')};)");
  std::vector<const ReportRow*> rows;
  for (const ReportRow& row : report.rows) {
    if (const ReportMetric* pooled = Find(row.scores, "psnr"); pooled && pooled->mean)
      rows.push_back(&row);
  }
  std::ranges::stable_sort(rows, {}, [](const ReportRow* row) { return row->speedup_total.value; });
  EXPECT_EQ(result["seen"], Json({rows[0]->id, rows[1]->id, rows[2]->id}));
  EXPECT_EQ(result["focused"], true);
  EXPECT_EQ(result["live"], "polite");
}

TEST_F(ReportPageTest, CopiedTextKeepsItsSeparators) {
  Write(SyntheticSweep());
  const Json result = Run("threshold=0.1", R"(
    const copied = (selector) => {
      getSelection().selectAllChildren(document.querySelector(selector));
      return getSelection().toString();
    };
    return {facts: copied('.facts'), tiles: document.getElementById('tiles').textContent};)");
  EXPECT_THAT(result["facts"].get<std::string>(), HasSubstr("8 test prompts × 2 seeds · shapes"));
  EXPECT_THAT(result["tiles"].get<std::string>(), HasSubstr("speed-up, end to end "));
  EXPECT_THAT(result["tiles"].get<std::string>(), HasSubstr("× 95 %: "));
}
// Page, report.json, report.csv and report.md have the same figures.
TEST_F(ReportPageTest, AllFilesSayTheSame) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  const Json result = Run("", R"(
    const titles = [...document.querySelectorAll('#settings thead th')].map((head) => head.textContent);
    const lines = {};
    const scroller = document.getElementById('settings').parentElement;
    for (let at = 0; at < 3000; at += 200) {
      scroller.scrollTop = at;
      scroller.dispatchEvent(new Event('scroll'));
      for (const line of document.querySelectorAll('#settings tr[aria-rowindex]')) {
        const cells = Object.fromEntries([...line.cells].map((cell, i) => [titles[i], cell.textContent]));
        lines[cells.setting] = cells;
      }
    }
    return lines;)");
  const std::vector<std::string> csv = LinesOf(ReadFile(folder_ / "report.csv"));
  std::string markdown = ReadFile(folder_ / "report.md");
  std::erase(markdown, '\\');
  const Json file = Json::parse(ReadFile(folder_ / "report.json"));
  ASSERT_EQ(csv.size(), file["rows"].size() + 1);
  int compared = 0;
  for (size_t i = 0; i < file["rows"].size(); ++i) {
    const Json& row = file["rows"][i];
    if (!row["scores"].contains("psnr")) continue;
    const Json& line = result[RowLabel(report.rows[i])];
    const Json& psnr = row["scores"]["psnr"];
    const Json& speedup = row["speedup_total"];
    const std::string quality = WithInterval(psnr["mean"], psnr["ci95"], 2);
    const std::string speed = WithInterval(speedup["value"], speedup["ci95"], 2, "×");
    EXPECT_EQ(line["PSNR, dB"], quality);
    EXPECT_EQ(line["speed-up"], speed);
    const std::string cells = LineWith(markdown, "| " + RowLabel(report.rows[i]) + " |");
    EXPECT_THAT(cells, HasSubstr("| " + quality + " |"));
    EXPECT_THAT(cells, HasSubstr("| " + speed + " |"));
    // The table for programs has all digits.
    EXPECT_THAT(csv[i + 1], HasSubstr(fmt::format(",{},", psnr["mean"].get<double>())));
    EXPECT_THAT(csv[i + 1], HasSubstr(fmt::format(",{},", speedup["value"].get<double>())));
    ++compared;
  }
  EXPECT_GT(compared, 20);
}

TEST_F(ReportPageTest, ATelephoneShowsOneVideoAtATime) {
  const Report report = SyntheticSweep({.everything = true});
  WriteSyntheticVideos(report, folder_.path().string());
  Write(report);
  const Json result = RunAt(390, 844, R"(
    const seen = () => [...document.querySelectorAll('#panes figure')]
      .map((pane, i) => (getComputedStyle(pane).opacity === '1' && pane.getBoundingClientRect().width > 100 ? i : -1))
      .filter((i) => i >= 0);
    const shown = [seen()];
    for (const i of [0, 2]) {
      document.querySelector(`[data-pane="${i}"]`).click();
      shown.push(seen());
    }
    return shown;)");
  EXPECT_EQ(result, (Json{{1}, {0}, {2}}));
}

// The style of paper on the screen: what a colour of the ground says is said by a border too.
TEST_F(ReportPageTest, PaperNeedsNoBackgrounds) {
  Write(SyntheticSweep());
  const Json result = Run("threshold=0.1", R"(
    for (const sheet of document.styleSheets) {
      for (const rule of sheet.cssRules) if (rule.media?.mediaText === 'print') rule.media.mediaText = 'all';
    }
    const style = (selector) => getComputedStyle(document.querySelector(selector));
    const clear = (one) => one.backgroundColor === 'rgba(0, 0, 0, 0)';
    const [on, off, dot] = [style('.schedule i.on'), style('.schedule i:not(.on)'), style('.choice .dot')];
    return {clear: [clear(on), clear(off), clear(dot)], borders: [on, off, dot].map((one) => parseFloat(one.borderTopWidth)),
      different: on.borderTopColor !== off.borderTopColor,
      tools: [...document.querySelectorAll('.tools, .actions, .pickers')].every((one) => !one.getClientRects().length)};)");
  EXPECT_EQ(result["clear"], (Json{true, true, true}));
  for (const Json& border : result["borders"]) EXPECT_GT(border, 0);
  EXPECT_EQ(result["different"], true);
  EXPECT_EQ(result["tools"], true);
}

// Printed by the browser itself.
TEST_F(ReportPageTest, TwoChartsFitOnASheet) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  EXPECT_GT(SheetsOf(Path(), "threshold=0.1"), 1);
  std::string html = ReadFile(Path());
  html.insert(
      html.rfind("</head>"),
      "<style>@media print { main > :not(.charts):not(.first), .first > :not(.chart), header { "
      "display: none !important; } }</style>");
  AtomicWriteFile(Path(), html);
  const auto charts = static_cast<int>(ReportFigures(report).size());
  ASSERT_GT(charts, 8);
  const int sheets = SheetsOf(Path(), "threshold=0.1");
  EXPECT_GT(sheets, 0);
  EXPECT_LE(sheets, (charts + 1) / 2);
}

TEST_F(ReportPageTest, LimitsThatAreNotKeptAreNamed) {
  Report report = SyntheticSweep();
  report.context.require = {"psnr>=20", "psnr.worst>=30"};
  SummarizeReport(&report, {.bootstrap_samples = 200});
  Write(report);
  const Json result = Run("", "return document.querySelector('.why').innerText;");
  int breaches = 0;
  for (const RequirementOutcome& outcome : report.requirements) {
    const std::string text = "Required: " + outcome.Text();
    if (outcome.met) {
      EXPECT_THAT(result.get<std::string>(), Not(HasSubstr(text)));
    } else {
      EXPECT_THAT(result.get<std::string>(), HasSubstr(text));
      ++breaches;
    }
  }
  EXPECT_GT(breaches, 0);
  const Json file = Json::parse(ReadFile(folder_ / "report.json"));
  EXPECT_EQ(file["requirements"].size(), report.requirements.size());
}

// Names of all controls, and text that can be read: 4.5 to 1, as WCAG asks of small text.
constexpr const char* kAccessible = R"(
  const nameless = [...document.querySelectorAll('button, select, input, video, canvas, [role=img], table')]
    .filter((one) => one.getClientRects().length && !one.labels?.length && !one.getAttribute('aria-label') &&
      !one.textContent.trim()).map((one) => one.outerHTML.slice(0, 100));
  const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const parse = (color) => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return {r, g, b, a}; };
  const light = ({r, g, b}) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.a === 1) return color;
    }
    return {r: 255, g: 255, b: 255};
  };
  const faint = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !one.getClientRects().length || one.closest('option, .plot')) continue;
    ++texts;
    const [p, q] = [light(parse(getComputedStyle(one).color)), light(ground(one))];
    const contrast = (Math.max(p, q) + 0.05) / (Math.min(p, q) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${one.textContent.slice(0, 40)}`);
  }
  return {nameless, faint, texts, theme: document.documentElement.dataset.theme,
    axis: document.querySelector('[data-figure=quality-psnr] .plot').layout.xaxis.title.text};)";

TEST_F(ReportPageTest, BothThemesCanBeReadAndControlsHaveNames) {
  Write(SyntheticSweep({.lpips = false}));
  for (const std::string theme : {"light", "dark"}) {
    const Json result = Run("x=calls&theme=" + theme, kAccessible);
    EXPECT_EQ(result["theme"], theme);
    EXPECT_EQ(result["axis"], "computed calls, %");
    EXPECT_THAT(result["nameless"], IsEmpty());
    EXPECT_THAT(result["faint"], IsEmpty()) << theme;
    EXPECT_GT(result["texts"], 300);
    Write(SyntheticSweep({.lpips = false}));
  }
}

}  // namespace
}  // namespace teacache
