#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "datasets/base/json_fields.h"

namespace teacache {

// Internal to runners/vae: what the configs of all decoders must hold. All throw UserError
// beginning with `where`.

// The field, if it is there, must have this value.
void CheckOnly(const JsonFields& fields, const std::string& name, const std::string& value);
// At least one width; each above 0 and a multiple of the norms' groups.
void CheckWidths(const std::string& where,
                 const std::string& name,
                 const std::vector<int64_t>& widths,
                 int64_t groups);
void CheckAtLeastOne(const std::string& where,
                     std::initializer_list<std::pair<const char*, int64_t>> values);
// scaling_factor must be finite and above 0.
void CheckScale(const std::string& where, double scaling_factor);

// A latent must be [1, channels, T >= 1, h, w]; anything else is a mistake of the caller
// (std::logic_error).
void CheckLatent(const at::Tensor& latent, int64_t channels);

}  // namespace teacache
