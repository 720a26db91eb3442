#include "datasets/trace/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "datasets/base/error.h"
#include "datasets/trace/trace_writer.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

TraceHeader Header() {
  TraceHeader header;
  header.model = "shapes";
  header.steps = 3;
  header.calls = 3;
  header.scheduler = "rflow";
  header.guidance = 7.5;
  header.width = 64;
  header.height = 48;
  header.frames = 8;
  header.dtype = "float32";
  header.modulated = "input";
  header.revision = "a";
  header.weights_sha256 = "w";
  header.text_encoder_sha256 = "t";
  header.prompts_digest = "abc";
  header.tool_version = "0.1.0";
  return header;
}

std::vector<TraceRow> RunOf(const std::string& prompt, int64_t seed) {
  std::vector<TraceRow> rows;
  for (int call = 0; call < 3; ++call) {
    TraceRow row;
    row.prompt = prompt;
    row.seed = seed;
    row.branch = "batched";
    row.call = row.step = call;
    row.timestep = 999.5 - call / 3.0;
    if (call > 0) {
      row.mod = {0.1 + call, 7.0 / 3, 1000};
      row.res = {1e-300, 5, 1000};
      row.out = {0, 5, 1000};
    }
    if (call > 1) row.lookback = {{}, {0.25, 4, 1000}};
    row.ms_embed = 0;
    row.ms_blocks = 12.25;
    rows.push_back(row);
  }
  return rows;
}

void ExpectSame(const L1Sums& a, const L1Sums& b) {
  EXPECT_EQ(a.diff_l1, b.diff_l1);
  EXPECT_EQ(a.prev_l1, b.prev_l1);
  EXPECT_EQ(a.n, b.n);
}

