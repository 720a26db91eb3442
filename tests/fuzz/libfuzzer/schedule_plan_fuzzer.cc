// Plans: a plan or UserError; what was read can be written and reads the same.
#include <cstdlib>

#include "datasets/base/error.h"
#include "datasets/trace/schedule_plan.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const teacache::FuzzFolder folder;
  teacache::SchedulePlan plan;
  const std::string path = folder.Write("fuzz.json", data, size);
  try {
    plan = teacache::ReadSchedulePlan(path);
  } catch (const teacache::UserError&) {
    return 0;
  }
  const std::string text = teacache::SchedulePlanToJson(plan);
  teacache::WriteSchedulePlan(path, plan);
  if (teacache::SchedulePlanToJson(teacache::ReadSchedulePlan(path)) != text) std::abort();
  return 0;
}
