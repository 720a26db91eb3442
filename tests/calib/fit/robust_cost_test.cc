#include "calib/fit/robust_cost.h"

#include <ceres/ceres.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>

#include "calib/fit/fit.h"
#include "calib/fit/robust_start.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Method = FitOptions::Method;

constexpr Method kRobust[] = {Method::kHuber, Method::kCauchy, Method::kTukey};

struct Data {
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> weights;
};

Data MakeData(int n, bool weighted, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal(0, 1);
  Data data;
  for (int i = 0; i < n; ++i) {
    const double x = 0.02 + 0.48 * uniform(random);
    const double far = i % 11 == 0 ? 3 * uniform(random) : 0;
    data.x.push_back(x);
    data.y.push_back(0.1 + x * (1 + 2 * x) + 0.03 * normal(random) + far);
    if (weighted) data.weights.push_back(i % 5 == 0 ? 0 : 0.5 + i % 3);
  }
  return data;
}

// Ceres' own; null for least squares.
std::unique_ptr<ceres::LossFunction> MakeLoss(Method method, double width) {
  if (method == Method::kCeres) return nullptr;
  if (method == Method::kHuber) return std::make_unique<ceres::HuberLoss>(width);
  if (method == Method::kCauchy) return std::make_unique<ceres::CauchyLoss>(width);
  return std::make_unique<ceres::TukeyLoss>(width);
}

// The sums of the header, pair by pair with Ceres' own loss functions.
struct PlainSums {
  double cost = 0;
  VectorXd gradient;
  MatrixXd newton;
  MatrixXd reweighted;
};

PlainSums Sum(const Problem& problem, double width, const VectorXd& theta) {
  const auto loss = MakeLoss(problem.options.method, width);
  const Eigen::Index size = theta.size();
  PlainSums sums{0, VectorXd::Zero(size), MatrixXd::Zero(size, size), MatrixXd::Zero(size, size)};
  VectorXd phi(size);
  for (size_t i = 0; i < problem.xs.size(); ++i) {
    problem.basis.Evaluate(problem.xs[i], phi.data());
    const double r = phi.dot(theta) - problem.ys[i];
    double rho[3];
    loss->Evaluate(r * r, rho);
    const double w = problem.weight(i);
    sums.cost += w * rho[0] / 2;
    sums.gradient += w * rho[1] * r * phi;
    sums.newton += w * (rho[1] + 2 * r * r * rho[2]) * phi * phi.transpose();
    sums.reweighted += w * rho[1] * phi * phi.transpose();
  }
  return sums;
}

TEST(RobustLoss, EqualsCeresOwnLosses) {
  for (const Method method : kRobust) {
    const RobustLoss loss(method, 0.3);
    const auto own = MakeLoss(method, loss.width());
    const double a2 = loss.width() * loss.width();
    for (const double u : {0.0, 1e-9, 0.3, 0.99, 1.01, 5.0, 1e6}) {
      double rho[3], expected[3];
      loss.Evaluate(u * a2, rho);
      own->Evaluate(u * a2, expected);
      EXPECT_NEAR(rho[0], expected[0], 1e-14 * (expected[0] + a2)) << ToString(method) << u;
      EXPECT_NEAR(rho[1], expected[1], 1e-14) << ToString(method) << u;
      EXPECT_NEAR(rho[2], expected[2], 1e-14 / a2) << ToString(method) << u;
    }
  }
}

TEST(RobustCost, EqualsTheSumOverPairs) {
  for (const bool weighted : {false, true}) {
    const Data data = MakeData(1300, weighted, 1);  // more than two blocks
    for (const Method method : kRobust) {
      const Problem problem = MakeProblem(data.x, data.y, {.method = method}, data.weights);
      const RobustLoss loss(method, 0.03);
      const RobustCost cost(problem, loss);
      for (const double away : {0.0, 0.01, 0.3}) {
        VectorXd theta = FindRobustStart(problem).theta;
        theta.array() += away;
        const PlainSums plain = Sum(problem, loss.width(), theta);
        const RobustCost::Model model = cost.Evaluate(theta);
        EXPECT_NEAR(model.cost, plain.cost, 1e-12 * plain.cost);
        EXPECT_NEAR(cost.Cost(theta), plain.cost, 1e-12 * plain.cost);
        EXPECT_LT((model.j.transpose() * model.f - plain.gradient).norm(),
                  1e-11 * plain.reweighted.norm());
        const MatrixXd curvature = model.j.transpose() * model.j;
        const double newton = (curvature - plain.newton).norm();
        const double reweighted = (curvature - plain.reweighted).norm();
        EXPECT_LT(std::min(newton, reweighted), 1e-11 * plain.reweighted.norm());
        EXPECT_LE(model.f.squaredNorm() / 2, model.cost);
        if (away <= 0.01) {
          EXPECT_LT(newton, reweighted) << ToString(method);
        }
      }
    }
  }
}