void ExpectSame(const TraceRow& a, const TraceRow& b) {
  EXPECT_EQ(a.prompt, b.prompt);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.branch, b.branch);
  EXPECT_EQ(a.expert, b.expert);
  EXPECT_EQ(a.call, b.call);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.timestep, b.timestep);
  EXPECT_EQ(a.stream, b.stream);
  EXPECT_EQ(a.segment, b.segment);
  EXPECT_EQ(a.sample, b.sample);
  EXPECT_EQ(a.evaluations, b.evaluations);
  ExpectSame(a.mod, b.mod);
  ExpectSame(a.res, b.res);
  ExpectSame(a.out, b.out);
  ExpectSame(a.first, b.first);
  ASSERT_EQ(a.lookback.size(), b.lookback.size());
  for (size_t k = 0; k < a.lookback.size(); ++k) ExpectSame(a.lookback[k], b.lookback[k]);
  EXPECT_EQ(a.ms_embed, b.ms_embed);
  EXPECT_EQ(a.ms_blocks, b.ms_blocks);
  EXPECT_EQ(a.ms_head, b.ms_head);
}

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Spit(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

constexpr char kHeaderLine[] =
    R"({"format":"teacache-trace","version":1,"model":"m","steps":3,"calls":3})"
    "\n";

// ReadTrace of a file with this text behind a valid header.
Trace ReadBehindHeader(const std::string& text) {
  TempDir dir;
  Spit(dir / "t.jsonl", kHeaderLine + text);
  return ReadTrace(dir / "t.jsonl");
}

TEST(TraceWriter, ReadsBackToTheLastBit) {
  TempDir dir;
  const std::string path = dir / "t.jsonl";
  TraceWriter writer(path, Header());
  auto second = RunOf("line\n\"quoted\" \xC3\xA9", 7);
  second[1].expert = "high";
  writer.Append(RunOf("a cat", 0));
  writer.Append(second);
  const Trace trace = ReadTrace(path);
  EXPECT_THAT(trace.warnings, IsEmpty());
  EXPECT_EQ(trace.header.model, "shapes");
  EXPECT_EQ(trace.header.guidance, 7.5);
  EXPECT_EQ(trace.header.height, 48);
  EXPECT_EQ(trace.header.modulated, "input");
  EXPECT_EQ(trace.header.prompts_digest, "abc");
  ASSERT_EQ(trace.rows.size(), 6u);
  const auto first = RunOf("a cat", 0);
  for (int i = 0; i < 3; ++i) ExpectSame(trace.rows[i], first[i]);
  for (int i = 0; i < 3; ++i) ExpectSame(trace.rows[3 + i], second[i]);
}

// A run with two streams of two samples per call, in the second of three pieces.
std::vector<TraceRow> RunOfStreams() {
  std::vector<TraceRow> rows;
  for (const TraceRow& call : RunOf("a", 0)) {
    for (const char* stream : {"video", "audio"}) {
      for (int sample = 0; sample < 2; ++sample) {
        TraceRow row = call;
        row.branch = "cond, without text";
        row.stream = stream;
        row.segment = 1;
        row.sample = sample;
        row.evaluations = 2;
        if (row.call > 0) row.first = {0.5, 3, 100};
        rows.push_back(row);
      }
    }
  }
  return rows;
}

TEST(TraceWriter, WritesStreamsSegmentsAndSamples) {
  TempDir dir;
  TraceHeader header = Header();
  header.task = "image-to-video";
  TraceWriter(dir / "t.jsonl", header).Append(RunOfStreams());
  const Trace trace = ReadTrace(dir / "t.jsonl");
  EXPECT_THAT(trace.warnings, IsEmpty());
  EXPECT_EQ(trace.header.task, "image-to-video");
  const auto rows = RunOfStreams();
  ASSERT_EQ(trace.rows.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) ExpectSame(trace.rows[i], rows[i]);
}

TEST(TraceWriter, LeavesOutWhatIsAtItsDefault) {
  TempDir dir;
  TraceWriter(dir / "t.jsonl", Header()).Append(RunOf("a", 0));
  const std::string text = Slurp(dir / "t.jsonl");
  for (const char* name : {"task", "stream", "segment", "sample", "evaluations", "first"}) {
    EXPECT_THAT(text, testing::Not(HasSubstr(name)));
  }
}

// A file that was cut between two rows of its only run's last call is not complete.
TEST(TraceWriter, ACutAmongTheRowsOfTheLastCallIsRepaired) {
  TempDir dir;
  const std::string path = dir / "t.jsonl";
  TraceWriter(path, Header()).Append(RunOfStreams());
  const std::string text = Slurp(path);
  Spit(path, text.substr(0, text.rfind('\n', text.size() - 2) + 1));
  TraceWriter writer(path, Header());
  EXPECT_THAT(writer.runs(), IsEmpty());
  writer.Append(RunOfStreams());
  EXPECT_EQ(Slurp(path), text);
}

TEST(TraceWriter, ContinuesAFile) {
  TempDir dir;
  const std::string path = dir / "t.jsonl";
  TraceWriter(path, Header()).Append(RunOf("a", 0));
  TraceHeader newer = Header();
  newer.tool_version = "0.2.0";
  TraceWriter writer(path, newer);
  EXPECT_THAT(writer.runs(), ElementsAre(TraceRun{"a", 0, 3}));
  writer.Append(RunOf("a", 1));
  EXPECT_THAT(writer.runs(), ElementsAre(TraceRun{"a", 0, 3}, TraceRun{"a", 1, 3}));
  EXPECT_EQ(ReadTrace(path).rows.size(), 6u);
}

TEST(TraceWriter, OneWriterAtATime) {
  TempDir dir;
  const std::string path = dir / "t.jsonl";
  TraceWriter first(path, Header());
  first.Append(RunOf("a", 0));
  EXPECT_THAT([&] { TraceWriter(path, Header()); },
              ThrowsMessage<UserError>(HasSubstr("another process holds it")));
  first.Append(RunOf("b", 0));
  { const TraceWriter ended = std::move(first); }
  EXPECT_EQ(TraceWriter(path, Header()).runs().size(), 2u);
}

TEST(TraceWriter, RefusesOtherSettings) {
  TempDir dir;
  const std::string path = dir / "t.jsonl";
  TraceWriter(path, Header()).Append(RunOf("a", 0));
  const std::string before = Slurp(path);
  const auto expect_refused = [&](auto change, const char* what) {
    TraceHeader other = Header();
    change(&other);
    EXPECT_THAT([&] { TraceWriter(path, other); }, ThrowsMessage<UserError>(HasSubstr(what)));
  };
  expect_refused([](TraceHeader* h) { h->model = "latte"; }, "model");
  expect_refused([](TraceHeader* h) { h->task = "image-to-video"; }, "task");
  expect_refused([](TraceHeader* h) { h->revision = "b"; }, "revision");
  expect_refused([](TraceHeader* h) { h->steps = 4; }, "steps");
  expect_refused([](TraceHeader* h) { h->calls = 4; }, "calls");
  expect_refused([](TraceHeader* h) { h->scheduler = "ddim"; }, "scheduler");
  expect_refused([](TraceHeader* h) { h->guidance = 0; }, "guidance");
  expect_refused([](TraceHeader* h) { h->width = 1; }, "width");
  expect_refused([](TraceHeader* h) { h->height = 1; }, "height");
  expect_refused([](TraceHeader* h) { h->frames = 1; }, "frames");
  expect_refused([](TraceHeader* h) { h->dtype = "bfloat16"; }, "dtype");
  expect_refused([](TraceHeader* h) { h->modulated = "time"; }, "modulated");
  expect_refused([](TraceHeader* h) { h->weights_sha256 = "w2"; }, "weights_sha256");
  expect_refused([](TraceHeader* h) { h->text_encoder_sha256 = "t2"; }, "text_encoder_sha256");
  expect_refused([](TraceHeader* h) { h->prompts_digest = "def"; }, "prompts_digest");
  EXPECT_EQ(Slurp(path), before);
  // Digests that are unknown do not count.
  TraceHeader unknown = Header();
  unknown.revision = unknown.weights_sha256 = unknown.text_encoder_sha256 = "";
  EXPECT_EQ(TraceWriter(path, unknown).runs().size(), 1u);
}

TEST(TraceWriter, EveryCutIsRepaired) {
  TempDir dir;
  const std::string whole = dir / "whole.jsonl";
  size_t header_and_first = 0;
  {
    TraceWriter writer(whole, Header());
    writer.Append(RunOf("a", 0));
    header_and_first = Slurp(whole).size();
    writer.Append(RunOf("b", 0));
  }
  const std::string text = Slurp(whole);
  for (size_t size = 0; size <= text.size(); ++size) {
    // Every byte near the ends of runs and of the file, some of the others: flushing takes time.
    const bool near_end =
        text.size() - size < 3 || (size + 3 > header_and_first && size < header_and_first + 3);
    if (!near_end && size % 37 != 0) continue;
    const std::string path = dir / "cut.jsonl";
    Spit(path, text.substr(0, size));
    TraceWriter writer(path, Header());
    const size_t runs = size == text.size() ? 2 : size >= header_and_first ? 1 : 0;
    ASSERT_EQ(writer.runs().size(), runs) << size;
    if (runs < 1) writer.Append(RunOf("a", 0));
    if (runs < 2) writer.Append(RunOf("b", 0));
    ASSERT_EQ(Slurp(path), text) << size;
  }
}

TEST(TraceWriter, WritesNothingOfARefusedRun) {
  TempDir dir;
  const std::string path = dir / "t.jsonl";
  TraceWriter writer(path, Header());
  writer.Append(RunOf("a", 0));
  const std::string before = Slurp(path);
  const auto expect_refused = [&](auto change, const char* what) {
    auto rows = RunOf("b", 0);
    change(&rows);
    EXPECT_THAT([&] { writer.Append(rows); }, ThrowsMessage<UserError>(HasSubstr(what)));
  };
  using Rows = std::vector<TraceRow>;
  expect_refused([](Rows* r) { *r = RunOf("a", 0); }, "already");
  expect_refused([](Rows* r) { (*r)[1].seed = 5; }, "two runs");
  expect_refused([](Rows* r) { (*r)[2].call = 1; }, "twice");
  expect_refused([](Rows* r) { (*r)[2].call = 3; }, "call");
  expect_refused([](Rows* r) { (*r)[2].branch = ""; }, "branch");
  expect_refused([](Rows* r) { (*r)[2].segment = -1; }, "segment");
  expect_refused([](Rows* r) { (*r)[2].sample = -1; }, "sample");
  expect_refused([](Rows* r) { (*r)[2].evaluations = 0; }, "evaluations");
  expect_refused([](Rows* r) { (*r)[1].mod.diff_l1 = std::nan(""); }, "diff_l1");
  expect_refused([](Rows* r) { (*r)[1].res.prev_l1 = std::numeric_limits<double>::infinity(); },
                 "prev_l1");
  expect_refused([](Rows* r) { (*r)[1].out.diff_l1 = -1; }, "negative");
  expect_refused([](Rows* r) { (*r)[1].prompt = (*r)[0].prompt = (*r)[2].prompt = "\xFF"; },
                 "UTF-8");
  EXPECT_EQ(Slurp(path), before);
  EXPECT_EQ(writer.runs().size(), 1u);
}

TEST(TraceWriter, RefusesWhatIsNoTrace) {
  TempDir dir;
  Spit(dir / "x", "hello\nworld\n");
  EXPECT_THROW(TraceWriter(dir / "x", Header()), UserError);
  EXPECT_EQ(Slurp(dir / "x"), "hello\nworld\n");
  Spit(dir / "line", "a line without an end");
  EXPECT_THROW(TraceWriter(dir / "line", Header()), UserError);
  EXPECT_EQ(Slurp(dir / "line"), "a line without an end");
  EXPECT_THROW(TraceWriter(dir / "none/x", Header()), UserError);
  TraceHeader bad = Header();
  bad.calls = 0;
  EXPECT_THROW(TraceWriter(dir / "y", bad), UserError);
  EXPECT_FALSE(std::filesystem::exists(dir / "y"));
}

TEST(ReadTrace, CutLastLineIsAWarning) {
  const Trace trace = ReadBehindHeader(
      "{\"prompt\":\"a\",\"seed\":0,\"call\":0,\"step\":0}\n{\"prompt\":\"a\",\"se");
  EXPECT_EQ(trace.rows.size(), 1u);
  ASSERT_EQ(trace.warnings.size(), 1u);
  EXPECT_THAT(trace.warnings[0], HasSubstr("t.jsonl:3: the last line is cut off"));
}

// Larger than the blocks in which a file is read.
TEST(ReadTrace, LargeFiles) {
  TempDir dir;
  TraceHeader header = Header();
  constexpr int kRuns = 1200;
  {
    TraceWriter writer(dir / "t.jsonl", header);
    for (int i = 0; i < kRuns; ++i) writer.Append(RunOf(std::string(4000 + i, 'p'), i));
  }
  ASSERT_GT(std::filesystem::file_size(dir / "t.jsonl"), 14'000'000u);
  const Trace trace = ReadTrace(dir / "t.jsonl");
  ASSERT_EQ(trace.rows.size(), 3u * kRuns);
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_EQ(trace.rows[3 * i + 2].seed, i);
    ASSERT_EQ(trace.rows[3 * i + 2].prompt.size(), 4000u + i);
  }
  std::ofstream(dir / "t.jsonl", std::ios::app) << "{\"prompt\": \"cut";
  EXPECT_THAT(ReadTrace(dir / "t.jsonl").warnings, ElementsAre(HasSubstr("t.jsonl:3602: ")));
  { TraceWriter(dir / "t.jsonl", header).Append(RunOf("another", 0)); }
  EXPECT_EQ(ReadTrace(dir / "t.jsonl").rows.size(), 3u * kRuns + 3);
  std::ofstream(dir / "t.jsonl", std::ios::app) << "[]\n";
  EXPECT_THAT([&] { ReadTrace(dir / "t.jsonl"); },
              ThrowsMessage<UserError>(HasSubstr("t.jsonl:3605:1")));
}

