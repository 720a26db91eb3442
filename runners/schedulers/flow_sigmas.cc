#include "runners/schedulers/flow_sigmas.h"

#include <cmath>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr double kQuadraticThreshold = 0.025;

std::vector<double> LinearQuadratic(int steps) {
  const int linear = steps / 2;
  if (linear < 1) return {1};
  const int quadratic = steps - linear;
  const double difference = linear - kQuadraticThreshold * steps;
  const double a = difference / (linear * std::pow(quadratic, 2));
  const double b = kQuadraticThreshold / linear - 2 * difference / std::pow(quadratic, 2);
  const double c = a * std::pow(linear, 2);
  std::vector<double> sigmas;
  for (int i = 0; i < linear; ++i) sigmas.push_back(1 - i * kQuadraticThreshold / linear);
  for (int i = linear; i < steps; ++i) sigmas.push_back(1 - (a * i * i + b * i + c));
  return sigmas;
}

}  // namespace

std::optional<std::vector<double>> SigmaList::Values() const {
  std::vector<double> sigmas;
  switch (kind) {
    case Kind::kScheduler:
      return std::nullopt;
    case Kind::kLinear:
      for (int i = 0; i < steps; ++i) {
        sigmas.push_back(steps == 1 ? 1 : 1 + i * (1.0 / steps - 1) / (steps - 1));
      }
      return sigmas;
    case Kind::kLinearQuadratic:
      return LinearQuadratic(steps);
    case Kind::kGiven:
      break;
  }
  if (static_cast<int>(given.size()) != steps) {
    ThrowUserError(
        "--steps", "must be {}, for which noise levels are given, but is {}", given.size(), steps);
  }
  return given;
}

std::vector<double> FlowShift::Apply(std::vector<double> sigmas,
                                     const std::optional<double>& mu,
                                     const std::string& where) const {
  if (dynamic && !mu) {
    ThrowUserError(where, "mu must be given, since the shift depends on the size, but is not");
  }
  const double m = dynamic ? (exponential ? std::exp(*mu) : *mu) : 0;
  for (double& sigma : sigmas) {
    sigma = dynamic ? m / (m + (1 / sigma - 1)) : shift * sigma / (1 + (shift - 1) * sigma);
  }
  if (terminal && !sigmas.empty()) {
    const double scale = (1 - sigmas.back()) / (1 - *terminal);
    for (double& sigma : sigmas) sigma = 1 - (1 - sigma) / scale;
  }
  return sigmas;
}

}  // namespace teacache
