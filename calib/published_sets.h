#pragma once

#include <string>
#include <vector>

namespace teacache {

// Published coefficients. Sets are not interchangeable between engines that tap
// different tensors.
struct PublishedSet {
  std::string name;                  // as on the command line: "wan2.1-t2v-1.3b"
  std::string title;                 // the models
  std::vector<double> coefficients;  // highest power first
  std::string signal;                // what x is of
  std::string source;                // repository and file
  std::string sampler = {};          // that it was fitted for; "" = not said
  double threshold = 0;              // published with it; 0 = none
};

// The table of all of them.
const std::vector<PublishedSet>& PublishedSets();

}  // namespace teacache