// One residual block with a loss for every pair, as Ceres' manual does it.
struct PairCost {
  VectorXd phi;
  double y;
  template <typename T>
  bool operator()(const T* const* theta, T* residual) const {
    residual[0] = T(-y);
    for (int k = 0; k < phi.size(); ++k) residual[0] += phi[k] * theta[0][k];
    return true;
  }
};

VectorXd SolvePairByPair(const Problem& problem, const FitSummary& fit) {
  const Method method = problem.options.method;
  const auto loss =
      MakeLoss(method, method == Method::kCeres ? 0 : RobustLoss(method, fit.scale).width());
  ceres::Problem::Options ownership;
  ownership.loss_function_ownership = ceres::DO_NOT_TAKE_OWNERSHIP;
  ceres::Problem ceres_problem(ownership);
  std::vector<std::unique_ptr<ceres::LossFunction>> scaled;
  VectorXd theta = FindRobustStart(problem).theta;
  if (problem.lower.size() > 0) theta = theta.cwiseMax(problem.lower);
  for (size_t i = 0; i < problem.xs.size(); ++i) {
    VectorXd phi(theta.size());
    problem.basis.Evaluate(problem.xs[i], phi.data());
    auto* cost = new ceres::DynamicAutoDiffCostFunction<PairCost>(new PairCost{phi, problem.ys[i]});
    cost->AddParameterBlock(static_cast<int>(theta.size()));
    cost->SetNumResiduals(1);
    // A scaled loss of nothing is least squares with a weight.
    scaled.push_back(std::make_unique<ceres::ScaledLoss>(
        loss.get(), problem.weight(i), ceres::DO_NOT_TAKE_OWNERSHIP));
    ceres_problem.AddResidualBlock(cost, scaled.back().get(), theta.data());
  }
  for (int k = 0; k < problem.lower.size(); ++k) {
    if (std::isfinite(problem.lower[k])) {
      ceres_problem.SetParameterLowerBound(theta.data(), k, problem.lower[k]);
    }
  }
  ceres::Solver::Options options;
  options.linear_solver_type = ceres::DENSE_QR;
  options.logging_type = ceres::SILENT;
  options.max_num_iterations = 2000;
  options.function_tolerance = options.gradient_tolerance = options.parameter_tolerance = 1e-16;
  ceres::Solver::Summary summary;
  ceres::Solve(options, &ceres_problem, &summary);
  return theta;
}

// f at the same points.
std::vector<double> Values(const Polynomial& f) {
  std::vector<double> values;
  for (int i = 0; i <= 100; ++i) values.push_back(f(0.02 + 0.48 * i / 100));
  return values;
}

// The two implementations and Ceres with a residual block for every pair: also what the program
// fits by default.
TEST(FitPolynomial, AgreesWithCeresPairByPair) {
  for (const bool weighted : {false, true}) {
    const Data data = MakeData(500, weighted, 2);
    for (const Method method : {Method::kCeres, Method::kHuber, Method::kCauchy, Method::kTukey}) {
      for (const bool constrained : {false, true}) {
        FitOptions options = {.method = method};
        options.monotone = options.non_negative = constrained;
        const FitSummary fit = FitPolynomial(data.x, data.y, options, data.weights);
        ASSERT_TRUE(fit.converged) << fit.status;
        // Least squares pair by pair sticks between bounds: a reason for the program's way.
        if (method != Method::kCeres || !constrained) {
          const Problem problem = MakeProblem(data.x, data.y, options, data.weights);
          const Polynomial plain(problem.basis.ToPower(SolvePairByPair(problem, fit)));
          // Ceres stops when the cost no longer changes, half the digits early.
          EXPECT_TRUE(NearRel(Values(fit.polynomial), Values(plain), 1e-7))
              << ToString(method) << constrained;
        }
        const FitSummary direct = FitPolynomialDirect(data.x, data.y, options, data.weights);
        EXPECT_TRUE(NearRel(Values(fit.polynomial), Values(direct.polynomial), 1e-10))
            << ToString(method) << constrained;
      }
    }
  }
}

// Of large data the start is searched in a part: whatever their order, all of it must be seen.
TEST(FitPolynomial, RobustOnLargeDataInAnyOrder) {
  Data data = MakeData(50'000, false, 3);
  for (size_t i = 0; i < data.x.size(); i += 25) {  // a period that an even choice would hit
    data.x[i] = 0.03;
    data.y[i] = 2;
  }
  for (const Method method : kRobust) {
    const FitSummary fit = FitPolynomial(data.x, data.y, {.method = method});
    ASSERT_TRUE(fit.converged) << fit.status;
    EXPECT_NEAR(fit.scale, 0.03, 0.008);
    EXPECT_NEAR(fit.polynomial(0.3), 0.1 + 0.3 * 1.6, method == Method::kHuber ? 0.01 : 0.002);
    const FitSummary direct = FitPolynomialDirect(data.x, data.y, {.method = method});
    EXPECT_TRUE(NearRel(Values(fit.polynomial), Values(direct.polynomial), 1e-10))
        << ToString(method);
  }
}

}  // namespace
}  // namespace teacache
