#pragma once

#include <ATen/Parallel.h>

namespace teacache {

// LibTorch on one thread in this scope: digits must not depend on the number of cores, and several
// videos are scored at the same time anyway.
class OneThread {
 public:
  OneThread() : before_(at::get_num_threads()) {
    if (before_ != 1) at::set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) at::set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace teacache
