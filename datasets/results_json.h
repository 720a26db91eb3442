#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "datasets/csv.h"
#include "datasets/results.h"

namespace teacache {

// What the files of results have in common. Public headers do not show
// JSON types.

// A number, or null for NaN and infinities, which JSON has not.
nlohmann::ordered_json NumberOrNull(double value);
// The other way round: `null_means` for null. Throws UserError for anything but a number.
double NumberOr(const nlohmann::json& value, double null_means, const std::string& where);

// A list of texts; absent = empty. Throws UserError.
std::vector<std::string> StringList(const nlohmann::json& json,
                                    const char* name,
                                    const std::string& where);

// [lo, hi], or [null, null] where there is no interval.
nlohmann::ordered_json IntervalToJson(const std::optional<Interval>& interval);

nlohmann::ordered_json VideoInfoToJson(const VideoInfo& info);
VideoInfo VideoInfoFromJson(const nlohmann::json& json, const std::string& where);

nlohmann::ordered_json MetricSummaryToJson(const MetricSummary& summary);
MetricSummary MetricSummaryFromJson(const nlohmann::json& json, const std::string& where);

// Texts of damaged names must not make a whole file unwritable: bad UTF-8 is replaced. `indent` -1
// = one line.
std::string DumpText(const nlohmann::ordered_json& json, int indent);

}  // namespace teacache
