#pragma once

#include <map>
#include <string>
#include <variant>

#include "calib/rules/policy_options.h"
#include "datasets/base/archive.h"

namespace teacache {

// What decides about the pixels in a cache policy, as run.json and the journals of run folders and
// sweeps keep it: its name as "cache", and its fields (VisitFields in policy_options.h), each as
// JSON. In the order of the names, which keys of sweeps are digests of.
struct PolicyRecord {
  std::map<std::string, std::string> fields;

  template <typename T>
  void Set(const std::string& name, const T& value) {
    fields[name] = ToJson(value, name);
  }
};

template <typename Archive>
void Visit(Archive& archive, PolicyRecord& record) {
  if constexpr (Archive::kReads) {
    for (const std::string& name : archive.Unknown()) record.fields[name];
  }
  for (auto& [name, json] : record.fields) archive.Required(name, JsonAsText{json});
}

inline PolicyRecord RecordOf(const PolicyOptions& options) {
  PolicyRecord record;
  record.Set("cache", PolicyName(options));
  const auto set = [&record](const char* name, const auto& value) { record.Set(name, value); };
  std::visit([&set](const auto& policy) { policy.VisitFields(set); }, options);
  return record;
}

}  // namespace teacache
