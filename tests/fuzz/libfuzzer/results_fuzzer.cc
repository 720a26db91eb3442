// results.json and journals: contents or UserError; results that are accepted can be written.
#include "datasets/base/error.h"
#include "datasets/base/journal.h"
#include "datasets/results.h"
#include "tests/fuzz/libfuzzer/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const teacache::FuzzFolder folder;
  const std::string path = folder.Write("fuzz.json", data, size);
  try {
    teacache::ReadJournal(path);
  } catch (const teacache::UserError&) {
  }
  try {
    const teacache::Results results = teacache::ReadResults(path);
    teacache::ResultsToJson(results);
    teacache::ResultsToCsv(results);
  } catch (const teacache::UserError&) {
  }
  return 0;
}
