#include "calib/diagnosis/cross_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "calib/diagnosis/grouped_fit.h"
#include "calib/fit/polynomial.h"
#include "datasets/base/error.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

using CallKey = std::pair<int, int>;  // call, branch

// Errors of predictions made for each pair without its group.
CrossValidation Score(std::string name,
                      const std::vector<Pair>& pairs,
                      const std::function<double(size_t)>& predict) {
  CrossValidation cv;
  cv.name = std::move(name);
  double mean = 0;
  for (const Pair& pair : pairs) mean += pair.y;
  mean /= static_cast<double>(pairs.size());
  double sse = 0;
  double sst = 0;
  double absolute = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const double r = pairs[i].y - predict(i);
    sse += r * r;
    absolute += std::fabs(r);
    sst += (pairs[i].y - mean) * (pairs[i].y - mean);
  }
  cv.rmse = std::sqrt(sse / static_cast<double>(pairs.size()));
  cv.mae = absolute / static_cast<double>(pairs.size());
  cv.r2 = sst > 0 ? 1 - sse / sst : 0;
  return cv;
}

// By the mean of the others' y at the same call.
std::vector<double> PredictByMeans(const std::vector<Pair>& pairs, const Groups& groups) {
  struct Sum {
    double y = 0;
    double n = 0;

    void Add(double value) {
      y += value;
      n += 1;
    }
  };
  std::map<CallKey, Sum> all;
  std::map<std::pair<CallKey, int>, Sum> own;
  std::vector<Sum> own_total(groups.count);
  Sum total;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const CallKey key = {pairs[i].call, pairs[i].branch};
    all[key].Add(pairs[i].y);
    own[{key, groups.of_pair[i]}].Add(pairs[i].y);
    own_total[groups.of_pair[i]].Add(pairs[i].y);
    total.Add(pairs[i].y);
  }
  std::vector<double> predicted;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const CallKey key = {pairs[i].call, pairs[i].branch};
    const int group = groups.of_pair[i];
    const Sum& with = all[key];
    const Sum& without = own[{key, group}];
    if (with.n > without.n) {
      predicted.push_back((with.y - without.y) / (with.n - without.n));
      continue;
    }
    // No other group has this call: the mean of all others.
    const double n = total.n - own_total[group].n;
    predicted.push_back(n > 0 ? (total.y - own_total[group].y) / n : total.y / total.n);
  }
  return predicted;
}

// By the (high) median of the others' y at the same call.
std::vector<double> PredictByMedians(const std::vector<Pair>& pairs, const Groups& groups) {
  std::map<CallKey, std::vector<size_t>> calls;
  std::vector<double> ys;
  for (size_t i = 0; i < pairs.size(); ++i) {
    calls[{pairs[i].call, pairs[i].branch}].push_back(i);
    ys.push_back(pairs[i].y);
  }
  std::vector<double> predicted(pairs.size(), MedianHigh(std::move(ys)));
  for (auto& [key, members] : calls) {
    std::sort(members.begin(), members.end(), [&](size_t a, size_t b) {
      return pairs[a].y < pairs[b].y;
    });
    std::map<int, std::vector<size_t>> own;  // positions in the sorted list
    for (size_t k = 0; k < members.size(); ++k) own[groups.of_pair[members[k]]].push_back(k);
    for (const auto& [group, positions] : own) {
      if (positions.size() == members.size()) continue;  // no other group has this call
      size_t at = (members.size() - positions.size()) / 2;
      for (size_t position : positions) at += position <= at ? 1 : 0;
      for (size_t position : positions) predicted[members[position]] = pairs[members[at]].y;
    }
  }
  return predicted;
}

// The largest degree that these pairs determine.
int DegreesPossible(const std::vector<Pair>& pairs, int max_degree) {
  std::set<double> different;
  for (const Pair& pair : pairs) {
    different.insert(pair.x);
    if (static_cast<int>(different.size()) > max_degree + 1) break;
  }
  return std::min(max_degree, static_cast<int>(different.size()) - 1);
}

// The different x in order, those that rounding alone tells apart counted as one.
std::vector<double> DifferentXs(const std::vector<Pair>& pairs) {
  std::vector<double> xs;
  for (const Pair& pair : pairs) xs.push_back(pair.x);
  std::ranges::sort(xs);
  const double same = xs.empty() ? 0 : 1e-6 * (xs.back() - xs.front());
  std::vector<double> different;
  for (const double x : xs) {
    if (different.empty() || x - different.back() > same) different.push_back(x);
  }
  return different;
}

// Whether f, somewhere between neighbouring x, is further outside its values at them than the noise
// and a twentieth of all that it spans.
bool Wiggles(const Polynomial& f, const std::vector<double>& xs, double noise) {
  constexpr int kBetween = 8;
  double lowest = HUGE_VAL;
  double highest = -HUGE_VAL;
  for (const double x : xs) {
    lowest = std::min(lowest, f(x));
    highest = std::max(highest, f(x));
  }
  const double allowed = std::max(noise, 0.05 * (highest - lowest));
  for (size_t i = 1; i < xs.size(); ++i) {
    const double a = f(xs[i - 1]);
    const double b = f(xs[i]);
    for (int k = 1; k < kBetween; ++k) {
      const double y = f(xs[i - 1] + (xs[i] - xs[i - 1]) * k / kBetween);
      if (y > std::max(a, b) + allowed || y < std::min(a, b) - allowed) return true;
    }
  }
  return false;
}

}  // namespace

