// The page of a report as a browser shows it: charts, tables, pickers and videos.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "datasets/base/files.h"
#include "reports/charts/figures.h"
#include "reports/findings/join.h"
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

int Count(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<int>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()));
}

// The text from `start` to the next `end`.
std::string Between(const std::string& text, const std::string& start, const std::string& end) {
  const size_t from = text.find(start);
  if (from == std::string::npos) return "";
  const size_t to = text.find(end, from);
  return text.substr(from, to == std::string::npos ? to : to - from);
}

// Marks that plotly drew in one chart: points, boxes, bars, lines, error bars and heat maps.
int MarksOf(const std::string& dom, const std::string& figure) {
  const std::string chart = Between(dom, "data-figure=\"" + figure + "\"", "<figcaption>");
  return Count(chart, "class=\"point[ \"]") + Count(chart, "class=\"box\"") +
         Count(chart, "class=\"js-line\"") + Count(chart, "class=\"[xy]error") +
         Count(chart, "<image ");
}

std::string SourceOf(const std::string& dom, const std::string& id) {
  std::smatch match;
  const std::regex regex("<video id=\"" + id + "\"[^>]* src=\"([^\"]*)\"");
  return std::regex_search(dom, match, regex) ? match[1].str() : "";
}

std::string NoteOf(const std::string& dom) { return Between(dom, "id=\"video-note\"", "</p>"); }

TEST_F(ReportPageTest, EveryChartHasMarksAndNothingIsLoadedFromANetwork) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  WriteSyntheticVideos(report, folder_.path().string());
  const LoadedPage page = RunInPage(Path(), "threshold=0.1", R"(
    await pause(500);
    return {loaded: performance.getEntriesByType('resource').map((entry) => entry.name),
      drawn: document.querySelectorAll('.chart[data-drawn=yes]').length,
      painted: document.getElementById('video-difference').dataset.painted};)");
  EXPECT_THAT(page.messages, IsEmpty());
  ASSERT_NE(page.result, "") << page.log;
  const Json result = Json::parse(page.result);
  for (const std::string name : result["loaded"]) {
    EXPECT_TRUE(std::regex_search(name, std::regex("^(file|data|blob):"))) << name;
  }
  const std::vector<Figure> figures = ReportFigures(report);
  EXPECT_EQ(result["drawn"], figures.size());
  for (const Figure& figure : figures) EXPECT_GT(MarksOf(page.dom, figure.id), 0) << figure.id;
  EXPECT_GE(MarksOf(page.dom, "fit-fitted"), static_cast<int>(report.fits[0].pairs.size()));
  // Both videos were decoded and compared.
  EXPECT_EQ(Count(page.dom, "<video [^>]*data-loaded=\"yes\""), 2);
  EXPECT_EQ(result["painted"], "yes");
}

