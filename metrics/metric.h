#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datasets/metric_info.h"
#include "datasets/video/video.h"

namespace teacache {

// A generated frame and its ground truth, of one size.
struct FramePair {
  const Frame* gt = nullptr;
  const Frame* gen = nullptr;
  uint64_t squared_error = 0;  // sum over all samples (see SquaredError)
};

// A metric of generated videos against their ground truth: it takes frames and gives one value per
// frame, and one per video. A new one is a class of its own and a line in metric_list.cc; results,
// tables, reports and charts take everything else from its MetricInfo.
//
// Objects are made once, from the options of the call, and shared by all videos and threads: what
// they return depends on the arguments only.
class Metric {
 public:
  // `info.definition` names everything that decides about the digits: it is the key of stored
  // scores.
  explicit Metric(MetricInfo info) : info_(std::move(info)) {}
  virtual ~Metric() = default;

  const MetricInfo& info() const { return info_; }

  // Smallest width and height of a picture, in pixels.
  virtual int MinSize() const { return 1; }

  // One value per pair. The pairs have the same ground truth; its width and height are at least
  // MinSize(). Identical frames are not asked for: they have info().best.
  virtual std::vector<double> Score(std::span<const FramePair> pairs) const = 0;

  // Of a video, from its frames' values: their mean. Infinite values (identical frames of an
  // unbounded metric) are left out; infinity where all are.
  virtual double Pool(std::span<const double> frames) const {
    double sum = 0;
    size_t n = 0;
    for (const double value : frames) {
      if (!std::isfinite(value)) continue;
      sum += value;
      ++n;
    }
    return n == 0 ? std::numeric_limits<double>::infinity() : sum / static_cast<double>(n);
  }

  // The files it was read from, which no output may replace.
  virtual std::vector<std::string> Files() const { return {}; }

  // Names the computation to a FrameScorer that has a faster one of its own; "" = it has none.
  virtual std::string_view Kernel() const { return ""; }

 private:
  MetricInfo info_;
};

using Metrics = std::vector<std::shared_ptr<const Metric>>;

// What users can say about metrics; each metric takes what is its own.
struct MetricOptions {
  double psnr_cap = std::numeric_limits<double>::infinity();  // dB
  std::string ssim_variant = "wang-rgb";
  std::string lpips_net = "alex";
  bool lpips_spatial = true;
  std::string weights = {};  // folder of the networks' weights; "" = the usual places
};

}  // namespace teacache
