#include "metrics/gpu/gpu_scorer.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <sstream>
#include <string_view>

#include "datasets/base/error.h"
#include "metrics/frames/ssim_window.h"
#include "metrics/gpu/frame_kernels.h"

namespace teacache {
namespace {

constexpr int64_t kBatchPixels = int64_t{1} << 25;  // 16 pictures of 1080p
constexpr int kMostFrames = 64;                     // more do not pay, however small

// Pixels whose features are in memory at once: at most about 4 GB of them.
int64_t NetworkPixels(LpipsNet net) {
  switch (net) {
    case LpipsNet::kAlex:
      return int64_t{1} << 25;
    case LpipsNet::kSqueeze:
      return int64_t{1} << 23;
    case LpipsNet::kVgg:
      return int64_t{1} << 22;
  }
  return int64_t{1} << 22;
}

int64_t Pixels(const Frame& frame) { return int64_t{frame.width} * frame.height; }

at::Tensor ToDevice(const std::vector<double>& values, at::Device device) {
  return at::tensor(values, at::kDouble).to(device);
}

// The first of `metrics` that this kernel computes; as many as there are = none.
size_t WithKernel(const Metrics& metrics, std::string_view kernel) {
  size_t m = 0;
  while (m < metrics.size() && metrics[m]->Kernel() != kernel) ++m;
  return m;
}

// The first line of what LibTorch says.
std::string Brief(const c10::Error& error) {
  std::string line;
  std::istringstream lines(error.what_without_backtrace());
  std::getline(lines, line);
  return line;
}

}  // namespace

// Groups of one size: their pictures one after the other, ground truth first, and who is compared
// with whom.
struct GpuFrameScorer::Batch {
  at::Tensor pictures;          // uint8 [N, H, W, 3] on the CPU
  std::vector<int64_t> starts;  // of each group in `pictures`, and the end

  explicit Batch(std::span<const FrameGroup> groups, bool pinned) : starts{0} {
    for (const FrameGroup& group : groups) {
      starts.push_back(starts.back() + 1 + static_cast<int64_t>(group.gens.size()));
    }
    const Frame& first = groups[0].gt;
    pictures = at::empty({starts.back(), first.height, first.width, 3},
                         at::TensorOptions(at::kByte).pinned_memory(pinned));
    uint8_t* out = pictures.mutable_data_ptr<uint8_t>();
    const auto add = [&out](const Frame& frame) {
      std::memcpy(out, frame.rgb.data(), frame.rgb.size());
      out += frame.rgb.size();
    };
    for (const FrameGroup& group : groups) {
      add(group.gt);
      for (const Frame& gen : group.gens) add(gen);
    }
  }

  int64_t height() const { return pictures.size(1); }
  int64_t width() const { return pictures.size(2); }
  size_t groups() const { return starts.size() - 1; }

