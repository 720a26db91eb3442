#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// How much a tensor changed, relative to what it was: sum|a - b| / sum|b|.

// sum|a - b| and sum|b| over all values of two tensors of one shape: differences in float32, sums
// in double. On any device; the number of threads does not change the result.
L1Sums MeasureL1(const at::Tensor& a, const at::Tensor& b);
// The same over several streams.
L1Sums MeasureL1(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b);

// mean|a - b| / mean|b| as TeaCache's forward functions compute it: every operation, the two means
// and their ratio are rounded to the tensors' dtype.
double ReferenceRelativeL1(const at::Tensor& a, const at::Tensor& b);

}  // namespace teacache
