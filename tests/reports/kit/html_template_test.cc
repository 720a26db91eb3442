#include "reports/kit/html_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace teacache {
namespace {

TEST(FillTemplate, EscapesUnlessHtmlIsAskedFor) {
  EXPECT_EQ(FillTemplate("<b>{{a}}</b>{{{a}}}", {{"a", "x < y"}}), "<b>x &lt; y</b>x < y");
  EXPECT_EQ(FillTemplate("{{~a}}, {{n}}", {{"a", "5 % & more"}, {"n", 3}}),
            "5&nbsp;% &amp; more, 3");
}

TEST(FillTemplate, SectionsRepeatForLists) {
  EXPECT_EQ(FillTemplate("{{#rows}}<{{name}} {{unit}}>{{/rows}}",
                         {{"unit", "s"}, {"rows", {{{"name", "a"}}, {{"name", "b"}}}}}),
            "<a s><b s>");
  EXPECT_EQ(FillTemplate("{{#words}}{{.}};{{/words}}", {{"words", {"one", "two", "three"}}}),
            "one;two;three;");
}

TEST(FillTemplate, SectionsOfWhatIsNotThereAreLeftOut) {
  for (const auto& value : {nlohmann::ordered_json(nullptr),
                            nlohmann::ordered_json(false),
                            nlohmann::ordered_json(""),
                            nlohmann::ordered_json::array()}) {
    EXPECT_EQ(FillTemplate("{{#a}}yes{{#b}}{{c}}{{/b}}{{/a}}{{^a}}no{{/a}}", {{"a", value}}), "no")
        << value;
  }
  EXPECT_EQ(FillTemplate("{{#a}}yes{{/a}}{{^a}}no{{/a}}", nlohmann::ordered_json::object()), "no");
  EXPECT_EQ(FillTemplate("{{#a}}{{a}}{{/a}}{{^a}}no{{/a}}", {{"a", "yes"}}), "yes");
  // Zero is a value.
  EXPECT_EQ(FillTemplate("{{#a}}{{a}}{{/a}}", {{"a", 0}}), "0");
}

TEST(FillTemplate, ATagAloneOnItsLineLeavesNoLine) {
  EXPECT_EQ(FillTemplate("a\n{{#b}}\n{{b}}\n{{/b}}\nc {{#b}}d{{/b}}\n", {{"b", "x"}}),
            "a\nx\nc d\n");
}

TEST(FillTemplate, FaultsOfATemplateAreFound) {
  const nlohmann::ordered_json none = nlohmann::ordered_json::object();
  for (const char* html : {"{{a}}", "{{a", "{{#a}}", "{{#a}}{{/b}}", "{{/a}}", "{{{a}}"}) {
    EXPECT_THROW(FillTemplate(html, none), std::invalid_argument) << html;
  }
  EXPECT_THROW(FillTemplate("{{a}}", {{"a", {1, 2}}}), std::invalid_argument);
}

}  // namespace
}  // namespace teacache
