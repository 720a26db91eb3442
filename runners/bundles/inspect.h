#pragma once

#include <string>

#include "runners/bundles/bundle_model.h"
#include "runners/bundles/manifest.h"

namespace teacache {

// What a bundle is, for people: model, size, scheduler, guidance, and for each part back end,
// tensors and measured error.
std::string DescribeBundle(const BundleManifest& manifest);
// Every tensor that crosses between parts, with shape and type.
std::string DescribeTensors(const BundleExpert& expert);

// A call with the arguments of the expert's check file, against the answer that Python had.
struct CallCheck {
  double output_error = 0;     // max |out - expected| / max |expected|
  double modulated_error = 0;  // the same of the signal
  double seconds = 0;          // of all parts
};
// Throws UserError for a damaged file and for parts that fail.
CallCheck CheckCall(const BundleManifest& manifest, const BundleModel& model, at::Device device);

}  // namespace teacache
