// Coefficients: what is accepted comes back from its own text unchanged.
#include <stdexcept>

#include "datasets/base/error.h"
#include "datasets/coefficients.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  teacache::Coefficients coefficients;
  try {
    coefficients = teacache::ParseCoefficients(text, "fuzz.json");
  } catch (const teacache::UserError&) {
    return 0;
  }
  const std::string written = teacache::CoefficientsToJson(coefficients);
  const std::string again =
      teacache::CoefficientsToJson(teacache::ParseCoefficients(written, "again"));
  if (again != written) throw std::logic_error(written + "\nbecame\n" + again);
  return 0;
}
