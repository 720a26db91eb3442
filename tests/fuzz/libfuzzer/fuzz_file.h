#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace teacache {

// The fuzzer's bytes as a file, for readers that take a path. One folder per process, in memory
// where there is /dev/shm; removed at the end.
class FuzzFolder {
 public:
  FuzzFolder() {
    const bool shm = access("/dev/shm", W_OK) == 0;
    std::string pattern = std::string(shm ? "/dev/shm" : "/tmp") + "/teacache_fuzz.XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~FuzzFolder() { std::filesystem::remove_all(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  // The path of file `name`, which now holds these bytes.
  std::string Write(const char* name, const uint8_t* data, size_t size) const {
    const std::string path = path_ + "/" + name;
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr || std::fwrite(data, 1, size, file) != size || std::fclose(file) != 0) {
      std::abort();
    }
    return path;
  }

 private:
  std::string path_;
};

}  // namespace teacache