TEST_F(ReportPageTest, NumbersAreThoseOfReportJson) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  const Json result = Run("threshold=0.1", R"(
    const lines = {};
    const scroller = document.getElementById('settings').parentElement;
    const heads = [...document.querySelectorAll('#settings thead th')].map((head) => head.textContent);
    for (let at = 0; at < 3000; at += 200) {
      scroller.scrollTop = at;
      scroller.dispatchEvent(new Event('scroll'));
      for (const line of document.querySelectorAll('#settings tr[aria-rowindex]')) {
        lines[line.getAttribute('aria-rowindex')] =
            Object.fromEntries([...line.cells].map((cell, i) => [heads[i], cell.textContent]));
      }
    }
    const points = {};
    for (const trace of document.querySelector('[data-figure=quality-psnr] .plot').data) {
      (trace.customdata || []).forEach((id, i) => { points[id] = [trace.x[i], trace.y[i]]; });
    }
    return {lines, points, embedded: document.getElementById('report-data').textContent,
      tiles: document.getElementById('tiles').textContent};)");
  // Embedded data, marks, table and tiles against the file beside the page.
  const Json file = Json::parse(ReadFile(folder_ / "report.json"));
  EXPECT_EQ(Json::parse(result["embedded"].get<std::string>()), file);
  ASSERT_EQ(result["lines"].size(), file["rows"].size());
  for (size_t i = 0; i < file["rows"].size(); ++i) {
    const Json& row = file["rows"][i];
    const Json& line = result["lines"][std::to_string(i + 2)];
    const double speedup = row["speedup_total"]["value"];
    EXPECT_THAT(line["speed-up"].get<std::string>(), HasSubstr(Fixed(speedup, 2) + "×"));
    EXPECT_EQ(line["computed"],
              fmt::format("{} / {}", Fixed(row["computed_mean"].get<double>(), 1), 30));
    if (!row["scores"].contains("psnr")) continue;
    const double psnr = row["scores"]["psnr"]["mean"];
    EXPECT_EQ(line["PSNR, dB"],
              fmt::format("{} ({}–{})",
                          Fixed(psnr, 2),
                          Fixed(row["scores"]["psnr"]["ci95"]["lo"].get<double>(), 2),
                          Fixed(row["scores"]["psnr"]["ci95"]["hi"].get<double>(), 2)));
    EXPECT_THAT(line["SSIM"].get<std::string>(),
                HasSubstr(Fixed(row["scores"]["ssim"]["mean"].get<double>(), 4)));
    EXPECT_EQ(result["points"][row["id"].get<std::string>()], Json({speedup, psnr}));
    if (row["id"] == "teacache-0.1") {
      EXPECT_THAT(result["tiles"].get<std::string>(), HasSubstr(Fixed(psnr, 2) + " dB"));
    }
  }
}

TEST_F(ReportPageTest, PickersAndAddressChangeTheVideos) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  WriteSyntheticVideos(report, folder_.path().string());
  const Json result = Run("threshold=0.6&prompt=3&seed=1", R"(
    const seen = [];
    const look = () => seen.push({setting: document.getElementById('setting').value,
      cached: document.getElementById('video-cached').getAttribute('src'),
      uncached: document.getElementById('video-uncached').getAttribute('src'), hash: location.hash,
      tiles: document.getElementById('tiles').textContent});
    const pick = async (id, value) => {
      const picker = document.getElementById(id);
      picker.value = value;
      picker.dispatchEvent(new Event('change'));
      await pause(100);
      look();
    };
    look();
    await pick('setting', 'teacache-0.05');
    await pick('setting', 'uniform-12');
    await pick('video', '4:0');
    location.hash = 'setting=mask-9&prompt=2&seed=0';
    await pause(100);
    look();
    return seen;)");
  const std::vector<std::tuple<std::string, int, int>> expected = {{"teacache-0.6", 2, 1},
                                                                   {"teacache-0.05", 2, 1},
                                                                   {"uniform-12", 2, 1},
                                                                   {"uniform-12", 4, 0},
                                                                   {"mask-9", 1, 0}};
  ASSERT_EQ(result.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [id, prompt, seed] = expected[i];
    EXPECT_EQ(result[i]["setting"], id);
    EXPECT_EQ(result[i]["cached"], fmt::format("preview/{}/{}-{}.mp4", id, prompt, seed));
    EXPECT_EQ(result[i]["uncached"], fmt::format("preview/none/{}-{}.mp4", prompt, seed));
    if (i == 0) continue;
    EXPECT_EQ(result[i]["hash"],
              fmt::format("#setting={}&prompt={}&seed={}", id, prompt + 1, seed));
    EXPECT_NE(result[i]["tiles"], result[i - 1]["tiles"]);
  }
}

