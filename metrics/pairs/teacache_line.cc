#include "metrics/pairs/teacache_line.h"

#include <cmath>
#include <vector>

#include "datasets/base/error.h"
#include "datasets/base/statistics.h"

namespace teacache {

TeaCacheMeans MeansOfBatches(const Results& results, int batch_size) {
  const std::vector<VideoScore>& videos = results.videos;
  if (videos.empty()) ThrowUserError("compat", "needs at least one video");
  const auto mean_of = [&](const std::string& metric) {
    std::vector<double> batches;
    for (size_t start = 0; start < videos.size(); start += batch_size) {
      const size_t end = std::min(videos.size(), start + batch_size);
      std::vector<double> steps;
      for (size_t i = start; i < end; ++i) {
        if (!videos[i].ok()) ThrowUserError(videos[i].name, "{}", videos[i].error);
        const auto found = videos[i].per_frame.find(metric);
        if (found == videos[i].per_frame.end()) return std::numeric_limits<double>::quiet_NaN();
        if (i == start) steps.resize(found->second.size());
        if (found->second.size() != steps.size()) {
          ThrowUserError(videos[i].name,
                         "must have {} frames as the first video of its batch of {} but has {}",
                         steps.size(),
                         batch_size,
                         found->second.size());
        }
        for (size_t t = 0; t < steps.size(); ++t) steps[t] += found->second[t];
      }
      for (double& step : steps) step /= static_cast<double>(end - start);
      batches.push_back(Mean(steps));
    }
    return Mean(batches);
  };
  return {mean_of("lpips"), mean_of("psnr"), mean_of("ssim")};
}

std::string TeaCacheLine(const Results& results) {
  const TeaCacheMeans means = MeansOfBatches(results);
  const auto text = [](double mean) {
    return std::isnan(mean) ? std::string("n/a") : fmt::format("{:.4f}", mean);
  };
  return fmt::format(
      "lpips: {}, psnr: {}, ssim: {}", text(means.lpips), text(means.psnr), text(means.ssim));
}

}  // namespace teacache
