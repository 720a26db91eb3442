#include "runners/vae/config_checks.h"

#include <cmath>
#include <stdexcept>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr int64_t kMostWidths = 8;  // 2^7 pixels per latent place are more than any model has

}  // namespace

void CheckOnly(const JsonFields& fields, const std::string& name, const std::string& value) {
  const std::string actual = fields.String(name, value);
  if (actual != value) {
    ThrowUserError(fields.where(), "\"{}\" must be {} but is {}", name, value, actual);
  }
}

void CheckWidths(const std::string& where,
                 const std::string& name,
                 const std::vector<int64_t>& widths,
                 int64_t groups) {
  if (groups < 1) ThrowUserError(where, "the norms' groups must be at least 1 but are {}", groups);
  if (widths.empty() || widths.size() > kMostWidths) {
    ThrowUserError(
        where, "\"{}\" must have 1 to {} widths but has {}", name, kMostWidths, widths.size());
  }
  for (const int64_t width : widths) {
    if (width < 1 || width % groups != 0) {
      ThrowUserError(where,
                     "\"{}\" must be multiples of the norms' {} groups but one is {}",
                     name,
                     groups,
                     width);
    }
  }
}

void CheckAtLeastOne(const std::string& where,
                     std::initializer_list<std::pair<const char*, int64_t>> values) {
  for (const auto& [name, value] : values) {
    if (value < 1) ThrowUserError(where, "\"{}\" must be at least 1 but is {}", name, value);
  }
}

void CheckScale(const std::string& where, double scaling_factor) {
  if (!(std::isfinite(scaling_factor) && scaling_factor > 0)) {
    ThrowUserError(where, "\"scaling_factor\" must be above 0 but is {}", scaling_factor);
  }
}

void CheckLatent(const at::Tensor& latent, int64_t channels) {
  if (latent.dim() != 5 || latent.size(0) != 1 || latent.size(1) != channels ||
      latent.numel() == 0) {
    throw std::logic_error("a decoder's latent must be [1, C, T, h, w]");
  }
}

}  // namespace teacache
