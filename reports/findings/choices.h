#pragma once

#include <limits>
#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// Which setting of a model to use: every policy at its fastest setting whose worst videos keep
// context.psnr_floor. Rows are summarized already; pointers are into the report.

// PSNR of the worst videos: of 20 and more the 5th percentile, of fewer the worst one. Infinite
// where every video is identical to the uncached one; NaN where none was scored.
double WorstPsnr(const ReportRow& row);

// Whether WorstPsnr is of the worst video.
bool IsOfWorstVideo(const ReportRow& row);

struct SettingOption {
  const ReportRow* row = nullptr;
  // Whether the row keeps the floor. Where no setting of a policy does, its row is the one that
  // comes nearest.
  bool keeps = false;
  double worst = std::numeric_limits<double>::quiet_NaN();  // WorstPsnr
  // How many times faster the best option is over the same videos (PairedSpeedup); value 0 = not
  // known, or this is the best one.
  ReportSpeedup behind;
};

struct SettingChoice {
  // The best first: by speed-up where it is known for all, else by computed calls; then the
  // policies that do not keep the floor, the nearest first.
  std::vector<SettingOption> options;

  const SettingOption* best() const;      // nullptr = no setting keeps the floor
  const SettingOption* teacache() const;  // TeaCache's, if it keeps the floor; else nullptr
};

SettingChoice ChooseSetting(const Report& report, const std::string& model);

}  // namespace teacache
