#pragma once

// What x is of: the field `modulated` of traces and coefficients, and the signals of published
// sets. Coefficients that were fitted to one kind of signal say nothing about another.

#include <string>
#include <string_view>

namespace teacache {

// "input" (timestep-modulated input of a block), "time" (an embedding of the timestep: the same in
// all runs), the text itself for another tap, "" where it is not known.
std::string SignalKind(std::string_view text);

// Whether both are known and differ.
bool DifferentSignals(std::string_view a, std::string_view b);

// "the modulated input", "the time embedding", "the tap \"x\"", "an unknown signal".
std::string DescribeSignal(std::string_view text);

}  // namespace teacache
