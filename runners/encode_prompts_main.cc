// encode-prompts: embeddings of prompts, once, so that no run needs the text encoder again.

#include "datasets/base/interrupt.h"
#include "runners/cli_options.h"
#include "runners/encode_prompts.h"
#include "runners/systems/system_list.h"

int main(int argc, char** argv) {
  teacache::EncodeOptions options;
  std::string file;
  std::vector<std::string> texts;
  CLI::App app(
      "Encodes prompts with a system's text encoder into a file for --prompt-embeddings. Prompts "
      "that the file holds already are left as they are, so running again adds the missing ones.",
      "encode-prompts");
  app.add_option("--model",
                 options.model,
                 "system the prompts are for:\n" + teacache::DescribeSystems(/*with_encoder=*/true))
      ->required();
  app.add_option("--weights", options.system.weights, "folder of the system's published weights");
  teacache::AddTextFlags(&app, &options.system);
  teacache::AddDeviceFlags(&app, &options.system);
  app.add_option("--prompts", file, teacache::kPromptsHelp);
  app.add_option("--prompt", texts, "a prompt; may be given several times");
  app.add_option("--out", options.out, "prompts file to write or add to (.safetensors)")
      ->required();
  teacache::OutputOwner owner;
  teacache::AddOverwriteFlag(&app, &owner);
  return teacache::RunProgram(&app, argc, argv, [&] {
    const teacache::InterruptGuard guard;
    teacache::ProgressPrinter progress;
    options.progress = &progress;
    if (file.empty() == texts.empty()) {
      teacache::ThrowUserError("--prompts", "give one of --prompts FILE and --prompt TEXT");
    }
    teacache::OutputCheck check;
    teacache::AddSystemInputs(options.system, &check);
    check.Reads("--prompts", file);
    check.OwnedBy(owner);
    check.GrowsFile("--out", options.out);
    check.Run();
    options.prompts = file.empty() ? texts : teacache::ReadPromptsAndWarn(file, &progress);
    check.Begin();
    const teacache::EncodeSummary summary = teacache::EncodePrompts(options);
    fmt::print("{}: {} prompts encoded, {} were there, {} in the file\n",
               options.out,
               summary.done,
               summary.resumed,
               summary.in_file);
    fmt::print("{}", teacache::SummaryText(summary, "prompts"));
    return summary.complete() ? 0 : 1;
  });
}
