#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// "At equal computed calls TeaCache beats uniform skipping at ..., cannot be told from it at ...":
// how the rows of a model and coefficient set do against the baseline `policy`, with the thresholds
// at which the baseline could not have as many calls. "" = they were not compared.
std::string AgainstBaseline(const SweepReport& report,
                            const SweepModel& model,
                            const std::string& fit,
                            const std::string& policy);

// "a", "a and b", "a, b and c".
std::string Listed(const std::vector<std::string>& words);

// With a large first letter.
std::string Capital(std::string text);

}  // namespace teacache
