// inspect-bundle: what a bundle of teacache.export is, and whether it gives here what it gave
// there.

#include "datasets/base/interrupt.h"
#include "datasets/tensors/torch_device.h"
#include "datasets/tensors/torch_threads.h"
#include "runners/bundles/inspect.h"
#include "runners/cli_options.h"

namespace teacache {
namespace {

struct Options {
  std::string bundle;
  std::string device = "cpu";
  bool tensors = false;
  bool no_check = false;
  bool native_code = false;
  double tolerance = 1e-4;
  int threads = 1;
};

int Inspect(const Options& options) {
  const BundleManifest manifest = ReadBundleManifest(options.bundle);
  fmt::print("{}", DescribeBundle(manifest));
  if (options.tensors) {
    for (const BundleExpert& expert : manifest.experts) fmt::print("{}", DescribeTensors(expert));
  }
  if (options.no_check) return 0;
  UseExactFloat32();
  const at::Device device = ParseDevice(options.device);
  const TorchThreads threads(options.threads);
  bool right = true;
  for (const BundleExpert& expert : manifest.experts) {
    const BundleModel model(manifest, expert, device, options.native_code);
    const CallCheck check = CheckCall(manifest, model, device);
    const bool fits = check.output_error <= options.tolerance;
    fmt::print(
        "\n{}call: {:.1f} ms; largest error of the output {:.3g}, of the signal {:.3g} of the "
        "largest value{}\n",
        expert.name.empty() ? "" : expert.name + ": ",
        check.seconds * 1000,
        check.output_error,
        check.modulated_error,
        fits ? "" : fmt::format(": MORE THAN {:.3g}", options.tolerance));
    right = right && fits;
  }
  return right ? 0 : 1;
}

}  // namespace
}  // namespace teacache

int main(int argc, char** argv) {
  teacache::Options options;
  CLI::App app(
      "Prints what a bundle of teacache.export is (bundle.json), checks its files against their "
      "digests, and makes the call that it was verified with: exit code 1 where the answer differs "
      "from Python's.",
      "inspect-bundle");
  app.add_option("bundle", options.bundle, "Folder of the bundle")->required();
  app.add_flag("--tensors", options.tensors, "Print every tensor that crosses between parts");
  app.add_flag("--no-check", options.no_check, "Print only: load nothing");
  app.add_option("--tolerance", options.tolerance, "Largest error, of the largest value")
      ->capture_default_str();
  app.add_flag("--native-code",
               options.native_code,
               "Run parts that are compiled code (.pt2). They can do anything that you can: only "
               "for bundles that you made or trust");
  app.add_option("--device", options.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", options.threads, "LibTorch's threads")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  return teacache::RunProgram(&app, argc, argv, [&] { return teacache::Inspect(options); });
}
