#pragma once

#include <ATen/Parallel.h>

namespace teacache {

// LibTorch works with `threads` threads within one operation as long as this lives, on the thread
// that made it. Digits may depend on the number, so it must not be that of the machine's cores.
class TorchThreads {
 public:
  explicit TorchThreads(int threads) : before_(at::get_num_threads()), threads_(threads) {
    if (before_ != threads_) at::set_num_threads(threads_);
  }
  ~TorchThreads() {
    if (before_ != threads_) at::set_num_threads(before_);
  }
  TorchThreads(const TorchThreads&) = delete;
  TorchThreads& operator=(const TorchThreads&) = delete;

 private:
  int before_;
  int threads_;
};

}  // namespace teacache
