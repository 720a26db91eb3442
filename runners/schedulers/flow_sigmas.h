#pragma once

#include <optional>
#include <string>
#include <vector>

namespace teacache {

// Noise levels sigma of flow matching, x = (1 - sigma) x0 + sigma noise, as diffusers' schedulers
// place them: a list from 1 downwards, shifted towards 1, perhaps stretched.

// Where the list comes from. Pipelines give their scheduler one, or leave it to it.
struct SigmaList {
  enum class Kind {
    kScheduler,        // the scheduler's own
    kLinear,           // evenly from 1 to 1 / steps
    kLinearQuadratic,  // Mochi's: linear to 1 - 0.025 in the first half, then quadratic
    kGiven,            // `given`
  };
  Kind kind = Kind::kScheduler;
  int steps = 0;
  std::vector<double> given = {};           // as many as `steps`
  std::optional<double> mu = std::nullopt;  // of a shift that depends on the size of the video

  // Unshifted; nothing with kScheduler. Throws UserError for another number of `given` than steps.
  std::optional<std::vector<double>> Values() const;
};

struct FlowShift {
  double shift = 1;                // s: s sigma / (1 + (s - 1) sigma)
  bool dynamic = false;            // by mu instead of `shift`
  bool exponential = true;         // with m = e^mu, otherwise m = mu: m / (m + 1 / sigma - 1)
  std::optional<double> terminal;  // the last sigma, to which 1 - sigma is scaled

  // Throws UserError naming `where` when `dynamic` and there is no mu.
  std::vector<double> Apply(std::vector<double> sigmas,
                            const std::optional<double>& mu,
                            const std::string& where) const;
};

}  // namespace teacache
