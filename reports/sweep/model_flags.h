#pragma once

#include <string>
#include <vector>

namespace teacache {

// Flags of one of several models: `--latte.weights DIR` is `--weights DIR` for latte alone, and
// comes before a `--weights` that holds for all.

// The command line (without the program's name) as `model` sees it: its own flags without prefix,
// those of the other `models` left out. "" = what holds for all models.
std::vector<std::string> ArgumentsFor(const std::string& model,
                                      const std::vector<std::string>& models,
                                      const std::vector<std::string>& arguments);

// Throws UserError for a flag of a model that is not among `chosen`, and for one that must hold for
// all: any of `common`, given as "--out".
void CheckModelFlags(const std::vector<std::string>& models,
                     const std::vector<std::string>& chosen,
                     const std::vector<std::string>& common,
                     const std::vector<std::string>& arguments);

}  // namespace teacache
