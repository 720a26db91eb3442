#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace teacache {

// base + sum_i weights[i] terms[i], all of one shape and dtype, in the dtype of `base`; 1 to 3
// terms. Added in float32 (float64 for float64 tensors) in this order and rounded once, so that one
// term of weight 1 gives the bits of base + term. On the CPU one pass over the tensors, with
// at::get_num_threads() threads, whose number does not change the result.
at::Tensor WeightedSum(const at::Tensor& base,
                       const std::vector<at::Tensor>& terms,
                       const std::vector<double>& weights);

}  // namespace teacache
