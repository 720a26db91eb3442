#pragma once

#include <string>
#include <vector>

#include "calib/published_sets.h"
#include "datasets/coefficients.h"

namespace teacache {

// Throws UserError with similar names for an unknown one.
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