TEST_F(ReportPageTest, HoverTellsAndClickSelectsEverywhere) {
  Write(SyntheticSweep({.everything = true}));
  const Json result = Run("threshold=0.03", R"(
    const plotOf = (name) => document.querySelector(`[data-figure=${name}] .plot`);
    const plot = plotOf('quality-psnr');
    const curve = plot.data.findIndex((trace) => trace.name === 'uniform skipping');
    const point = plot.data[curve].customdata.indexOf('uniform-12');
    Plotly.Fx.hover(plot, [{curveNumber: curve, pointNumber: point}]);
    await pause(200);
    const hover = plot.querySelector('.hoverlayer').textContent;
    plot.emit('plotly_click', {points: [{customdata: 'uniform-12'}]});
    await pause(400);
    const selected = {};
    for (const chart of document.querySelectorAll('.chart')) {
      const {data, layout} = chart.querySelector('.plot');
      selected[chart.dataset.figure] = data.flatMap((trace) =>
        (trace.meta?.ring ? trace.customdata : (trace.selectedpoints || []).map((index) => String(trace.customdata[index]))));
      const frame = (layout.shapes || [])[0];
      if (frame) selected[chart.dataset.figure] = [data[0].customdata[frame.y0 + 0.5].toString().split(',')[0]];
    }
    return {hover, selected, setting: document.getElementById('setting').value, hash: location.hash,
      line: document.querySelector('#settings tr.selected')?.textContent || '',
      cached: document.getElementById('cached-label').textContent};)");
  EXPECT_THAT(result["hover"].get<std::string>(), HasSubstr("uniform skipping 12 calls"));
  EXPECT_THAT(result["hover"].get<std::string>(), HasSubstr("PSNR"));
  EXPECT_EQ(result["setting"], "uniform-12");
  EXPECT_EQ(result["cached"], "uniform skipping 12 calls");
  EXPECT_THAT(result["hash"].get<std::string>(), HasSubstr("setting=uniform-12"));
  for (const char* chart :
       {"quality-psnr", "quality-ssim", "quality-lpips", "equal-calls", "skip-map"}) {
    EXPECT_EQ(result["selected"][chart], Json::array({"uniform-12"})) << chart;
  }
  EXPECT_EQ(result["selected"]["spread"], Json::array({"uniform-12,0,0"}));
}

