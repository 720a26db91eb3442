#pragma once

#include <string>

#include "runners/prompt_work.h"
#include "runners/sampling/segment_meter.h"
#include "runners/systems/system.h"

namespace teacache {

struct CostsOptions : PromptWork {
  std::string out;  // file of segment costs (.jsonl); a part is named as PartPath says
  SegmentExtent extent;
  // Measures "latent" instead of "residual": the relative L1 error of the final latent when only
  // the segment is skipped. That takes the rest of a run for every segment.
  bool outcome = false;
};

struct CostsSummary : WorkSummary {
  std::string path;
};

// What skipping segments of calls costs in the runs of every prompt and seed, into a file for
// `fit-coeffs plan` (SegmentCosts). Segments that the file has are kept; a file of another setting
// is refused. The work on a run is cut into pieces for outcomes, one for each first skipped call,
// which keep the residuals of a whole run in memory. Throws UserError.
CostsSummary RecordCosts(const System& system, CostsOptions options);

}  // namespace teacache
