#pragma once

#include <string>
#include <vector>

#include "datasets/coefficients.h"

namespace teacache {

// Coefficients that somebody published. Sets are not interchangeable between engines that tap
// different tensors.
struct PublishedSet {
  std::string name;                  // as on the command line: "wan2.1-t2v-1.3b"
  std::string title;                 // the models
  std::vector<double> coefficients;  // highest power first
  std::string signal;                // what x is of
  std::string source;                // repository and file
};

// All of them (registry_data.cc).
const std::vector<PublishedSet>& PublishedSets();

// Throws UserError listing near names for one that is not known.
const PublishedSet& FindPublishedSet(const std::string& name);

// Something noteworthy about a list of coefficients, most certain first.
struct Likeness {
  enum class Kind {
    kSame,        // equal to a published set
    kRounded,     // equal to as many digits as the list shows
    kReversed,    // equal in the other order: lowest power first
    kNear,        // all within 0.1 %: copied with a slip
    kOneChanged,  // all equal but one
    kAllRound,    // at most three digits each: probably made by hand
  };
  Kind kind = Kind::kSame;
  std::string name;  // of the published set; "" for kAllRound
  std::string text;  // one sentence
};

std::vector<Likeness> FindLikenesses(const std::vector<double>& coefficients);

// Coefficients from the command line: the name of a published set, a list of numbers separated by
// commas or spaces, with or without brackets, or a coefficients file. Throws UserError.
Coefficients ResolveCoefficients(const std::string& text);

}  // namespace teacache