TEST_F(ReportPageTest, TablesSortFilterAndFollowTheKeys) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  const Json result = Run("threshold=0.03", R"(
    const lines = (id) => [...document.querySelectorAll(`#${id} tr[aria-rowindex]`)];
    const column = (title) => [...document.querySelectorAll('#settings thead th')]
      .findIndex((head) => head.textContent === title);
    const head = () => document.querySelectorAll('#settings thead button')[column('PSNR, dB')];
    const values = () => lines('settings').map((line) => line.cells[column('PSNR, dB')].firstChild.textContent);
    head().click();
    const ascending = values();
    head().click();
    const descending = values();
    const filter = document.getElementById('filter');
    filter.value = 'mask 12';
    filter.dispatchEvent(new Event('input'));
    const found = lines('settings').map((line) => line.textContent);
    filter.value = '';
    filter.dispatchEvent(new Event('input'));
    const table = document.getElementById('settings');
    table.focus();
    const key = async (name) => {
      table.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true}));
      await pause(50);
      return document.getElementById('setting').value;
    };
    const keys = [await key('Home'), await key('ArrowDown'), await key('End')];
    const active = document.getElementById(table.getAttribute('aria-activedescendant'))?.textContent || '';
    document.querySelector('[data-table=videos]').click();
    await pause(50);
    const videos = document.getElementById('videos');
    filter.value = 'no frames';
    filter.dispatchEvent(new Event('input'));
    return {ascending, descending, found, keys, active, sort: head().parentElement.getAttribute('aria-sort'),
      count: videos.getAttribute('aria-rowcount'), failed: lines('videos').map((line) => line.textContent),
      hidden: document.getElementById('settings').parentElement.hidden};)");
  std::vector<double> means;
  for (const ReportRow& row : report.rows) {
    if (row.scores.contains("psnr") && row.scores.at("psnr").mean)
      means.push_back(*row.scores.at("psnr").mean);
  }
  std::ranges::sort(means);
  EXPECT_EQ(result["ascending"][0], Fixed(means.front(), 2));
  EXPECT_EQ(result["descending"][0], Fixed(means.back(), 2));
  EXPECT_EQ(result["sort"], "descending");
  ASSERT_EQ(result["found"].size(), 1u);
  EXPECT_THAT(result["found"][0].get<std::string>(), HasSubstr("fixed mask 12 calls"));
  const auto best = std::ranges::max_element(report.rows, {}, [](const ReportRow& row) {
    return row.scores.contains("psnr") && row.scores.at("psnr").mean ? *row.scores.at("psnr").mean
                                                                     : -1;
  });
  EXPECT_EQ(result["keys"][0], best->id);
  EXPECT_NE(result["keys"][1], result["keys"][0]);
  EXPECT_NE(result["active"], "");
  ASSERT_EQ(result["failed"].size(), 1u);
  EXPECT_THAT(result["failed"][0].get<std::string>(), HasSubstr("decoder: no frames"));
  EXPECT_EQ(result["count"], "2");
  EXPECT_EQ(result["hidden"], true);
}
TEST_F(ReportPageTest, DownloadsHoldWhatIsDrawn) {
  const Report report = SyntheticSweep({.everything = true});
  Write(report);
  const Json result = Run("threshold=0.03", R"(
    const saved = {};
    const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => { saved.blob = blob; return make.call(URL, blob); };
    HTMLAnchorElement.prototype.click = function() { saved.name = this.download; saved.href = this.href; };
    const press = async (chart, format) => {
      document.querySelector(`[data-figure=${chart}] [data-save=${format}]`).click();
      while (!saved.name) await pause(50);
      const one = {name: saved.name, start: (saved.href || '').slice(0, 40), svg: '', csv: ''};
      if (format === 'CSV') one.csv = await saved.blob.text();
      if (format === 'SVG') one.svg = decodeURIComponent(saved.href);
      delete saved.name;
      return one;
    };
    const result = [await press('quality-psnr', 'CSV'), await press('skip-map', 'CSV'),
      await press('quality-psnr', 'SVG'), await press('quality-psnr', 'PNG')];
    document.getElementById('csv').click();
    return {result, table: await saved.blob.text()};)");
  const Json& saved = result["result"];
  EXPECT_EQ(saved[0]["name"], "teacache-quality-psnr.csv");
  const ReportRow& row = report.rows[1];
  EXPECT_THAT(saved[0]["csv"].get<std::string>(), HasSubstr("series,id,x,x_lo,x_hi,y,y_lo,y_hi\n"));
  EXPECT_THAT(saved[0]["csv"].get<std::string>(), HasSubstr("," + row.id + ","));
  EXPECT_THAT(saved[0]["csv"].get<std::string>(),
              HasSubstr(fmt::format(",{},", *row.scores.at("psnr").mean)));
  EXPECT_GE(Count(saved[1]["csv"].get<std::string>(), "\n"), 30 * 10);
  EXPECT_THAT(saved[2]["svg"].get<std::string>(), HasSubstr("PSNR against speed"));
  EXPECT_THAT(saved[3]["start"].get<std::string>(), HasSubstr("data:image/png;base64,"));
  EXPECT_EQ(Count(result["table"].get<std::string>(), "\n"),
            static_cast<int>(report.rows.size()) + 1);
}
// A chart of one model is seen while a setting of that model is selected; no empty frames.
TEST_F(ReportPageTest, SeveralModelsTakeTurns) {
  std::vector<FoundReport> reports;
  for (const char* name : {"first", "second"}) {
    Report report = SyntheticSweep({.bootstrap_samples = 100});
    report.models[0].name = name;
    for (ReportRow& row : report.rows) row.model = name;
    for (ReportFit& fit : report.fits) fit.model = name;
    reports.push_back({name, std::move(report)});
  }
  Write(JoinReports(std::move(reports)));
  const Json result = Run("setting=first.teacache-0.1", R"(
    const seen = () => [...document.querySelectorAll('.chart')].filter((chart) => chart.offsetHeight > 0);
    const look = () => ({
      models: [...new Set(seen().map((chart) => chart.dataset.model || 'all'))].sort(),
      empty: seen().filter((chart) => chart.dataset.drawn !== 'yes').length});
    const first = look();
    location.hash = 'setting=second.teacache-0.1';
    await pause(1500);
    return {first, second: look(), verdicts: document.querySelectorAll('.verdict').length};)");
  EXPECT_EQ(result["first"]["models"], (Json{"all", "first"}));
  EXPECT_EQ(result["first"]["empty"], 0);
  EXPECT_EQ(result["second"]["models"], (Json{"all", "second"}));
  EXPECT_EQ(result["second"]["empty"], 0);
  EXPECT_EQ(result["verdicts"], 2);
}

