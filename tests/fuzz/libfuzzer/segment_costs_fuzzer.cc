// Segment costs: rows or UserError; what was read can be written and reads the same.
#include <cstdlib>

#include "datasets/base/error.h"
#include "datasets/trace/segment_costs.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const teacache::FuzzFolder folder;
  teacache::SegmentCosts costs;
  const std::string path = folder.Write("fuzz.jsonl", data, size);
  try {
    costs = teacache::ReadSegmentCosts(path);
  } catch (const teacache::UserError&) {
    return 0;
  }
  teacache::WriteSegmentCosts(path, costs);
  if (teacache::ReadSegmentCosts(path).rows.size() != costs.rows.size()) std::abort();
  return 0;
}