TEST(ReadTrace, WhatCannotBeRead) {
  TempDir dir;
  EXPECT_THAT([&] { ReadTrace(dir / "none.jsonl"); },
              ThrowsMessage<UserError>(HasSubstr("cannot be opened: No such file")));
  EXPECT_THAT([&] { ReadTrace(dir.path().string()); },
              ThrowsMessage<UserError>(HasSubstr("must be a file but is a folder")));
}

TEST(ReadTrace, MistakesNameTheLine) {
  const std::string good = "{\"prompt\":\"a\",\"seed\":0,\"call\":0,\"step\":0}\n";
  const auto expect_refused = [&](const std::string& line, const char* what) {
    EXPECT_THAT([&] { ReadBehindHeader(good + line + "\n"); },
                ThrowsMessage<UserError>(testing::AllOf(HasSubstr(":3"), HasSubstr(what))))
        << line;
  };
  expect_refused("", "JSON");
  expect_refused("[1]", "object");
  expect_refused("{\"prompt\":\"a\"", "JSON");
  expect_refused(R"({"prompt":"a","seed":0,"call":0,"step":0})", "also on line 2");
  expect_refused(R"({"seed":0,"call":1,"step":1})", "\"prompt\"");
  expect_refused(R"({"prompt":3,"seed":0,"call":1,"step":1})", "a string");
  expect_refused(R"({"prompt":"a","seed":0.5,"call":1,"step":1})", "an integer");
  expect_refused(R"({"prompt":"a","seed":99999999999999999999,"call":1,"step":1})", "integer");
  expect_refused(R"({"prompt":"a","seed":0,"call":3,"step":1})", "between 0 and 2");
  expect_refused(R"({"prompt":"a","seed":0,"call":-1,"step":1})", "between 0 and 2");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":3})", "step: must be between 0 and 2");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"branch":""})", "branch");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"stream":1})", "stream");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"segment":-1})", "segment");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"sample":1e9})", "sample");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"evaluations":0})", "evaluations");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"first":7})", "first");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"call":2})", "there once");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"x":2,"x":2})", "there once");
  const auto with_mod = [](const std::string& sums) {
    return R"({"prompt":"a","seed":0,"call":1,"step":1,"mod":)" + sums + "}";
  };
  expect_refused(with_mod("[1,2,3]"), "object");
  expect_refused(with_mod(R"({"diff_l1":NaN,"prev_l1":1,"n":1})"), "JSON");
  expect_refused(with_mod(R"({"diff_l1":null,"prev_l1":1,"n":1})"), "finite number");
  expect_refused(with_mod(R"({"diff_l1":1e999,"prev_l1":1,"n":1})"), "JSON");
  expect_refused(with_mod(R"({"diff_l1":-1,"prev_l1":1,"n":1})"), "negative");
  expect_refused(with_mod(R"({"diff_l1":1,"prev_l1":1,"n":0})"), "mod.n: must be positive");
  expect_refused(with_mod(R"({"diff_l1":1,"n":1})"), "prev_l1");
  expect_refused(with_mod(R"({"diff_l1":1,"prev_l1":1,"n":1,"n":1})"), "there once");
  expect_refused(with_mod(R"({"diff_l1":1,"prev_l1":1,"n":1,"ratio":1})"), "\"ratio\"");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"ms_head":-2})", "ms_head");
  expect_refused(R"({"prompt":"a","seed":0,"call":1,"step":1,"lookback":{}})", "lookback");
}

