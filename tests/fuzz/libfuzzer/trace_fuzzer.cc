// Traces: rows or UserError, also when merged with themselves.
#include "datasets/base/error.h"
#include "datasets/trace/trace.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const teacache::FuzzFolder folder;
  try {
    const teacache::Trace trace = teacache::ReadTrace(folder.Write("fuzz.jsonl", data, size));
    teacache::MergeTraces({trace, trace}, {"a", "b"});
  } catch (const teacache::UserError&) {
  }
  return 0;
}
