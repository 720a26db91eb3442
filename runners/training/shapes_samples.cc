#include "runners/training/shapes_samples.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "runners/vae/frames.h"

namespace teacache {

std::vector<Video> SampleShapesVideos(const ShapesTransformer& transformer,
                                      const ShapesAutoencoder& autoencoder,
                                      const std::vector<ShapesPrompt>& prompts,
                                      const ShapesSampleOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows;
  for (const ShapesPrompt& prompt : prompts) rows.push_back(ShapesWordIds(prompt));
  const at::Tensor words = at::stack(rows).to(transformer.device());
  std::vector<int64_t> shape = transformer.config().LatentShape();
  shape.insert(shape.begin(), static_cast<int64_t>(prompts.size()));
  const auto condition =
      transformer.Prepare(at::cat({words, at::full_like(words, ShapesTransformer::kNullWord)}));
  const at::Device device = condition.y.device();
  at::Tensor z = at::randn(shape, at::detail::createCPUGenerator(options.seed)).to(device);
  for (int i = 0; i < options.steps; ++i) {
    const double t = 1 - static_cast<double>(i) / options.steps;
    const at::Tensor both = at::cat({z, z});
    const auto timing = transformer.AtTime(at::full({both.size(0)}, t, z.options()), condition);
    const at::Tensor x = transformer.Blocks(transformer.Embed(both), condition, timing);
    const std::vector<at::Tensor> v = transformer.Head(x, both, timing).chunk(2);
    z = z + (v[1] + options.guidance * (v[0] - v[1])) / options.steps;
  }
  std::vector<Video> videos;
  for (int64_t i = 0; i < z.size(0); ++i) {
    videos.push_back(FramesToVideo(autoencoder.DecodeVideo(z.slice(0, i, i + 1))[0], kShapesFps));
  }
  return videos;
}

std::string Describe(const ShapesAdherence& a) {
  return fmt::format(
      "all {:.3f} | size {:.3f} color {:.3f} shape {:.3f} motion {:.3f} speed {:.3f} background "
      "{:.3f} | overlap {:.3f} largest piece {:.3f} ({} videos)",
      a.all,
      a.size,
      a.color,
      a.shape,
      a.motion,
      a.speed,
      a.background,
      a.overlap,
      a.largest_piece,
      a.videos);
}

}  // namespace teacache
