#include "datasets/base/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "datasets/base/error.h"

namespace teacache {

struct ArchivePoint {
  double x = 0;
  double y = std::numeric_limits<double>::quiet_NaN();

  bool operator==(const ArchivePoint&) const = default;
};

struct ArchiveSample {
  std::string name;
  int64_t count = 0;
  int small = 7;
  bool flag = false;
  std::optional<double> maybe;
  std::vector<std::string> texts;
  std::map<std::string, ArchivePoint> points;
  std::vector<bool> calls;
  std::string title = "none";
};

template <typename Archive>
void Visit(Archive& archive, ArchivePoint& point) {
  archive.Required("x", point.x);
  archive.Check(point.x >= 0, "must not be negative");
  archive("y", NumberOrNull{point.y});
}

template <typename Archive>
void Visit(Archive& archive, ArchiveSample& sample) {
  archive.Format("sample", 3, 2);
  archive.Required("name", sample.name);
  archive("count", sample.count);
  archive.CheckBetween(sample.count, -5, std::numeric_limits<int64_t>::max());
  archive.Optional("small", sample.small, 7);
  archive("flag", sample.flag);
  archive("maybe", sample.maybe);
  archive("texts", sample.texts);
  archive.OptionalUnless(sample.points.empty(), "points", sample.points);
  archive("calls", CallsText{sample.calls});
  archive("title", sample.title);
}

namespace {

using testing::HasSubstr;
using testing::StartsWith;
using testing::ThrowsMessage;

ArchiveSample Read(const std::string& text) { return FromJson<ArchiveSample>(text, "s.json"); }

// A sample with these fields behind format, version and name.
ArchiveSample ReadFields(const std::string& fields) {
  return Read(R"({"format":"sample","version":3,"name":"a")" + fields + "}");
}

void ExpectRefused(const std::string& fields, const std::string& what) {
  EXPECT_THAT([&] { ReadFields(fields); },
              ThrowsMessage<UserError>(testing::AllOf(StartsWith("s.json:1:"), HasSubstr(what))))
      << fields;
}

TEST(Archive, ReadsBackWhatItWrote) {
  ArchiveSample sample;
  sample.name = "\"é\n\x01 猫";
  sample.count = std::numeric_limits<int64_t>::max();
  sample.small = -3;
  sample.flag = true;
  sample.maybe = 0.1;
  sample.texts = {"", "b"};
  sample.points["p"] = {1e-300, 1.0 / 3};
  sample.points["q"].x = 5e22;
  sample.calls = {true, false, true};
  for (const int indent : {-1, 2}) {
    const ArchiveSample read = Read(ToJson(sample, "s", indent));
    EXPECT_EQ(read.name, sample.name);
    EXPECT_EQ(read.count, sample.count);
    EXPECT_EQ(read.small, -3);
    EXPECT_TRUE(read.flag);
    EXPECT_EQ(read.maybe, 0.1);
    EXPECT_EQ(read.texts, sample.texts);
    EXPECT_EQ(read.points.at("p"), sample.points.at("p"));
    EXPECT_EQ(read.points.at("q").x, 5e22);
    EXPECT_TRUE(std::isnan(read.points.at("q").y));
    EXPECT_EQ(read.calls, sample.calls);
    EXPECT_EQ(read.title, "none");
  }
}

TEST(Archive, WritesCompactAndIndented) {
  ArchivePoint point{2, 0.5};
  EXPECT_EQ(ToJson(point, "p"), R"({"x":2.0,"y":0.5})");
  EXPECT_EQ(ToJson(point, "p", 2), "{\n  \"x\": 2.0,\n  \"y\": 0.5\n}");
  JsonText lists("l", 1, BadUtf8::kRefuse);
  lists.Begin('{');
  lists.Name("empty");
  lists.Begin('[');
  lists.End(']');
  lists.Name("full");
  lists.Begin('[');
  lists.Value(int64_t{1});
  lists.Null();
  lists.End(']');
  lists.End('}');
  EXPECT_EQ(lists.text(), "{\n \"empty\": [],\n \"full\": [\n  1,\n  null\n ]\n}");
}

TEST(Archive, AbsentFieldsKeepTheirDefaults) {
  const ArchiveSample sample = ReadFields("");
  EXPECT_EQ(sample.small, 7);
  EXPECT_EQ(sample.title, "none");
  EXPECT_FALSE(sample.maybe);
  EXPECT_THAT(ToJson(sample, "s"), testing::Not(HasSubstr("small")));
}

TEST(Archive, ReadsFieldsInAnyOrder) {
  const ArchiveSample sample = Read(
      R"({"title":"t","small":1,"count":-5,"name":"n","version":2,"maybe":null,"format":"sample"})");
  EXPECT_EQ(sample.title, "t");
  EXPECT_EQ(sample.count, -5);
  EXPECT_EQ(sample.name, "n");
}

TEST(Archive, MistakesNamePlaceAndPath) {
  ExpectRefused(R"(,"flag":1)", "flag: must be true or false but is 1");
  ExpectRefused(R"(,"count":1.0)", "count: must be an integer but is 1.0");
  ExpectRefused(R"(,"count":9223372036854775808)", "count: must be an integer");
  ExpectRefused(R"(,"count":-6)", "count: must be between -5 and ");
  ExpectRefused(R"(,"small":2147483648)", "small: must be an integer in its range");
  ExpectRefused(R"(,"maybe":"1")", "maybe: must be a finite number but is \"1\"");
  ExpectRefused(R"(,"texts":["a",null])", "texts[1]: must be a string but is null");
  ExpectRefused(R"(,"texts":{})", "texts: must be a list");
  ExpectRefused(R"(,"points":{"p":{"x":-1}})", "points.p.x: must not be negative but is -1");
  ExpectRefused(R"(,"points":{"p":{}})", "points.p: must have the field \"x\"");
  ExpectRefused(R"(,"points":{"p":{"x":1},"p":{"x":1}})", "points.p: must be there once");
  ExpectRefused(R"(,"calls":"CCX")", "calls: must be a text of C and S");
  ExpectRefused(R"(,"other":1)", "one is \"other\"");
  ExpectRefused(R"(,"name":"b")", "name: must be there once but is \"b\"");
  EXPECT_THAT([] { Read("[]"); }, ThrowsMessage<UserError>(HasSubstr("must be an object")));
  EXPECT_THAT([] { Read("{\n \"format\": \"else\"}"); },
              ThrowsMessage<UserError>(HasSubstr("s.json:2:12: format: must have")));
  EXPECT_THAT([] { Read(R"({"format":"sample","version":4,"name":""})"); },
              ThrowsMessage<UserError>(HasSubstr("version: must be 2 to 3 but is 4 (written by a "
                                                 "newer version")));
  EXPECT_THAT([] { Read(R"({"format":"sample","version":3)"); },
              ThrowsMessage<UserError>(HasSubstr("must be valid JSON but is not")));
}

TEST(Archive, PlacesAreThoseInTheText) {
  EXPECT_THAT(
      [] {
        Read(
            "{\"format\":\"sample\",\"version\":3,\"name\":\"a\",\n \"texts\": [\"x, [\\\"\",\n  {}]}");
      },
      ThrowsMessage<UserError>(HasSubstr("s.json:3:3: texts[1]: must be a string but is {}")));
}

TEST(Archive, DeepTextsAreRefused) {
  ExpectRefused(",\"texts\":" + std::string(63, '[') + std::string(63, ']'), "");
  EXPECT_THAT([] { ReadFields(",\"texts\":" + std::string(200000, '[')); },
              ThrowsMessage<UserError>(HasSubstr("at most 64 levels")));
}

TEST(Archive, WritingRefusesWhatReadingWould) {
  EXPECT_THAT(
      [] {
        ToJson(ArchivePoint{-1, 0}, "p.json");
      },
      ThrowsMessage<UserError>(HasSubstr("p.json: x must not be negative but is -1.0")));
  EXPECT_THAT(
      [] {
        ToJson(ArchivePoint{std::nan(""), 0}, "p.json");
      },
      ThrowsMessage<UserError>(HasSubstr("p.json: x must be a finite number but is nan")));
  ArchiveSample sample;
  sample.count = -6;
  EXPECT_THAT([&] { ToJson(sample, "s"); },
              ThrowsMessage<UserError>(HasSubstr("count must be between")));
  sample.count = 0;
  sample.name = "\xff";
  EXPECT_THAT([&] { ToJson(sample, "s"); }, ThrowsMessage<UserError>(HasSubstr("UTF-8")));
  EXPECT_THAT(ToJson(sample, "s", -1, BadUtf8::kReplace), HasSubstr("\xEF\xBF\xBD"));
}

TEST(JsonLines, NamesLinesAndFindsACut) {
  const std::string text = "{\"x\":1}\n{\"x\":-2}\n{\"x\"";
  JsonLines lines(text, "l.jsonl");
  ASSERT_TRUE(lines.Next());
  EXPECT_EQ(lines.value().At("x").Integer(), 1);
  EXPECT_EQ(lines.end(), 8u);
  ASSERT_TRUE(lines.Next());
  EXPECT_EQ(lines.Where(), "l.jsonl:2");
  EXPECT_THAT(
      [&] {
        ArchivePoint point;
        JsonReader reader(lines.value());
        Visit(reader, point);
      },
      ThrowsMessage<UserError>(HasSubstr("l.jsonl:2:6: x: must not be negative but is -2")));
  EXPECT_TRUE(lines.IsCut());
  EXPECT_FALSE(lines.Next());
}

TEST(Archive, ListsOfAKnownLength) {
  using Pairs = std::vector<std::pair<std::string, bool>>;
  EXPECT_EQ(FromJson<Pairs>(R"([["a",true],["b",false]])", "l"),
            (Pairs{{"a", true}, {"b", false}}));
  EXPECT_EQ(ToJson(Pairs{{"a", true}}, "l"), R"([["a",true]])");
  EXPECT_EQ((FromJson<std::array<int, 3>>("[1,2,3]", "l")), (std::array{1, 2, 3}));
  EXPECT_EQ(ToJson(std::array{1, 2}, "l"), "[1,2]");
  EXPECT_EQ(ToJson(std::tuple<std::string, double, int>("a", 0.5, 1), "l"), R"(["a",0.5,1])");
  for (const char* text : {"[1]", "[1,2,3]", "{}", "3"}) {
    EXPECT_THAT([&] { (FromJson<std::array<int, 2>>(text, "l")); },
                ThrowsMessage<UserError>(HasSubstr("l:1:1: must be a list of 2 but is")))
        << text;
  }
}

TEST(Archive, WritesWhatWasParsed) {
  const std::string text =
      R"({"a":[1,-2.5,1e+22,true,null],"b":{"\u0001":"é"},"c":[],"d":9223372036854775807})";
  EXPECT_EQ(ToJson(ParsedJson(text, "t").root(), "t"), text);
}

TEST(JsonNode, FieldsOfOtherToolsMayBeNull) {
  const ParsedJson json(R"({"a":1,"b":null,"twice":{"x":1,"x":2}})", "f.json");
  const JsonNode root = json.root();
  int value = 7;
  EXPECT_TRUE(ReadGiven(root, "a", &value));
  EXPECT_EQ(value, 1);
  EXPECT_FALSE(ReadGiven(root, "b", &value));
  EXPECT_FALSE(ReadGiven(root, "c", &value));
  EXPECT_EQ(value, 1);
  EXPECT_TRUE(root.Has("b"));
  EXPECT_THAT(root.Members(), testing::SizeIs(3));
  EXPECT_THAT([&] { root.At("twice").Members(); },
              ThrowsMessage<UserError>("f.json:1:36: twice.x: must be there once but is 2"));
}

TEST(Json, Utf8) {
  EXPECT_TRUE(IsUtf8("é"));
  EXPECT_FALSE(IsUtf8("\xff"));
}

// Whatever is done to a text, it is read or refused, and the message finds its place.
TEST(Archive, DamagedTextsAreReadOrRefused) {
  const std::string good =
      R"({"format":"sample","version":3,"name":"a\"b","count":7,"texts":["é","[,"],"points":{"p":)"
      R"({"x":1e-3,"y":null}},"flag":true,"title":"\u00e9"})";
  const std::string pieces = "0123456789.eE+-\"\\{}[]:,tfn \n\xc3\xa9";
  std::mt19937 random(5);
  int read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = good;
    for (unsigned i = 0; i < 1 + round % 3u; ++i) {
      const size_t at = random() % text.size();
      if (random() % 2 == 0) {
        text[at] = pieces[random() % pieces.size()];
      } else {
        text.erase(at, 1 + random() % 3);
      }
    }
    try {
      Read(text);
      ++read;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), StartsWith("s.json:"));
    }
  }
  EXPECT_GT(read, 100);
}

}  // namespace
}  // namespace teacache
