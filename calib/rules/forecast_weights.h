#pragma once

#include <vector>

namespace teacache {

// What is put in for the residual of a skipped call, as weights of the residuals R_i of the last
// computed calls (at the times t_0, t_1, ..., newest first; time is the scheduler's own variable):
//
//   order 0   R_0, as TeaCache reuses it
//   order k   P(t), the polynomial of degree k with P(t_i) = R_i, i = 0 ... k
//
// With fewer than k + 1 computed calls the degree is lower. A forecast reaches as far ahead as the
// last two computed calls are apart, |t - t_0| <= |t_0 - t_1|; calls beyond get the one at that
// distance, which bounds the forecast where gaps grow. It does not make a line better than the
// last residual there: one through a call of the fast start of a run is too steep later on, however
// short it is (docs/planned-schedules.md). TaylorSeer (arXiv 2503.06923) sums the
// same finite differences as if they were derivatives at t_0; order 1 is equal, at order 2 this one
// is exact for quadratic functions and TaylorSeer's is not.
inline constexpr int kMaxForecastOrder = 2;

// Throws UserError unless 0 <= order <= kMaxForecastOrder.
void CheckForecastOrder(int order);

// Weights of the min(order + 1, times.size()) newest residuals; their sum is 1. `times` has at
// least one entry and no two equal ones.
std::vector<double> ForecastWeights(int order, const std::vector<double>& times, double time);

}  // namespace teacache
