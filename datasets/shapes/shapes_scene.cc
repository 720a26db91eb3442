#include "datasets/shapes/shapes_scene.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr int kPixels = kShapesSize * kShapesSize;
constexpr int kShapeCount = 6;
using Color = std::array<double, 3>;

Color ToColor(const std::array<uint8_t, 3>& rgb) {
  return {static_cast<double>(rgb[0]), static_cast<double>(rgb[1]), static_cast<double>(rgb[2])};
}
Color PixelAt(const Frame& frame, int i) {
  return ToColor({frame.rgb[3 * i], frame.rgb[3 * i + 1], frame.rgb[3 * i + 2]});
}
double Distance(const Color& a, const Color& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto k = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(k), values.end());
  return values[k];
}

Color MedianColor(const std::vector<Color>& colors) {
  Color median{};
  for (int c = 0; c < 3; ++c) {
    std::vector<double> values;
    for (const Color& color : colors) values.push_back(color[c]);
    median[c] = Quantile(values, 0.5);
  }
  return median;
}

template <typename Palette>
int Nearest(const Color& color, int count, const Palette& palette) {
  int best = 0;
  for (int i = 1; i < count; ++i) {
    if (Distance(color, ToColor(palette(i))) < Distance(color, ToColor(palette(best)))) best = i;
  }
  return best;
}

Color BackgroundOf(const Video& video) {
  std::vector<Color> border;
  for (const Frame& frame : video.frames) {
    for (int i = 0; i < kShapesSize; ++i) {
      for (const int p : {i, kPixels - 1 - i, i * kShapesSize, i * kShapesSize + kShapesSize - 1}) {
        border.push_back(PixelAt(frame, p));
      }
    }
  }
  return MedianColor(border);
}

// The object's colour: the median of pixels that are far from the background.
Color ForegroundOf(const Video& video, const Color& background) {
  std::vector<double> distances;
  std::vector<Color> colors;
  for (const Frame& frame : video.frames) {
    for (int i = 0; i < kPixels; ++i) {
      colors.push_back(PixelAt(frame, i));
      distances.push_back(Distance(colors.back(), background));
    }
  }
  const double peak = std::max(Quantile(distances, 0.995), 25.0);
  std::vector<double> hot;
  for (const double d : distances) {
    if (d > 0.5 * peak) hot.push_back(d);
  }
  const double typical = Quantile(hot, 0.5);
  std::vector<Color> far;
  for (size_t i = 0; i < colors.size(); ++i) {
    if (distances[i] > 0.5 * peak && distances[i] > 0.85 * typical) far.push_back(colors[i]);
  }
  return far.empty() ? background : MedianColor(far);
}

// Coverage of the object in one frame: projection on the axis from background to foreground.
std::vector<float> CoverageOf(const Frame& frame,
                              const Color& background,
                              const Color& foreground) {
  Color axis{};
  double length = 1;
  for (int c = 0; c < 3; ++c) {
    axis[c] = foreground[c] - background[c];
    length += axis[c] * axis[c];
  }
  std::vector<float> coverage(kPixels);
  for (int i = 0; i < kPixels; ++i) {
    const Color pixel = PixelAt(frame, i);
    double dot = 0;
    for (int c = 0; c < 3; ++c) dot += (pixel[c] - background[c]) * axis[c];
    coverage[i] = static_cast<float>(std::clamp(dot / length, 0.0, 1.0));
  }
  return coverage;
}

struct Blob {
  double area = 0;
  double x = 0;
  double y = 0;
};
Blob Measure(const std::vector<float>& coverage) {
  Blob blob;
  for (int i = 0; i < kPixels; ++i) {
    if (coverage[i] <= 0.15F) continue;
    blob.area += coverage[i];
    blob.x += coverage[i] * (i % kShapesSize + 0.5);
    blob.y += coverage[i] * (i / kShapesSize + 0.5);
  }
  if (blob.area > 0) {
    blob.x /= blob.area;
    blob.y /= blob.area;
  }
  return blob;
}

