#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "calib/importers/importers.h"

namespace teacache {
namespace {

constexpr int kPairs = 250000;
constexpr int kPairsOfRun = 49;

// Files as programs write them: numbers with all the digits that doubles have.
class Numbers {
 public:
  double Next() { return uniform_(random_); }
  std::string List() {
    std::string text = "[";
    for (int i = 0; i < kPairs; ++i) text += fmt::format("{}{}", i > 0 ? ", " : "", Next());
    return text + "]";
  }

 private:
  std::mt19937 random_{4};
  std::uniform_real_distribution<double> uniform_{0.01, 0.5};
};

std::string MlxText() {
  Numbers numbers;
  return fmt::format(R"({{"x_values": {}, "y_values": {}}})", numbers.List(), numbers.List());
}

std::string VllmOmniText() {
  Numbers numbers;
  std::string text = "[";
  for (int i = 0; i < kPairs; ++i) {
    text += fmt::format("{}[{}, {}]", i > 0 ? ", " : "", numbers.Next(), numbers.Next());
  }
  return text + "]";
}

std::string DiffletText() {
  Numbers numbers;
  std::string text = R"({"num_steps": 50, "trajectories": [)";
  for (int i = 0; i < kPairs; ++i) {
    const int step = i % kPairsOfRun;
    if (step == 0) {
      text +=
          fmt::format(R"({}{{"prompt": "p {}", "seed": 1, "trajectory": [)", i ? "]}, " : "", i);
    }
    text += fmt::format(R"({}{{"step": {}, "signal": {}, "delta": {}}})",
                        step > 0 ? ", " : "",
                        step + 1,
                        numbers.Next(),
                        numbers.Next());
  }
  return text + "]}]}";
}

std::string SglangText() {
  Numbers numbers;
  std::string text = R"({"single": {)";
  for (int i = 1; i <= kPairs; ++i) {
    text += fmt::format(
        R"({}"{}": [70, {}, {}])", i > 1 ? ", " : "", i, numbers.Next(), numbers.Next());
  }
  return text + "}}";
}

std::string CsvText() {
  Numbers numbers;
  std::string text = "prompt,step,x,y\n";
  for (int i = 0; i < kPairs; ++i) {
    text += fmt::format(
        "{},{},{},{}\n", i / kPairsOfRun, i % kPairsOfRun + 1, numbers.Next(), numbers.Next());
  }
  return text;
}

// From the file (in the page cache) to pairs.
void BM_Import(benchmark::State& state, std::string (*make_text)()) {
  const std::string path =
      (std::filesystem::temp_directory_path() / "teacache_import_benchmark").string();
  std::ofstream(path, std::ios::binary) << make_text();
  for (auto _ : state) benchmark::DoNotOptimize(ImportPairs(path));
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * std::filesystem::file_size(path)));
  std::filesystem::remove(path);
}
BENCHMARK_CAPTURE(BM_Import, csv, CsvText)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Import, difflet, DiffletText)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Import, mlx_teacache, MlxText)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Import, sglang, SglangText)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Import, vllm_omni, VllmOmniText)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace teacache
