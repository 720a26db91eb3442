#include "reports/pages/columns.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

bool SameKeys(const Json& a, const Json& b) {
  const auto& left = a.get_ref<const Json::object_t&>();
  const auto& right = b.get_ref<const Json::object_t&>();
  return std::ranges::equal(
      left, right, [](const auto& p, const auto& q) { return p.first == q.first; });
}

bool AllAlike(const Json& list) {
  return std::ranges::all_of(list, [&list](const Json& item) {
    return item.is_object() && !item.empty() && SameKeys(item, list.front());
  });
}

// The member at a place: an ordered object is a vector of its members.
auto& Member(Json& object, size_t place) {
  return *std::next(object.get_ref<Json::object_t&>().begin(), static_cast<std::ptrdiff_t>(place));
}

Json Table(Json& list) {
  Json columns = Json::object();
  const size_t width = list.front().size();
  for (size_t i = 0; i < width; ++i) {
    Json column = Json::array();
    for (Json& item : list) column.push_back(std::move(Member(item, i).second));
    columns[Member(list.front(), i).first] = ToColumns(std::move(column));
  }
  return {{"@rows", list.size()}, {"columns", std::move(columns)}};
}

// Objects with gaps.
Json Known(Json& list) {
  std::string known;
  Json values = Json::array();
  for (Json& item : list) {
    known += item.is_null() ? '0' : '1';
    if (!item.is_null()) values.push_back(std::move(item));
  }
  return {{"@known", known}, {"values", ToColumns(std::move(values))}};
}

Json Flat(Json& list) {
  Json lengths = Json::array();
  Json values = Json::array();
  for (Json& inner : list) {
    lengths.push_back(inner.size());
    for (Json& item : inner) values.push_back(std::move(item));
  }
  return {{"@lengths", std::move(lengths)}, {"values", ToColumns(std::move(values))}};
}

}  // namespace

Json ToColumns(Json value) {
  if (value.is_array() && value.size() > 1) {
    if (AllAlike(value)) return Table(value);
    const auto is = [&value](auto test) { return std::ranges::all_of(value, test); };
    const bool gaps = is([](const Json& item) { return item.is_object() || item.is_null(); }) &&
                      !is([](const Json& item) { return item.is_null(); }) &&
                      std::ranges::any_of(value, [](const Json& item) { return item.is_null(); });
    if (gaps) return Known(value);
    if (is([](const Json& item) { return item.is_array(); })) return Flat(value);
  }
  if (value.is_structured()) {
    for (Json& item : value) item = ToColumns(std::move(item));
  }
  return value;
}

}  // namespace teacache