// Area and centroid of each shape of radius 1 at the origin, measured from the renderer itself.
const std::array<Blob, kShapeCount>& UnitBlobs() {
  static const std::array<Blob, kShapeCount> kBlobs = [] {
    constexpr float kRadius = 20;
    std::array<Blob, kShapeCount> blobs;
    for (int shape = 0; shape < kShapeCount; ++shape) {
      std::vector<float> coverage(kPixels);
      ShapesCoverage(shape, 32, 32, kRadius, coverage.data());
      const Blob blob = Measure(coverage);
      blobs[shape] = {
          blob.area / (kRadius * kRadius), (blob.x - 32) / kRadius, (blob.y - 32) / kRadius};
    }
    return blobs;
  }();
  return kBlobs;
}

// Place and radius that a shape must have to show this blob.
struct Placement {
  double x = 0;
  double y = 0;
  double radius = 0;
};
Placement Place(int shape, const Blob& blob) {
  const Blob& unit = UnitBlobs()[shape];
  const double radius = std::sqrt(blob.area / unit.area);
  return {blob.x - unit.x * radius, blob.y - unit.y * radius, radius};
}

double Overlap(const std::vector<float>& coverage, int shape, const Blob& blob) {
  const Placement place = Place(shape, blob);
  std::vector<float> expected(kPixels);
  ShapesCoverage(shape,
                 static_cast<float>(place.x),
                 static_cast<float>(place.y),
                 static_cast<float>(std::max(place.radius, 0.5)),
                 expected.data());
  int both = 0;
  int either = 0;
  for (int i = 0; i < kPixels; ++i) {
    const bool seen = coverage[i] > 0.5F;
    const bool drawn = expected[i] > 0.5F;
    both += seen && drawn;
    either += seen || drawn;
  }
  return either > 0 ? static_cast<double>(both) / either : 0;
}

// Share of the lit pixels that lie in the largest 4-connected piece.
double LargestPiece(const std::vector<float>& coverage) {
  std::vector<int> seen(kPixels, 0);
  int lit = 0;
  int largest = 0;
  for (int start = 0; start < kPixels; ++start) {
    if (coverage[start] <= 0.5F || seen[start]) continue;
    std::vector<int> stack = {start};
    seen[start] = 1;
    int size = 0;
    while (!stack.empty()) {
      const int i = stack.back();
      stack.pop_back();
      ++size;
      const int x = i % kShapesSize;
      const auto visit = [&](int neighbour, bool inside) {
        if (!inside || coverage[neighbour] <= 0.5F || seen[neighbour]) return;
        seen[neighbour] = 1;
        stack.push_back(neighbour);
      };
      visit(i - 1, x > 0);
      visit(i + 1, x + 1 < kShapesSize);
      visit(i - kShapesSize, i >= kShapesSize);
      visit(i + kShapesSize, i + kShapesSize < kPixels);
    }
    lit += size;
    largest = std::max(largest, size);
  }
  return lit > 0 ? static_cast<double>(largest) / lit : 0;
}

// Squared distance between a measured track and a motion, both about their own means.
double TrackError(const std::vector<Placement>& track, const std::vector<ShapesOffset>& motion) {
  const double n = static_cast<double>(track.size());
  Placement mean;
  ShapesOffset center;
  for (size_t i = 0; i < track.size(); ++i) {
    mean.x += track[i].x / n;
    mean.y += track[i].y / n;
    mean.radius += track[i].radius / n;
    center.x += motion[i].x / n;
    center.y += motion[i].y / n;
    center.radius += motion[i].radius / n;
  }
  double error = 0;
  for (size_t i = 0; i < track.size(); ++i) {
    const double dx = (track[i].x - mean.x) - (motion[i].x - center.x);
    const double dy = (track[i].y - mean.y) - (motion[i].y - center.y);
    const double dr = (track[i].radius - mean.radius) - (motion[i].radius - center.radius);
    error += dx * dx + dy * dy + dr * dr;
  }
  return error;
}

// Sum of squares of a motion about its mean.
double Energy(const std::vector<ShapesOffset>& motion) {
  return TrackError(std::vector<Placement>(motion.size()), motion);
}