TEST_F(ReportPageTest, OddFileNamesAreFound) {
  Report report = SyntheticSweep({.prompts = 1, .seeds = 1});
  for (ReportRow& row : report.rows) row.videos[0].path = "videos/" + row.id + "/50 % #1? ö-0.mp4";
  Write(report);
  WriteSyntheticVideos(report, folder_.path().string());
  const LoadedPage page = Open("threshold=0.1");
  EXPECT_EQ(SourceOf(page.dom, "video-cached"),
            "videos/teacache-0.1/50%20%25%20%231%3F%20%C3%B6-0.mp4");
  EXPECT_EQ(Count(page.dom, "<video [^>]*data-loaded=\"yes\""), 2);
}

// As it comes by mail.
TEST_F(ReportPageTest, WithoutTheVideosThePageSaysSo) {
  Write(SyntheticSweep());
  const LoadedPage page = Open("threshold=0.1");
  EXPECT_THAT(NoteOf(page.dom), HasSubstr("is not beside this page"));
  EXPECT_THAT(page.dom, HasSubstr("id=\"panes\" data-shown=\"1\" hidden"));
  EXPECT_GT(MarksOf(page.dom, "quality-psnr"), 0);
}

TEST_F(ReportPageTest, EmbeddedVideosGoWithThePage) {
  const Report report = SyntheticSweep({.prompts = 2, .seeds = 1});
  WriteSyntheticVideos(report, folder_.path().string());
  Write(report, /*embed_videos=*/true);
  const TempDir elsewhere;
  std::filesystem::rename(Path(), elsewhere / "mail.html");
  const LoadedPage page = OpenPage(elsewhere / "mail.html", "threshold=0.1");
  EXPECT_THAT(page.messages, IsEmpty());
  EXPECT_EQ(Count(page.dom, "<video [^>]*data-loaded=\"yes\""), 2);
  EXPECT_THAT(SourceOf(page.dom, "video-cached"), HasSubstr("blob:"));
  EXPECT_THAT(NoteOf(page.dom), Not(HasSubstr("beside")));
}

TEST_F(ReportPageTest, EmptyReportOpens) {
  Write({});
  const LoadedPage page = Open("");
  EXPECT_THAT(page.dom, HasSubstr("data-ready=\"yes\"")) << page.log;
  EXPECT_THAT(page.messages, IsEmpty());
}

// What real sweeps can hand over: settings without videos, without scores, with videos that are
// gone.
TEST_F(ReportPageTest, PartialReportSaysWhatIsMissing) {
  Report report = SyntheticSweep();
  report.fits.clear();
  for (ReportRow& row : report.rows) {
    if (row.policy == "steps") row.videos.clear();
    for (ReportVideo& video : row.videos) {
      if (row.id == "teacache-0.03") {
        video.scores.erase("psnr");
        video.identical = true;
      }
      if (row.id == "teacache-0.2") video.path.clear();
      if (row.id == "teacache-0.6") video.error = "no frames";
    }
  }
  SummarizeReport(&report, {.bootstrap_samples = 200});
  Write(report);
  const Json result = Run("setting=steps-9", R"(
    const seen = {};
    for (const id of ['steps-9', 'teacache-0.03', 'teacache-0.2', 'teacache-0.6']) {
      location.hash = `setting=${id}`;
      await pause(150);
      const line = document.querySelector('#settings tr.selected');
      seen[id] = {note: document.getElementById('video-note').textContent, line: line ? line.textContent : '',
        panes: !document.getElementById('panes').hidden, tiles: document.getElementById('tiles').textContent};
    }
    seen.caveats = document.getElementById('caveats').textContent;
    return seen;)");
  EXPECT_THAT(result["steps-9"]["note"].get<std::string>(),
              HasSubstr("has no video of this prompt"));
  EXPECT_THAT(result["teacache-0.03"]["tiles"].get<std::string>(), HasSubstr("identical"));
  EXPECT_EQ(result["teacache-0.2"]["note"], "The videos of this setting were not kept.");
  EXPECT_EQ(result["teacache-0.6"]["note"], "This video failed: no frames");
  EXPECT_EQ(result["teacache-0.6"]["panes"], false);
  EXPECT_THAT(result["teacache-0.6"]["line"].get<std::string>(), HasSubstr("0 of 16 incomplete"));
  EXPECT_THAT(result["caveats"].get<std::string>(),
              HasSubstr("TeaCache 0.6, prompt 1, seed 0: no frames"));
}

