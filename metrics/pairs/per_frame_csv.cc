#include "metrics/pairs/per_frame_csv.h"

#include <fmt/format.h>

#include "datasets/csv.h"

namespace teacache {

std::string PerFrameCsv(const Results& results) {
  std::string csv = "name,frame,metric,value\n";
  for (const VideoScore& video : results.videos) {
    const std::string name = CsvField(video.name);
    for (const MetricInfo& metric : results.metrics) {
      const auto values = video.per_frame.find(metric.name);
      if (values == video.per_frame.end()) continue;
      for (size_t frame = 0; frame < values->second.size(); ++frame) {
        csv += fmt::format("{},{},{},{}\n", name, frame, metric.name, values->second[frame]);
      }
    }
  }
  return csv;
}

}  // namespace teacache
