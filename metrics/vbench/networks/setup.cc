#include "metrics/vbench/networks/setup.h"

#include <algorithm>

#include "datasets/base/error.h"
#include "datasets/tensors/device_name.h"
#include "metrics/networks_module.h"
#include "metrics/vbench/networks/network_files.h"

namespace teacache {
namespace {

bool Has(const std::vector<const VbenchDimension*>& list, const VbenchDimension* dimension) {
  return std::find(list.begin(), list.end(), dimension) != list.end();
}

}  // namespace

std::vector<const VbenchDimension*> AskedDimensions(const VbenchSetup& setup) {
  if (!setup.dimensions.empty()) return ParseVbenchDimensions(setup.dimensions);
  std::vector<const VbenchDimension*> all;
  for (const VbenchDimension& dimension : VbenchDimensions()) all.push_back(&dimension);
  return all;
}

void SetUpVbench(const VbenchSetup& setup, VbenchOptions* options) {
  CheckDeviceName(setup.device);
  const bool named = !setup.dimensions.empty();
  const NetworkFiles files = FindNetworkFiles(setup.networks, setup.network);
  const auto flicker = MakeFlickerScorer();
  std::shared_ptr<const VbenchScorer> detections;
  if (!setup.detections.empty()) detections = MakeDetectionScorer(setup.detections);

  std::vector<const VbenchDimension*> networks;
  std::string left_out;
  for (const VbenchDimension* dimension : AskedDimensions(setup)) {
    if (options->custom && !dimension->custom && !named) continue;
    bool can = dimension->source == VbenchSource::kNative;
    if (dimension->source == VbenchSource::kNetworks) {
      can = MissingFiles(*dimension, files).empty();
      if (can) networks.push_back(dimension);
    } else if (dimension->source == VbenchSource::kDetections) {
      can = detections && Has(detections->Dimensions(), dimension);
    }
    if (can) {
      options->dimensions.push_back(dimension);
    } else if (named) {
      ThrowUserError("--dimensions", "{}", HowToCompute(*dimension, files));
    } else {
      left_out += (left_out.empty() ? "" : ", ") + std::string(dimension->name);
    }
  }
  if (!left_out.empty() && options->progress != nullptr) {
    options->progress->Warn("left out, for lack of networks or detections (--describe): " +
                            left_out);
  }
  if (Has(options->dimensions, FindVbenchDimension("temporal_flickering"))) {
    options->scorers.push_back(flicker);
  }
  if (detections) options->scorers.push_back(detections);
  if (networks.empty()) return;
  options->scorers.push_back(
      LoadNetworksModule("VBench's networks").MakeVbenchScorer(files, networks, setup.device));
}

}  // namespace teacache