// Rows that only the general parser reads give the same as plain ones.
TEST(ReadTrace, EverySpellingReadsTheSame) {
  const std::string plain =
      R"({"prompt":"a b","seed":-3,"branch":"cond","call":2,"step":1,"timestep":0.5,)"
      R"("mod":{"diff_l1":150,"prev_l1":0.25,"n":9},"ms_head":3})";
  const std::string spellings[] = {
      plain,
      R"( {"prompt" : "a b", "seed":-3, "branch":"cond", "call":2, "step":1, "timestep":5e-1,
)"
      R"("mod":{"n":9,"diff_l1":1.5e2,"prev_l1":25E-2},"ms_head":3.0} )",
      R"({"prompt":"a\u0020b","seed":-3,"branch":"cond","call":2,"step":1,"timestep":0.5,)"
      R"("mod":{"diff_l1":150,"prev_l1":0.25,"n":9},"ms_head":3,"lookback":[]})",
  };
  const TraceRow expected = ReadBehindHeader(plain + "\n").rows.at(0);
  EXPECT_EQ(expected.prompt, "a b");
  EXPECT_EQ(expected.seed, -3);
  EXPECT_EQ(expected.mod.diff_l1, 150);
  EXPECT_EQ(expected.mod.n, 9);
  EXPECT_EQ(expected.ms_head, 3);
  for (std::string spelling : spellings) {
    std::erase(spelling, '\n');
    const Trace trace = ReadBehindHeader(spelling + "\n");
    ASSERT_EQ(trace.rows.size(), 1u);
    ExpectSame(trace.rows[0], expected);
    EXPECT_THAT(trace.warnings, IsEmpty());
  }
}