// What goes by mail.
constexpr uintmax_t kMostBytes = 6'000'000;

// The lines in the document stay few, wherever the reader scrolls to.
constexpr const char* kScroll = R"(
  const table = document.getElementById(TABLE);
  const scroller = table.parentElement;
  const counts = [];
  for (const share of [0, 0.3, 1]) {
    scroller.scrollTop = share * scroller.scrollHeight;
    scroller.dispatchEvent(new Event('scroll'));
    const lines = [...table.querySelectorAll('tr[aria-rowindex]')];
    const inside = scroller.getBoundingClientRect();
    const seen = lines.filter((line) => {
      const box = line.getBoundingClientRect();
      return box.bottom > inside.top && box.top < inside.bottom;
    });
    counts.push({lines: lines.length, seen: seen.length,
      last: Math.max(...lines.map((line) => Number(line.getAttribute('aria-rowindex'))))});
  }
  return counts;)";

TEST_F(ReportPageTest, TenThousandVideosOpenAndScroll) {
  const Report report = SyntheticSweep({.prompts = 46, .seeds = 10, .bootstrap_samples = 100});
  size_t videos = 0;
  for (const ReportRow& row : report.rows) videos += row.videos.size();
  ASSERT_GT(videos, 10'000u);
  Write(report);
  EXPECT_LT(std::filesystem::file_size(Path()), kMostBytes);
  const Json counts =
      Run("threshold=0.1&prompt=20",
          "document.querySelector('[data-table=videos]').click(); const TABLE = 'videos';" +
              std::string(kScroll),
          60);
  ASSERT_EQ(counts.size(), 3u);
  for (const Json& count : counts) {
    EXPECT_LT(count["lines"], 80);
    EXPECT_GT(count["seen"], 10);
  }
  EXPECT_EQ(counts[2]["last"], videos + 1);
}

TEST_F(ReportPageTest, TenThousandSettingsOpenAndScroll) {
  Report report = SyntheticSweep({.prompts = 1, .seeds = 1, .bootstrap_samples = 100});
  const std::vector<ReportRow> rows(report.rows.begin() + 1, report.rows.end());
  for (int copy = 0; report.rows.size() < 10'000; ++copy) {
    for (const ReportRow& row : rows) {
      report.rows.push_back(row);
      ReportRow& added = report.rows.back();
      added.id = fmt::format("{}-{}", row.id, copy);
      added.matches.clear();
      if (row.threshold) added.threshold = *row.threshold + 1e-3 * copy;
      // Figures of their own, as measured ones are.
      const double own = 1 + 1e-4 * copy;
      for (auto& [name, metric] : added.scores) {
        if (metric.mean) *metric.mean *= own;
        if (metric.p5) *metric.p5 *= own;
      }
      added.total.median *= own;
      added.speedup_total.value *= own;
      for (ReportVideo& video : added.videos) {
        video.total_seconds *= own;
        for (auto& [name, score] : video.scores) score *= own;
      }
    }
  }
  Write(report);
  EXPECT_LT(std::filesystem::file_size(Path()), kMostBytes);
  const Json counts = Run("threshold=0.1", "const TABLE = 'settings';" + std::string(kScroll), 60);
  ASSERT_EQ(counts.size(), 3u);
  for (const Json& count : counts) {
    EXPECT_LT(count["lines"], 80);
    EXPECT_GT(count["seen"], 10);
  }
  EXPECT_EQ(counts[2]["last"], report.rows.size() + 1);
}

}  // namespace
}  // namespace teacache