// A motion counts as seen only if it explains the track: a still object is nearest to a pulse, but
// does not pulse.
void FitMotion(const std::vector<Placement>& track, ShapesPrompt* prompt) {
  constexpr int kPhases = 48;
  constexpr double kUnexplained = 0.5;
  double best = std::numeric_limits<double>::infinity();
  for (int motion = 0; motion < static_cast<int>(ShapesWords()[3].size()); ++motion) {
    for (int speed = 0; speed < 2; ++speed) {
      for (int phase = 0; phase < kPhases; ++phase) {
        std::vector<ShapesOffset> offsets;
        for (size_t i = 0; i < track.size(); ++i) {
          const double u = static_cast<double>(i) / static_cast<double>(track.size() - 1);
          offsets.push_back(
              ShapesMotion(prompt->size, motion, speed, static_cast<double>(phase) / kPhases, u));
        }
        const double error = TrackError(track, offsets);
        if (error < best) {
          best = error;
          prompt->motion =
              error < kUnexplained * Energy(offsets) ? motion : ShapesObservation::kNoMotion;
          prompt->speed = speed;
        }
      }
    }
  }
}

// The nominal radius nearest to the middle of the observed range (a pulse swings about it).
int SizeOf(const std::vector<Placement>& track) {
  std::vector<double> radii;
  for (const Placement& place : track) radii.push_back(place.radius);
  const double middle = (Quantile(radii, 0.1) + Quantile(radii, 0.9)) / 2;
  return std::abs(middle - ShapesRadius(0)) < std::abs(middle - ShapesRadius(1)) ? 0 : 1;
}

}  // namespace

ShapesObservation ObserveShapes(const Video& video, const ShapesPrompt& asked) {
  const bool fits = video.frames.size() == kShapesFrames &&
                    std::all_of(video.frames.begin(), video.frames.end(), [](const Frame& frame) {
                      return frame.width == kShapesSize && frame.height == kShapesSize;
                    });
  if (!fits) {
    ThrowUserError("shapes video",
                   "must have {} frames of {} x {} pixels",
                   kShapesFrames,
                   kShapesSize,
                   kShapesSize);
  }
  ShapesObservation seen;
  const Color background = BackgroundOf(video);
  const Color foreground = ForegroundOf(video, background);
  seen.prompt.background = Nearest(background, 3, ShapesBackground);
  seen.prompt.color = Nearest(foreground, 7, ShapesColor);
  seen.worst_frame_overlap = 1;
  std::vector<Blob> blobs;
  for (const Frame& frame : video.frames) {
    const std::vector<float> coverage = CoverageOf(frame, background, foreground);
    blobs.push_back(Measure(coverage));
    for (int shape = 0; shape < kShapeCount; ++shape) {
      const double overlap = Overlap(coverage, shape, blobs.back());
      seen.shape_overlap[shape] += overlap / kShapesFrames;
      if (shape == asked.shape) {
        seen.worst_frame_overlap = std::min(seen.worst_frame_overlap, overlap);
      }
    }
    seen.largest_piece += LargestPiece(coverage) / kShapesFrames;
    seen.lit_frames += (blobs.back().area > 4 ? 1.0 : 0.0) / kShapesFrames;
  }
  seen.prompt.shape =
      static_cast<int>(std::max_element(seen.shape_overlap.begin(), seen.shape_overlap.end()) -
                       seen.shape_overlap.begin());
  std::vector<Placement> track;
  for (const Blob& blob : blobs) track.push_back(Place(seen.prompt.shape, blob));
  seen.prompt.size = SizeOf(track);
  FitMotion(track, &seen.prompt);
  return seen;
}

ShapesAdherence MeasureShapesAdherence(const std::vector<ShapesPrompt>& asked,
                                       const std::vector<ShapesObservation>& seen) {
  ShapesAdherence sum;
  sum.videos = static_cast<int>(seen.size());
  if (seen.empty()) return sum;
  const double share = 1.0 / static_cast<double>(seen.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    const ShapesPrompt& is = seen[i].prompt;
    const ShapesPrompt& must = asked[i];
    const auto right = [share](bool ok) { return ok ? share : 0.0; };
    sum.size += right(is.size == must.size);
    sum.color += right(is.color == must.color);
    sum.shape += right(is.shape == must.shape);
    sum.motion += right(is.motion == must.motion);
    sum.speed += right(is.speed == must.speed);
    sum.background += right(is.background == must.background);
    sum.all += right(is == must && seen[i].lit_frames == 1.0);
    sum.overlap += share * seen[i].shape_overlap[must.shape];
    sum.largest_piece += share * seen[i].largest_piece;
  }
  return sum;
}

}  // namespace teacache
