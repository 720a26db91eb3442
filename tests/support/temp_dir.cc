#include "tests/support/temp_dir.h"

#include <stdlib.h>

#include <stdexcept>

namespace teacache {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "teacache-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("cannot make a temporary folder like " + name);
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace teacache
