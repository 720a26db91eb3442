// Precompiled for all targets that use LibTorch (see Targets.cmake).
#include <ATen/ATen.h>

#include <string>
#include <vector>
