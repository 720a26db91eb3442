#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calib/fit/fit.h"
#include "calib/fit/least_squares.h"
#include "calib/pairs.h"

namespace teacache {

// Pairs that belong together: left out together, drawn together.
struct Groups {
  std::string name;
  std::vector<int> of_pair;
  int count = 0;
};

template <typename Key>
Groups GroupBy(const std::string& name, const std::vector<Pair>& pairs, const Key& key_of) {
  Groups groups{name, {}, 0};
  std::map<decltype(key_of(pairs[0])), int> index;
  for (const Pair& pair : pairs) {
    const auto [it, inserted] = index.try_emplace(key_of(pair), groups.count);
    groups.count += inserted ? 1 : 0;
    groups.of_pair.push_back(it->second);
  }
  return groups;
}

// By prompt; of a single prompt by run; of a single run every tenth call.
Groups MakeGroups(const std::vector<Pair>& pairs);

class RobustResampler;

// A fit to any choice of groups, each counted as often as wanted. Least-squares methods keep a
// triangle per group, so that a choice costs little more than adding those up; robust ones begin
// from the fit to everything.
class GroupedFit {
 public:
  struct Fit {
    Polynomial polynomial;
    Eigen::VectorXd theta;
    double sse = 0;  // over the chosen groups, every pair counting once, whatever its weight
    double sst = 0;
    double n = 0;
  };

  // Keeps references to `pairs` and `groups`. `start` is the fit to all pairs with these options
  // where it is known already; only robust methods need it.
  GroupedFit(const std::vector<Pair>& pairs,
             const Groups& groups,
             const FitOptions& options,
             const FitSummary* start = nullptr);
  ~GroupedFit();

  Fit Solve(const std::vector<int>& counts) const;

  // The fits without each group, in order.
  std::vector<Polynomial> LeaveOneOut() const;

  // Sum of squared residuals of `fit` on the pairs of one group.
  double Sse(const Fit& fit, int group) const;

  double Count(int group) const { return sums_[group].n; }

  // The diagonal of the hat matrix of a least-squares fit: how much each pair's own y moves its
  // prediction.
  std::vector<double> Leverages() const;

 private:
  struct Sums {
    double n = 0;
    double y = 0;
    double yy = 0;
  };

  std::vector<Eigen::MatrixXd> ReduceGroups(bool weighted) const;
  Eigen::MatrixXd Stack(const std::vector<int>& counts) const;
  Fit SolveStack(const Eigen::MatrixXd& triangle) const;
  Fit SolveRobust(const std::vector<int>& counts) const;

  const std::vector<Pair>& pairs_;
  const Groups& groups_;
  FitOptions options_;
  Basis basis_;
  Eigen::VectorXd lower_;
  std::vector<Sums> sums_;
  std::vector<std::vector<size_t>> members_;  // the pairs of each group
  // Least-squares methods: [A | b] of each group, reduced, and where pairs have weights the same
  // without.
  std::vector<Eigen::MatrixXd> triangles_;
  std::vector<Eigen::MatrixXd> plain_triangles_;
  std::unique_ptr<RobustResampler> robust_;  // robust methods
};

}  // namespace teacache
