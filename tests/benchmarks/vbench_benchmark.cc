// temporal_flickering: the sum of differences against plain ones, and what it adds to decoding.
// Counters: frames per second; "times plain" and "of decoding" are measured in the same run.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <random>

#include "datasets/video/video.h"
#include "metrics/vbench/flicker.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

Video NoisyVideo(int width, int height, int frames) {
  std::mt19937 random(1);
  Video video{24, {}};
  for (int t = 0; t < frames; ++t) {
    Frame frame{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
    for (size_t i = 0; i < frame.rgb.size(); ++i) {
      frame.rgb[i] =
          static_cast<uint8_t>((i / 7 + 2 * static_cast<size_t>(t) + random() % 8) & 255);
    }
    video.frames.push_back(std::move(frame));
  }
  return video;
}

// As upstream: both frames to float32, then the mean of the absolute differences.
double FloatDifference(const Frame& a, const Frame& b) {
  std::vector<float> x(a.rgb.begin(), a.rgb.end()), y(b.rgb.begin(), b.rgb.end());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::abs(x[i] - y[i]);
  return sum / static_cast<double>(x.size());
}

double IntegerDifference(const Frame& a, const Frame& b) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(int{a.rgb[i]} - int{b.rgb[i]});
  return static_cast<double>(sum) / static_cast<double>(a.rgb.size());
}

double FastDifference(const Frame& a, const Frame& b) {
  return static_cast<double>(AbsoluteDifference(a.rgb, b.rgb)) / static_cast<double>(a.rgb.size());
}

template <typename Function>
double SecondsOf(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <double (*Difference)(const Frame&, const Frame&)>
double SecondsPerPair(const Video& video) {
  double sum = 0;
  const double seconds = SecondsOf([&] {
    for (size_t i = 1; i < video.frames.size(); ++i) {
      sum += Difference(video.frames[i - 1], video.frames[i]);
    }
  });
  benchmark::DoNotOptimize(sum);
  return seconds / static_cast<double>(video.frames.size() - 1);
}

template <double (*Difference)(const Frame&, const Frame&)>
void BM_Difference(benchmark::State& state) {
  const Video video =
      NoisyVideo(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)), 9);
  double seconds = 0;
  for (auto _ : state) {
    seconds = SecondsPerPair<Difference>(video);
    state.SetIterationTime(seconds);
  }
  state.counters["times plain"] = SecondsPerPair<IntegerDifference>(video) / seconds;
}
BENCHMARK_TEMPLATE(BM_Difference, FastDifference)
    ->Args({512, 512})
    ->Args({1920, 1080})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(BM_Difference, FloatDifference)
    ->Args({512, 512})
    ->Args({1920, 1080})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

// One H.264 file, from the disk to the score.
void BM_FlickerOfAFile(benchmark::State& state) {
  const std::string path = (fs::temp_directory_path() / "vbench_benchmark.mp4").string();
  WriteVideo(path, NoisyVideo(1280, 720, 24));
  const auto decode = [&](FlickerSum* sum) {
    const auto reader = OpenVideo(path);
    int64_t frames = 0;
    for (auto frame = reader->Next(); frame; frame = reader->Next(), ++frames) {
      if (sum != nullptr) sum->Add(*frame);
    }
    return frames;
  };
  int64_t frames = 0;
  double decoding = 0, all = 0;
  for (auto _ : state) {
    FlickerSum sum;
    all += SecondsOf([&] { frames = decode(&sum); });
    decoding += SecondsOf([&] { decode(nullptr); });
  }
  const auto runs = static_cast<double>(state.iterations());
  state.counters["frames/s"] = runs * static_cast<double>(frames) / all;
  state.counters["of decoding"] = all / decoding;
  fs::remove(path);
}
BENCHMARK(BM_FlickerOfAFile)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace teacache
