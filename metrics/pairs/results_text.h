#pragma once

#include <string>

#include "datasets/results.h"

namespace teacache {

// Results for people: a table of the metrics (mean, interval, median, spread, worst 5 %), the noise
// floor and the comparison when there are any, the worst pairs by name, and what went wrong.
std::string ResultsText(const Results& results, int worst_pairs = 5);

}  // namespace teacache
