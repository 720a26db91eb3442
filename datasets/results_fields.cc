#include "datasets/results_fields.h"

#include <cmath>

namespace teacache {

void IntervalOrNulls::ReadJson(const JsonNode& node) const {
  const auto ends = FromJson<std::array<std::optional<double>, 2>>(node);
  interval.reset();
  if (ends[0] && ends[1]) interval = Interval{*ends[0], *ends[1]};
}

void IntervalOrNulls::WriteJson(JsonText* text) const {
  std::array<std::optional<double>, 2> ends;
  if (interval) ends = {interval->lo, interval->hi};
  json_values::Write(text, ends);
}

void NumberLists::ReadJson(const JsonNode& node) const {
  lists.clear();
  for (const auto& [name, list] : node.Members()) {
    std::vector<double>& numbers = lists[std::string(name)];
    list.ForEachElement([&numbers](const JsonNode& number) {
      NumberOrNull{numbers.emplace_back(), std::numeric_limits<double>::infinity()}.ReadJson(
          number);
    });
  }
}

void NumberLists::WriteJson(JsonText* text) const {
  text->Begin('{');
  for (auto& [name, list] : lists) {
    text->Name(name);
    text->Begin('[');
    for (double& number : list) NumberOrNull{number}.WriteJson(text);
    text->End(']');
  }
  text->End('}');
}

void MetricsJson::ReadJson(const JsonNode& node) const {
  metrics.clear();
  for (auto& metric : FromJson<std::vector<DescribedMetric>>(node)) {
    metrics.push_back(std::move(metric.info));
  }
}

void MetricsJson::WriteJson(JsonText* text) const {
  text->Begin('[');
  for (const MetricInfo& metric : metrics) json_values::Write(text, DescribedMetric{metric});
  text->End(']');
}

}  // namespace teacache
