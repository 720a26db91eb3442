#include <benchmark/benchmark.h>

#include <filesystem>
#include <string>

#include "datasets/trace/trace.h"
#include "datasets/trace/trace_writer.h"

namespace teacache {
namespace {

// A trace of 140 runs of 50 calls, as record-diffs writes it.
void BM_ReadTrace(benchmark::State& state) {
  const std::string path =
      (std::filesystem::temp_directory_path() / "teacache_trace_benchmark.jsonl").string();
  std::filesystem::remove(path);
  TraceHeader header;
  header.model = "shapes";
  header.steps = header.calls = 50;
  TraceWriter writer(path, header);
  for (int run = 0; run < 140; ++run) {
    std::vector<TraceRow> rows;
    for (int call = 0; call < 50; ++call) {
      TraceRow row;
      row.prompt = "a red circle moves to the right over a blue background " + std::to_string(run);
      row.branch = "batched";
      row.call = row.step = call;
      row.timestep = 1000.0 * (50 - call) / 51;
      if (call > 0)
        row.mod = row.res = row.out = {123.456789 / (call + 1), 98765.4321 / call, 1 << 20};
      row.ms_embed = 0.123;
      row.ms_blocks = 45.678;
      row.ms_head = 0.234;
      rows.push_back(row);
    }
    writer.Append(rows);
  }
  for (auto _ : state) benchmark::DoNotOptimize(ReadTrace(path));
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * std::filesystem::file_size(path)));
  std::filesystem::remove(path);
}
BENCHMARK(BM_ReadTrace)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace teacache
