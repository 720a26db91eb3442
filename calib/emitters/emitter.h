#pragma once

// What the emitters share: for calib/emitters/emit.cc and calib/emitters/*.cc only.

#include <string>
#include <utility>
#include <vector>

#include "calib/emitters/emit.h"

namespace teacache {

// The formats, one file each. A new one is a file in calib/emitters and a line in the list of
// calib/emitters/emit.cc.
EmitFormat VllmOmniFormat();
EmitFormat SglangFormat();
EmitFormat TensorRtLlmFormat();
EmitFormat TensorRtLlmRetFormat();
EmitFormat LightX2vFormat();
EmitFormat LightX2vRetFormat();
EmitFormat LightX2vFlatFormat();
EmitFormat DiffletFormat();
EmitFormat ComfyUiFormat();
EmitFormat DiffSynthFormat();
EmitFormat VideoXFunFormat();
EmitFormat MagCacheFormat();
EmitFormat SmoothCacheFormat();
EmitFormat CacheDitFormat();
EmitFormat SdCppFormat();

// The engine's name for the model, or the recorded one.
std::string ModelName(const EmitInput& input);

// The set's own threshold, or the input's; throws UserError unless it is > 0.
double ThresholdOf(const EmitInput& input, const CoefficientSet& set, const std::string& format);

// Exactly five numbers: lower degrees with leading zeros. Throws UserError for higher degrees.
std::vector<double> Five(const CoefficientSet& set, const std::string& format);

// Throws UserError when there is a set for each of several experts.
void RefuseExperts(const EmitInput& input, const std::string& format);

// The sets of a model with a high-noise and a low-noise expert; throws UserError for others.
std::pair<const CoefficientSet*, const CoefficientSet*> HighAndLow(const EmitInput& input,
                                                                   const std::string& format);

// 1 = compute; throws UserError for a schedule that does not compute the first call.
std::vector<int> MaskNumbers(const EmitInput& input, const std::string& format);

// "# rel_l1_thresh = ...\n<target> = [...]\n", `target` with {} for the quoted name of the model.
std::string PythonAssignment(const EmitInput& input,
                             const std::string& format,
                             const std::string& target);

// A number that YAML 1.1 readers take for one: "1.0e-05", since they read "1e-05" as text.
std::string YamlNumber(double value);
std::string YamlList(const std::vector<double>& values);

}  // namespace teacache
