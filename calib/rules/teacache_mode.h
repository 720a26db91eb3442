#pragma once

#include "datasets/base/choices.h"

namespace teacache {

// TeaCache's published code and its equations differ in details that change decisions.
enum class TeaCacheMode {
  // By the equations: r from sums in double, whatever the model's dtype; which calls are always
  // computed is decided by their position, as in a replay.
  kStrict,
  // As the reference code: r as two means and their ratio, each rounded to the model's dtype; a
  // call is computed for sure when its timestep, as the model sees it, equals the first or last of
  // the reference's list (DenoisingRun::IsFirst, IsLast), which need not hold for the last call.
  kReference,
};

inline constexpr Choices<TeaCacheMode, 2> kTeaCacheModes = {
    {{"strict", TeaCacheMode::kStrict}, {"reference", TeaCacheMode::kReference}}};

}  // namespace teacache
