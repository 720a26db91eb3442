#pragma once

#include <ATen/Parallel.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "datasets/base/error.h"

namespace teacache {

struct JobOptions {
  int jobs = 1;                // items in work at the same time
  int threads = 1;             // LibTorch's threads within one item; the last bits may depend on it
  std::function<bool()> stop;  // true: items in work are finished, no further ones begun
};

// Throws UserError for numbers below 1.
inline void CheckJobs(int jobs, int threads) {
  if (jobs < 1) ThrowUserError("--jobs", "must be at least 1 but is {}", jobs);
  if (threads < 1) ThrowUserError("--threads", "must be at least 1 but is {}", threads);
}

// Runs work(i) for i = 0 ... count - 1 on several threads and hands the results to commit(i,
// result) one at a time and in order, so that files do not depend on the number of jobs. The first
// exception of either ends the loop and is thrown after all threads have stopped.
template <typename Result>
void ForEachInOrder(size_t count,
                    const JobOptions& options,
                    const std::function<Result(size_t)>& work,
                    const std::function<void(size_t, Result&&)>& commit) {
  std::mutex mutex;
  size_t next = 0;
  size_t committed = 0;
  std::map<size_t, Result> waiting;
  std::exception_ptr error;
  const auto take = [&](size_t* item) {
    const std::lock_guard lock(mutex);
    if (error || next >= count || (options.stop && options.stop())) return false;
    *item = next++;
    return true;
  };
  const auto loop = [&] {
    at::set_num_threads(options.threads);
    for (size_t item = 0; take(&item);) {
      try {
        Result result = work(item);
        const std::lock_guard lock(mutex);
        if (error) return;
        waiting.emplace(item, std::move(result));
        for (auto it = waiting.find(committed); it != waiting.end(); it = waiting.find(committed)) {
          commit(committed++, std::move(it->second));
          waiting.erase(it);
        }
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
  };
  std::vector<std::thread> threads;
  for (int j = 1; j < options.jobs; ++j) threads.emplace_back(loop);
  loop();
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace teacache