TEST(ReadTrace, NumbersThatJsonDoesNotKnow) {
  for (const char* number :
       {"01", "1.", ".5", "+1", "inf", "nan", "0x10", "1e", "-", "1.e5", "--1"}) {
    const std::string row =
        std::string(R"({"prompt":"a","seed":0,"call":1,"step":1,"timestep":)") + number + "}\n";
    EXPECT_THAT([&] { ReadBehindHeader(row); }, ThrowsMessage<UserError>(HasSubstr(":2")))
        << number;
  }
  EXPECT_THROW(ReadBehindHeader("{\"prompt\":\"a\",\"seed\":0,\"call\":1.5,\"step\":1}\n"),
               UserError);
}

TEST(ReadTrace, HeaderMistakes) {
  TempDir dir;
  const std::string path = dir / "t.jsonl";
  const auto expect_refused = [&](const std::string& text, const char* what) {
    Spit(path, text);
    EXPECT_THAT([&] { ReadTrace(path); }, ThrowsMessage<UserError>(HasSubstr(what))) << text;
  };
  expect_refused("", "empty");
  expect_refused("{\"format\":", "cut off");
  expect_refused("{\"a\":1}\n", "must have \"format\": \"teacache-trace\"");
  expect_refused("{\"format\":\"x\",\"version\":1}\n", "teacache-trace");
  expect_refused(R"({"format":"teacache-trace","version":2,"model":"m","steps":3,"calls":3})"
                 "\n",
                 "version: must be 1 but is 2");
  expect_refused(R"({"format":"teacache-trace","version":1,"model":"m","steps":3})"
                 "\n",
                 "calls");
  expect_refused(R"({"format":"teacache-trace","version":1,"model":"m","steps":0,"calls":3})"
                 "\n",
                 "steps");
  expect_refused(
      R"({"format":"teacache-trace","version":1,"model":"m","steps":3,"calls":3,"shard":2,"shards":2})"
      "\n",
      "shard");
  EXPECT_THROW(ReadTrace(dir / "none"), UserError);
  EXPECT_THROW(ReadTrace(dir.path().string()), UserError);
}