  // Of groups first ... last - 1, as indices from the first one's ground truth on.
  at::Tensor Pairs(size_t first, size_t last, at::Device device) const {
    std::vector<int32_t> pairs;
    for (size_t group = first; group < last; ++group) {
      const int64_t gt = starts[group] - starts[first];
      for (int64_t gen = gt + 1; gen < starts[group + 1] - starts[first]; ++gen) {
        pairs.push_back(static_cast<int32_t>(gt));
        pairs.push_back(static_cast<int32_t>(gen));
      }
    }
    return at::tensor(pairs, at::kInt).view({-1, 2}).to(device);
  }
};

GpuFrameScorer::GpuFrameScorer(at::Device device, const GpuScorerOptions& options)
    : device_(device), options_(options) {
  for (auto& item : options_.weights.features) {
    item.second = item.second.to(device).contiguous(at::MemoryFormat::Contiguous);
  }
  for (at::Tensor& head : options_.weights.heads) head = head.to(device).contiguous();
  if (options_.batch_pixels <= 0) options_.batch_pixels = kBatchPixels;
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(options.tf32);
  context.setAllowTF32CuBLAS(options.tf32);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
}

std::string GpuFrameScorer::Device() const {
  return device_.str() + (options_.tf32 ? ", TF32" : "");
}

int GpuFrameScorer::BatchFrames(int width, int height) const {
  const int64_t pixels = std::max<int64_t>(1, 2 * int64_t{width} * height);
  return static_cast<int>(std::clamp<int64_t>(options_.batch_pixels / pixels, 1, kMostFrames));
}

std::vector<std::vector<FrameScore>> GpuFrameScorer::Score(std::span<const FrameGroup> groups,
                                                           const Metrics& metrics) const {
  std::vector<std::vector<FrameScore>> scores;
  for (size_t start = 0, end; start < groups.size(); start = end) {
    const Frame& first = groups[start].gt;
    int64_t pixels = 0;
    size_t pairs = 0;
    for (end = start; end < groups.size(); ++end) {
      const FrameGroup& group = groups[end];
      if (group.gt.width != first.width || group.gt.height != first.height) break;
      pixels += Pixels(group.gt) * static_cast<int64_t>(1 + group.gens.size());
      if (end > start && pixels > options_.batch_pixels) break;
      pairs += group.gens.size();
    }
    std::vector<FrameScore> batch_scores(pairs);
    if (pairs > 0) {
      try {
        const Batch batch(groups.subspan(start, end - start), device_.is_cuda());
        ScoreBatch(batch, metrics, batch_scores.data());
      } catch (const c10::Error& error) {
        ThrowUserError(Device(), "the GPU could not do its work: {}", Brief(error));
      }
    }
    auto next = batch_scores.begin();
    for (size_t i = start; i < end; ++i) {
      const auto last = next + static_cast<std::ptrdiff_t>(groups[i].gens.size());
      scores.emplace_back(next, last);
      next = last;
    }
  }
  return scores;
}

void GpuFrameScorer::ScoreBatch(const Batch& batch,
                                const Metrics& metrics,
                                FrameScore* scores) const {
  const std::lock_guard lock(mutex_);
  const at::Tensor pictures = batch.pictures.to(device_, /*non_blocking=*/true);
  const at::Tensor pairs = batch.Pairs(0, batch.groups(), device_);
  const size_t ssim = WithKernel(metrics, "ssim"), lpips = WithKernel(metrics, "lpips");
  const size_t none = metrics.size();
  // Everything is queued before the first result is waited for.
  at::Tensor errors = SquaredErrorsOnGpu(pictures, pairs);
  at::Tensor deficits = ssim != none ? SsimDeficitsOnGpu(pictures, pairs) : at::Tensor();
  at::Tensor distances = lpips != none ? LpipsDistances(batch, pictures) : at::Tensor();

  const int64_t n = pairs.size(0);
  errors = errors.cpu();
  for (int64_t i = 0; i < n; ++i) {
    scores[i].squared_error = static_cast<uint64_t>(errors.const_data_ptr<int64_t>()[i]);
    scores[i].values.assign(metrics.size(), std::numeric_limits<double>::quiet_NaN());
  }
  if (ssim != none) {
    deficits = deficits.cpu();
    const double windows = 3.0 * static_cast<double>(batch.width() - kSsimTaps + 1) *
                           static_cast<double>(batch.height() - kSsimTaps + 1);
    for (int64_t i = 0; i < n; ++i) {
      scores[i].values[ssim] = 1 - deficits.const_data_ptr<double>()[i] / windows;
    }
  }
  if (lpips != none) {
    distances = distances.cpu();
    for (int64_t i = 0; i < n; ++i) {
      // The pictures of a batch may be rounded differently.
      scores[i].values[lpips] =
          scores[i].squared_error == 0 ? 0.0 : distances.const_data_ptr<double>()[i];
    }
  }
}

at::Tensor GpuFrameScorer::LpipsDistances(const Batch& batch, const at::Tensor& pictures) const {
  if (!options_.lpips) throw std::invalid_argument("GpuFrameScorer has no LPIPS network");
  const LpipsNet net = *options_.lpips;
  const int64_t most = NetworkPixels(net) / std::max<int64_t>(1, batch.width() * batch.height());
  std::vector<at::Tensor> distances;
  for (size_t first = 0, last; first < batch.groups(); first = last) {
    last = first + 1;
    while (last < batch.groups() && batch.starts[last + 1] - batch.starts[first] <= most) ++last;
    const at::Tensor pairs = batch.Pairs(first, last, device_);
    if (pairs.size(0) == 0) continue;
    const std::vector<at::Tensor> features =
        LpipsFeatures(net,
                      options_.weights,
                      LpipsInput(pictures.slice(0, batch.starts[first], batch.starts[last])));
    at::Tensor sum = at::zeros({pairs.size(0)}, at::TensorOptions(at::kDouble).device(device_));
    for (size_t layer = 0; layer < features.size(); ++layer) {
      const at::Tensor& f = features[layer];
      const int64_t height = options_.spatial ? batch.height() : 0;
      const int64_t width = options_.spatial ? batch.width() : 0;
      sum += LayerDistancesOnGpu(f.contiguous(),
                                 pairs,
                                 options_.weights.heads[layer],
                                 ToDevice(UpsampleMeanWeights(f.size(2), height), device_),
                                 ToDevice(UpsampleMeanWeights(f.size(3), width), device_));
    }
    distances.push_back(sum);
  }
  return at::cat(distances);
}

}  // namespace teacache
