// train-shapes: trains the embedded text-to-video model from nothing.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/outputs.h"
#include "datasets/base/program.h"
#include "datasets/base/version.h"
#include "datasets/tensors/torch_device.h"
#include "datasets/video/contact_sheet.h"
#include "runners/systems/shapes_weights.h"
#include "runners/training/shapes_samples.h"
#include "runners/training/shapes_training.h"

namespace teacache {
namespace {

struct Arguments {
  ShapesTrainingOptions training;
  std::string weights_folder;
  std::string device = "cpu";
  int64_t sample_every = 1000;
  int sample_count = 48;
};

// One line of training.jsonl per report, for plotting; appended, so that resumed runs stay in one
// file.
void Log(const std::string& folder, const nlohmann::json& row) {
  std::FILE* file = std::fopen((folder + "/training.jsonl").c_str(), "a");
  if (file == nullptr) ThrowUserError(folder, "training.jsonl cannot be written there");
  fmt::print(file, "{}\n", row.dump());
  if (std::fclose(file) != 0) ThrowUserError(folder, "training.jsonl cannot be written there");
}

// The same prompts and noise every time, so that the sheets show progress.
void Sample(const Arguments& arguments,
            int64_t step,
            const ShapesTransformer& transformer,
            const ShapesAutoencoder& autoencoder) {
  ShapesRng rng(4);
  std::vector<ShapesPrompt> prompts;
  for (int i = 0; i < arguments.sample_count; ++i) prompts.push_back(RandomShapesPrompt(&rng));
  const std::vector<Video> videos = SampleShapesVideos(transformer, autoencoder, prompts, {});
  std::vector<ShapesObservation> seen;
  std::vector<std::string> labels;
  for (size_t i = 0; i < videos.size(); ++i) {
    seen.push_back(ObserveShapes(videos[i], prompts[i]));
    labels.push_back(ShapesText(prompts[i]));
  }
  const ShapesAdherence adherence = MeasureShapesAdherence(prompts, seen);
  fmt::print(stderr, "step {}: {}\n", step, Describe(adherence));
  const std::string& folder = arguments.training.work_folder;
  Log(folder,
      {{"stage", "sample"},
       {"step", step},
       {"all", adherence.all},
       {"shape", adherence.shape},
       {"color", adherence.color},
       {"size", adherence.size},
       {"motion", adherence.motion},
       {"speed", adherence.speed},
       {"background", adherence.background},
       {"overlap", adherence.overlap},
       {"largest_piece", adherence.largest_piece}});
  const size_t rows = std::min<size_t>(12, videos.size());
  WritePng(fmt::format("{}/sheet_{:06}.png", folder, step),
           MakeContactSheet({videos.begin(), videos.begin() + rows},
                            {labels.begin(), labels.begin() + rows}));
}

int Run(const Arguments& arguments) {
  const ShapesTrainingOptions& training = arguments.training;
  training.Validate();
  OutputCheck check;
  check.WritesFolder("--work", training.work_folder);
  check.WritesFolder("--out", arguments.weights_folder);
  check.WritesFile("--work", training.work_folder + "/training.jsonl");
  for (const char* name : {"autoencoder.safetensors", "transformer.safetensors", "SHA256SUMS"}) {
    check.WritesFile("--out", arguments.weights_folder + "/" + name);
  }
  check.Run();
  MakeFolders(training.work_folder);
  ShapesTrainingHooks hooks;
  hooks.report = [&](const ShapesTrainingReport& r) {
    const double per_step = r.seconds / static_cast<double>(r.step - r.first_step);
    const double left = per_step * static_cast<double>(r.steps - r.step);
    fmt::print(stderr,
               "{} {}/{} loss {:.4f} rate {:.2e} {:.0f} s, about {:.0f} s left\n",
               r.stage,
               r.step,
               r.steps,
               r.loss,
               r.rate,
               r.seconds,
               left);
    Log(training.work_folder,
        {{"stage", r.stage},
         {"step", r.step},
         {"loss", r.loss},
         {"rate", r.rate},
         {"seconds", r.seconds}});
  };
  hooks.sample = [&](int64_t step, const ShapesTransformer& t, const ShapesAutoencoder& a) {
    Sample(arguments, step, t, a);
  };
  hooks.sample_every = arguments.sample_every;
  hooks.stop = Interrupted;
  const ShapesWeights weights = TrainShapes(training, hooks);
  if (weights.transformer_steps == 0) {
    fmt::print(stderr,
               "interrupted; checkpoints are in {}, run again to continue\n",
               training.work_folder);
    return 1;
  }
  SaveShapesWeights(
      arguments.weights_folder,
      weights.autoencoder,
      training.autoencoder,
      weights.transformer,
      training.transformer,
      {{"model", "shapes"},
       {"tool", fmt::format("train-shapes {}", kVersion)},
       {"seed", std::to_string(training.seed)},
       {"data", fmt::format("{} rendered videos of the shapes grammar", training.pool_videos)},
       {"steps",
        fmt::format("frame {} frame-decoder {} code {} decoder {} transformer {}",
                    training.frame_steps,
                    training.decoder_steps,
                    training.code_steps,
                    training.refine_steps,
                    weights.transformer_steps)},
       {"batch", fmt::format("{} x {}", training.replicas, training.transformer_batch)},
       {"loss", fmt::format("{:.4f}", weights.transformer_loss)}});
  fmt::print("{}\n", arguments.weights_folder);
  if (weights.finished) return 0;
  fmt::print(stderr, "interrupted: these are the weights so far; run again to continue\n");
  return 1;
}

}  // namespace
}  // namespace teacache

int main(int argc, char** argv) {
  teacache::Arguments arguments;
  teacache::ShapesTrainingOptions& training = arguments.training;
  CLI::App app(
      "Trains the embedded text-to-video model 'shapes' from nothing: autoencoder, code, "
      "transformer. Interrupt it at any time; running again continues.",
      "train-shapes");
  app.option_defaults()->always_capture_default();
  app.add_option("--work", training.work_folder, "folder for checkpoints, sheets, training.jsonl")
      ->required();
  app.add_option("--out", arguments.weights_folder, "folder for the finished weights")->required();
  app.add_option("--seed", training.seed, "of weights, data and noise");
  app.add_option("--replicas", training.replicas, "threads, one micro-batch each");
  app.add_option("--device", arguments.device, "cpu or cuda:N");
  app.add_flag("--bf16", training.bf16, "autocast; faster only with bfloat16 matrix units");
  app.add_option("--frame-steps", training.frame_steps, "stage 1");
  app.add_option("--decoder-steps", training.decoder_steps, "stage 2");
  app.add_option("--code-steps", training.code_steps, "stage 3");
  app.add_option("--refine-steps", training.refine_steps, "stage 4");
  app.add_option("--transformer-steps", training.transformer_steps, "stage 5");
  app.add_option("--transformer-batch", training.transformer_batch, "videos per replica");
  app.add_option("--transformer-rate", training.transformer_rate, "learning rate of stage 5");
  app.add_option("--pool", training.pool_videos, "videos rendered for stages 3 and 5");
  app.add_option("--width", training.transformer.hidden_size, "of the transformer");
  app.add_option("--heads", training.transformer.num_heads, "of the transformer");
  app.add_option("--depth", training.transformer.depth, "pairs of blocks");
  app.add_option("--sample-every", arguments.sample_every, "transformer steps between sheets");
  return teacache::RunProgram(&app, argc, argv, [&] {
    const teacache::InterruptGuard guard;
    training.device = teacache::ParseDevice(arguments.device);
    return teacache::Run(arguments);
  });
}