double ErrorOf(const CrossValidation& cv, const FitOptions& options) {
  return options.robust() ? cv.mae : cv.rmse;
}

CrossValidation CrossValidate(const PairSet& set, const FitOptions& options) {
  options.Validate();
  const Groups groups = MakeGroups(set.pairs);
  const std::vector<Polynomial> fits = GroupedFit(set.pairs, groups, options).LeaveOneOut();
  return Score(fmt::format("degree {}", options.degree), set.pairs, [&](size_t i) {
    return fits[groups.of_pair[i]](set.pairs[i].x);
  });
}

CrossValidation CrossValidateSteps(const PairSet& set, const FitOptions& options) {
  const Groups groups = MakeGroups(set.pairs);
  const std::vector<double> predicted =
      options.robust() ? PredictByMedians(set.pairs, groups) : PredictByMeans(set.pairs, groups);
  return Score("step", set.pairs, [&](size_t i) { return predicted[i]; });
}

DegreeTable CrossValidateDegrees(const PairSet& set, const FitOptions& options, int max_degree) {
  const std::vector<Pair>& pairs = set.pairs;
  const Groups groups = MakeGroups(pairs);
  DegreeTable table;
  for (const Pair& pair : pairs) table.rounding = std::max(table.rounding, 1e-10 * pair.y);
  FitOptions own = options;
  for (own.degree = 1; own.degree <= DegreesPossible(pairs, max_degree); ++own.degree) {
    own.Validate();
    const std::vector<Polynomial> fits = GroupedFit(pairs, groups, own).LeaveOneOut();
    std::vector<double> errors(groups.count, 0);
    table.degrees.push_back(Score(fmt::format("degree {}", own.degree), pairs, [&](size_t i) {
      const double predicted = fits[groups.of_pair[i]](pairs[i].x);
      const double r = pairs[i].y - predicted;
      errors[groups.of_pair[i]] += own.robust() ? std::fabs(r) : r * r;
      return predicted;
    }));
    table.errors.push_back(std::move(errors));
  }
  return table;
}

int HighestBearableDegree(const PairSet& set, const FitOptions& options, int max_degree) {
  const std::vector<double> xs = DifferentXs(set.pairs);
  const int three_each = static_cast<int>(xs.size()) / 3 - 1;
  int highest = 1;
  FitOptions own = options;
  for (own.degree = 2; own.degree <= std::min(max_degree, three_each); ++own.degree) {
    const FitSummary fit = FitPolynomial(Xs(set), Ys(set), own, Weights(set));
    if (Wiggles(fit.polynomial, xs, fit.rmse)) break;
    highest = own.degree;
  }
  return highest;
}

int ChooseDegree(const DegreeTable& table, int highest) {
  if (table.degrees.empty()) {
    ThrowUserError("fit", "x must take at least 2 different values but takes fewer");
  }
  std::vector<double> total;
  for (const std::vector<double>& errors : table.errors) {
    total.push_back(std::accumulate(errors.begin(), errors.end(), 0.0));
  }
  total.resize(std::clamp<size_t>(static_cast<size_t>(highest), 1, total.size()));
  const size_t best =
      static_cast<size_t>(std::min_element(total.begin(), total.end()) - total.begin());
  const double count = static_cast<double>(table.errors[best].size());
  for (size_t d = 0; d < best; ++d) {
    // Paired over groups: is the best one's lead more than chance?
    const double lead = (total[d] - total[best]) / count;
    double variance = 0;
    for (size_t g = 0; g < table.errors[d].size(); ++g) {
      const double difference = table.errors[d][g] - table.errors[best][g] - lead;
      variance += difference * difference;
    }
    const double error = std::sqrt(variance / std::max(1.0, count - 1) / count);
    if (lead <= error || total[d] <= 1.02 * total[best]) return static_cast<int>(d) + 1;
  }
  return static_cast<int>(best) + 1;
}

void RefuseWorseDegree(const DegreeTable& table, const FitOptions& options) {
  // Too few x for this degree: the fit reports it.
  if (options.degree < 1 || static_cast<int>(table.degrees.size()) < options.degree) return;
  const double own = ErrorOf(table.degrees[options.degree - 1], options);
  for (int degree = 1; degree < options.degree; ++degree) {
    const double lower = ErrorOf(table.degrees[degree - 1], options);
    if (own <= 1.05 * lower || own <= table.rounding) continue;
    ThrowUserError(
        "degree",
        "must not predict worse than a lower one but degree {} has a cross-validated "
        "error of {:.4g} and degree {} of {:.4g}; choose that one or auto, or allow a worse "
        "one (--allow-worse-degree)",
        options.degree,
        own,
        degree,
        lower);
  }
}

}  // namespace teacache
