#pragma once

#include <map>
#include <string>

#include "datasets/tensors/safetensors.h"
#include "runners/bundles/manifest.h"

namespace teacache {

// Weights and buffers of one transformer by their keys, in mapped files: no values are read here.
// Those of constants.safetensors come before those of the published weights. Complex ones are
// complex64 here.
using BundleConstants = std::map<std::string, TensorView>;

// Checks the digests of all files (which reads them) and finds what the parts need. Throws
// UserError; one message names everything that is missing.
BundleConstants FindBundleConstants(const BundleManifest& manifest, const BundleExpert& expert);

// The same from files that are open, without digests; `where` is the folder, for messages.
BundleConstants FindBundleConstants(const BundleExpert& expert,
                                    const std::vector<SafetensorsFile>& files,
                                    const std::string& where);

// The path of a file of an expert.
std::string BundlePath(const BundleManifest& manifest,
                       const BundleExpert& expert,
                       const BundleFile& file);

// Throws UserError unless the file has the digest of the manifest.
void CheckBundleDigest(const std::string& path, const BundleFile& file);

}  // namespace teacache