TEST(ReadTrace, UnknownFieldsAndOrderAreWarnings) {
  const Trace trace = ReadBehindHeader(R"({"prompt":"a","seed":0,"call":1,"step":1,"mood":1}
{"prompt":"a","seed":0,"call":0,"step":0,"mood":1}
)");
  EXPECT_EQ(trace.rows.size(), 2u);
  ASSERT_EQ(trace.warnings.size(), 2u);
  EXPECT_THAT(trace.warnings[0], HasSubstr(":2: unknown field \"mood\""));
  EXPECT_THAT(trace.warnings[1], HasSubstr(":3: calls of a run should ascend"));
}

TEST(ReadTrace, StreamsSegmentsAndSamplesTellRowsApart) {
  const std::string row = R"({"prompt":"a","seed":0,"call":1,"step":1)";
  const Trace trace = ReadBehindHeader(row + "}\n" + row + ",\"stream\":\"audio\"}\n" + row +
                                       ",\"segment\":1}\n" + row + ",\"sample\":1}\n");
  EXPECT_EQ(trace.rows.size(), 4u);
  EXPECT_THAT(trace.warnings, IsEmpty());
  EXPECT_THAT([&] { ReadBehindHeader(row + ",\"sample\":1}\n" + row + ",\"sample\":1}\n"); },
              ThrowsMessage<UserError>(HasSubstr("call 1, sample 1 is also on line 2")));
  // Calls ascend in each of them.
  const std::string first = R"({"prompt":"a","seed":0,"call":0,"step":0,"segment":1})";
  EXPECT_THAT(ReadBehindHeader(row + "}\n" + first + "\n").warnings, IsEmpty());
}

