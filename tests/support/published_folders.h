#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/checkpoint_folder.h"
#include "tests/support/golden.h"

namespace teacache {

// Whole folders of weights as Latte and Open-Sora-Plan lie on the disk, tiny and random: the
// tensors are those of the golden cases in tests/golden. Open-Sora's are in open_sora_folder.h.

inline void WriteScheduler(const std::filesystem::path& root, const GoldenCase& sampling) {
  MakeFolders((root / "scheduler").string());
  AtomicWriteFile((root / "scheduler" / "scheduler_config.json").string(),
                  sampling.json.at("scheduler_config").dump(1));
}

inline void WriteLatteFolder(const std::filesystem::path& root,
                             const GoldenCase& t5 = OwnGoldenCase("t5"),
                             const GoldenCase& sampling = OwnGoldenCase("latte_sampling"),
                             const GoldenCase& vae = OwnGoldenCase("vae_temporal")) {
  WriteTextEncoder(root, t5);
  WriteComponent(root / "transformer", sampling.json.at("config"), GoldenWeights(sampling));
  WriteComponent(root / "vae_temporal_decoder", vae.json.at("config"), GoldenWeights(vae));
  WriteScheduler(root, sampling);
}

inline void WriteOpenSoraPlanFolder(const std::filesystem::path& root,
                                    const GoldenCase& t5 = OwnGoldenCase("t5"),
                                    const GoldenCase& sampling = OwnGoldenCase("osp_sampling"),
                                    const GoldenCase& vae = OwnGoldenCase("vae_osp")) {
  WriteTextEncoder(root, t5);
  WriteComponent(root / "65x512x512", sampling.json.at("config"), GoldenWeights(sampling));
  WriteComponent(root / "vae", vae.json.at("config"), GoldenWeights(vae));
}

}  // namespace teacache
