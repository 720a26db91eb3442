#pragma once

#include <string>

#include "datasets/results.h"

namespace teacache {

// The scores of every frame as a long table, a line per video, frame and metric:
// "name,frame,metric, value". Frames count from 0; an identical frame without a number is "inf".
// RFC 4180.
std::string PerFrameCsv(const Results& results);

}  // namespace teacache
