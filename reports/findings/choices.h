#pragma once

#include <limits>
#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// Which setting of a model to use: every policy at its fastest setting whose worst videos keep
// context.floor. Rows are summarized already.

// The score of the worst videos: of 20 and more the 5th percentile (the 95th where lower is
// better), of fewer the worst one. Of videos that are all identical to the uncached ones the
// metric's best value; NaN where none was scored.
double WorstScore(const ReportRow& row, const MetricInfo& metric);

// "psnr=30", or a number in dB of PSNR. Throws UserError for anything else.
ReportFloor ParseFloor(const std::string& text);
// Throws UserError where the floor is not finite.
void CheckFloor(const ReportFloor& floor);

// The choice of each model of which any cached setting was scored.
std::vector<ReportChoice> ChooseSettings(const Report& report);

// The choice of `model`, or nullptr.
const ReportChoice* FindChoice(const Report& report, const std::string& model);

// The best option; nullptr = no setting keeps the floor.
const ReportOption* BestOption(const ReportChoice& choice);
// TeaCache's, if it keeps the floor; else nullptr.
const ReportOption* TeaCacheOption(const ReportChoice& choice);

}  // namespace teacache
