#include "runners/schedulers/unipc.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr const char* kName = "unipc";
constexpr double kBelowOne = 1e-6;  // log(1 - sigma) must be finite

// R rho = b by Gaussian elimination with pivots.
std::vector<double> Solve(std::vector<std::vector<double>> r, std::vector<double> b) {
  const size_t n = b.size();
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row) {
      if (std::abs(r[row][column]) > std::abs(r[pivot][column])) pivot = row;
    }
    std::swap(r[column], r[pivot]);
    std::swap(b[column], b[pivot]);
    for (size_t row = 0; row < n; ++row) {
      if (row == column) continue;
      const double factor = r[row][column] / r[column][column];
      for (size_t k = column; k < n; ++k) r[row][k] -= factor * r[column][k];
      b[row] -= factor * b[column];
    }
  }
  for (size_t i = 0; i < n; ++i) b[i] /= r[i][i];
  return b;
}

class UniPcScheduler : public Scheduler {
 public:
  explicit UniPcScheduler(const UniPcOptions& options) : options_(options) {
    if (options.order < 1 || options.order > 3) {
      ThrowUserError(kName, "solver_order must be 1 to 3 but is {}", options.order);
    }
    std::vector<double> sigmas;
    if (const auto given = options.sigmas.Values()) {
      sigmas = *given;
    } else {
      const int steps = options.sigmas.steps;
      const double last = 1.0 / options.num_train_timesteps;
      for (int i = 0; i < steps; ++i) sigmas.push_back(1 + i * ((last - 1) / steps));
    }
    sigmas = options.shift.Apply(std::move(sigmas), options.sigmas.mu, kName);
    if (!sigmas.empty() && std::abs(sigmas[0] - 1) < kBelowOne) sigmas[0] -= kBelowOne;
    for (const double sigma : sigmas) {
      sigmas_.push_back(static_cast<float>(sigma));
      timesteps_.push_back(static_cast<int64_t>(sigma * options.num_train_timesteps));
    }
    sigmas_.push_back(options.final_sigma_zero || sigmas.empty() ? 0 : sigmas_.back());
  }

  std::string name() const override { return kName; }
  int num_calls() const override { return static_cast<int>(timesteps_.size()); }
  int StepOf(int call) const override { return call; }
  double TimestepOf(int call) const override { return static_cast<double>(timesteps_.at(call)); }

  at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) override {
    const at::Tensor now = Original(call, output, latent);
    at::Tensor sample = latent;
    const auto& off = options_.disable_corrector;
    if (call > 0 && std::ranges::find(off, call - 1) == off.end()) {
      sample = Correct(call, now, latent);
    }
    originals_.push_front(now);
    if (originals_.size() > static_cast<size_t>(options_.order)) originals_.pop_back();
    int order = options_.order;
    if (options_.lower_order_final) order = std::min(order, num_calls() - call);
    order_ = std::min(order, call + 1);
    last_sample_ = sample;
    return Predict(call, sample);
  }

 private:
  // What both halves need of the way from sigma `from` to sigma `to`.
  struct Way {
    double ratio = 0;           // sigma_to / sigma_from
    double alpha = 0;           // of `to`
    double phi_1 = 0;           // e^-h - 1
    double b_h = 0;             // B(h), the same
    std::vector<double> steps;  // of earlier outputs, relative to h; the last one is 1
    std::vector<std::vector<double>> r;
    std::vector<double> b;
  };

  double Lambda(int i) const {
    const double sigma = sigmas_.at(i);
    return std::log(1 - sigma) - std::log(sigma);
  }

  // `order` outputs, those before `from` at from - 1, from - 2, ...
  Way WayTo(int from, int to, int order) const {
    Way way;
    way.ratio = static_cast<double>(sigmas_.at(to)) / sigmas_.at(from);
    way.alpha = 1 - static_cast<double>(sigmas_.at(to));
    const double h = Lambda(to) - Lambda(from);
    for (int i = 1; i < order; ++i) {
      way.steps.push_back((Lambda(from - i) - Lambda(from)) / h);
    }
    way.steps.push_back(1);
    way.phi_1 = std::expm1(-h);
    way.b_h = way.phi_1;
    double phi_k = way.phi_1 / -h - 1;
    double factorial = 1;
    for (int i = 1; i <= order; ++i) {
      std::vector<double> row;
      for (const double step : way.steps) row.push_back(std::pow(step, i - 1));
      way.r.push_back(std::move(row));
      way.b.push_back(phi_k * factorial / way.b_h);
      factorial *= i + 1;
      phi_k = phi_k / -h - 1 / factorial;
    }
    return way;
  }

  // sum_i weights[i] (m_i - m_0) / steps[i] over the outputs before the last one.
  at::Tensor Differences(const Way& way, const std::vector<double>& weights) const {
    at::Tensor sum = at::zeros_like(originals_[0]);
    for (size_t i = 0; i + 1 < way.steps.size(); ++i) {
      sum = sum + (originals_[i + 1] - originals_[0]) * (weights[i] / way.steps[i]);
    }
    return sum;
  }

  at::Tensor Predict(int call, const at::Tensor& sample) const {
    const Way way = WayTo(call, call + 1, order_);
    at::Tensor next = sample * way.ratio - originals_[0] * (way.alpha * way.phi_1);
    if (order_ > 1) {
      std::vector<double> weights = {0.5};  // for order 2, as the reference
      if (order_ > 2) {
        std::vector<std::vector<double>> r(way.r.begin(), way.r.end() - 1);
        for (std::vector<double>& row : r) row.pop_back();
        weights = Solve(std::move(r), {way.b.begin(), way.b.end() - 1});
      }
      next = next - Differences(way, weights) * (way.alpha * way.b_h);
    }
    return next.to(sample.scalar_type());
  }

  at::Tensor Correct(int call, const at::Tensor& now, const at::Tensor& latent) const {
    const Way way = WayTo(call - 1, call, order_);
    const std::vector<double> weights =
        order_ == 1 ? std::vector<double>{0.5} : Solve(way.r, way.b);
    const at::Tensor change = Differences(way, weights) + (now - originals_[0]) * weights.back();
    const at::Tensor sample = last_sample_ * way.ratio - originals_[0] * (way.alpha * way.phi_1) -
                              change * (way.alpha * way.b_h);
    return sample.to(latent.scalar_type());
  }

  at::Tensor Original(int call, const at::Tensor& output, const at::Tensor& latent) const {
    const double sigma = sigmas_.at(call);
    switch (options_.prediction) {
      case UniPcOptions::Prediction::kFlow:
        return latent - output * sigma;
      case UniPcOptions::Prediction::kEpsilon:
        return (latent - output * sigma) / (1 - sigma);
      case UniPcOptions::Prediction::kSample:
        break;
    }
    return output;
  }

  UniPcOptions options_;
  std::vector<float> sigmas_;  // and that after the last step
  std::vector<int64_t> timesteps_;
  std::deque<at::Tensor> originals_;  // predicted x0 of the last calls, newest first
  at::Tensor last_sample_;            // corrected, of the call before
  int order_ = 1;                     // of the last prediction
};

}  // namespace

std::unique_ptr<Scheduler> MakeUniPcScheduler(const UniPcOptions& options) {
  return std::make_unique<UniPcScheduler>(options);
}

}  // namespace teacache
