#include "reports/kit/html_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Base64, AsRfc4648Shows) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foob"), "Zm9vYg==");
  EXPECT_EQ(Base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64("\xff\xfe\xfd"), "//79");
}

TEST(EscapeHtml, LeavesNothingThatMeansSomething) {
  EXPECT_EQ(EscapeHtml("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
}

TEST(Prose, KeepsUnitsWithTheirNumbers) {
  EXPECT_EQ(Prose("the worst 5 % keep 30 dB & more"),
            "the worst 5&nbsp;% keep 30&nbsp;dB &amp; more");
}

TEST(DataElement, CannotBeEndedByItsContent) {
  const std::string html = DataElement("a\"b", R"({"text": "</script><b>"})");
  EXPECT_THAT(html, HasSubstr("id=\"a&quot;b\""));
  EXPECT_THAT(html, HasSubstr(R"("\u003c/script>\u003cb>")"));
}

TEST(ChartHtml, NamesItsButtons) {
  const std::string html = ChartHtml({.id = "a",
                                      .title = "Speed & quality",
                                      .caption = "Read it so.",
                                      .variants = {{"psnr", "PSNR"}, {"ssim", "SSIM"}}});
  EXPECT_THAT(html, HasSubstr("data-variant=\"psnr\" aria-pressed=\"true\">PSNR<"));
  EXPECT_THAT(html, HasSubstr("data-variant=\"ssim\" aria-pressed=\"false\">SSIM<"));
  EXPECT_THAT(html, HasSubstr("aria-label=\"Save Speed &amp; quality as CSV\""));
  EXPECT_THAT(html, HasSubstr("role=\"img\" aria-label=\"Speed &amp; quality. Read it so.\""));
  EXPECT_THAT(ChartHtml({.id = "a", .title = "b"}), Not(HasSubstr("data-variant")));
}

TEST(PlotlyText, IsOfTheVersionThatItSays) {
  EXPECT_TRUE(std::regex_match(std::string(PlotlyVersion()), std::regex(R"(\d+\.\d+\.\d+)")));
  // Gzip begins with 1f 8b 08.
  EXPECT_TRUE(PlotlyText().starts_with("H4sI"));
}

}  // namespace
}  // namespace teacache