Trace MakeTrace(const std::vector<TraceRow>& rows, int shard = 0, int shards = 1) {
  Trace trace;
  trace.header = Header();
  trace.header.shard = shard;
  trace.header.shards = shards;
  trace.rows = rows;
  return trace;
}

TEST(MergeTraces, AppendsDifferentRuns) {
  const Trace merged =
      MergeTraces({MakeTrace(RunOf("a", 0)), MakeTrace(RunOf("b", 0))}, {"x", "y"});
  EXPECT_EQ(merged.rows.size(), 6u);
  EXPECT_THAT(merged.warnings, IsEmpty());
}

TEST(MergeTraces, RefusesDuplicatesAndOtherSettings) {
  EXPECT_THAT(
      [] {
        MergeTraces({MakeTrace(RunOf("a", 0)), MakeTrace(RunOf("a", 0))}, {"x", "y"});
      },
      ThrowsMessage<UserError>(testing::AllOf(HasSubstr("y: "), HasSubstr("of x"))));
  Trace other = MakeTrace(RunOf("b", 0));
  other.header.steps = 30;
  EXPECT_THAT(
      [&] {
        MergeTraces({MakeTrace(RunOf("a", 0)), other}, {"x", "y"});
      },
      ThrowsMessage<UserError>(HasSubstr("y: must be recorded with the same settings as x "
                                         "but differs in steps (3 and 30)")));
  EXPECT_THROW(MergeTraces({}, {}), UserError);
}

TEST(MergeTraces, AddsTensorShardsExactly) {
  auto left = RunOf("a", 0);
  auto right = RunOf("a", 0);
  left[1].mod = {1.25, 4, 100};
  right[1].mod = {0.5, 8, 60};
  left[1].first = {1, 2, 100};
  right[1].first = {3, 4, 60};
  left[1].ms_blocks = 5;
  right[1].ms_blocks = 9;
  const Trace merged = MergeTraces({MakeTrace(left, 0, 2), MakeTrace(right, 1, 2)}, {"x", "y"});
  ASSERT_EQ(merged.rows.size(), 3u);
  ExpectSame(merged.rows[1].mod, {1.75, 12, 160});
  ExpectSame(merged.rows[1].first, {4, 6, 160});
  EXPECT_EQ(merged.rows[1].ms_blocks, 9);
  EXPECT_EQ(merged.header.shards, 1);
}

TEST(MergeTraces, AddsShardsOfEachStreamAndSample) {
  const auto rows = RunOfStreams();
  const Trace merged = MergeTraces({MakeTrace(rows, 0, 2), MakeTrace(rows, 1, 2)}, {"x", "y"});
  ASSERT_EQ(merged.rows.size(), rows.size());
  ExpectSame(merged.rows.back().first, {1, 6, 200});
  EXPECT_EQ(merged.rows.back().evaluations, 2);
  auto other = rows;
  other[3].evaluations = 1;
  EXPECT_THAT(
      [&] {
        MergeTraces({MakeTrace(rows, 0, 2), MakeTrace(other, 1, 2)}, {"x", "y"});
      },
      ThrowsMessage<UserError>(HasSubstr("y: shards must have measured the same")));
}

TEST(MergeTraces, NamesMissingShardsAndParts) {
  EXPECT_THAT([] { MergeTraces({MakeTrace(RunOf("a", 0), 1, 3)}, {"x"}); },
              ThrowsMessage<UserError>(HasSubstr("shard 0, 2 is missing")));
  Trace part = MakeTrace(RunOf("a", 0));
  part.header.part = 1;
  part.header.parts = 3;
  const Trace merged = MergeTraces({part}, {"x"});
  ASSERT_EQ(merged.warnings.size(), 1u);
  EXPECT_THAT(merged.warnings[0], HasSubstr("part 0, 2 is missing"));
}

TEST(L1Sums, Ratio) {
  EXPECT_EQ((L1Sums{1, 4, 2}.Ratio()), 0.25);
  EXPECT_EQ((L1Sums{1, 0, 2}.Ratio()), 0);
  EXPECT_FALSE(L1Sums{}.measured());
}

}  // namespace
}  // namespace teacache
