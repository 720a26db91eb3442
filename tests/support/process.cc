#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace teacache {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return {ends[0], ends[1]};
}

// "NAME=value" of the parent's environment with changes.
std::vector<std::string> Environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    const bool job = name == "RANK" || name == "WORLD_SIZE" || name.starts_with("SLURM_") ||
                     name.starts_with("OMPI_") || name.starts_with("PMI_") ||
                     name.starts_with("MV2_");
    if (!job && !changes.contains(name)) result.push_back(text);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Takes what is there; false at the end of the stream.
bool Drain(int fd, std::string* text) {
  std::array<char, 65536> buffer{};
  const ssize_t count = read(fd, buffer.data(), buffer.size());
  if (count > 0) text->append(buffer.data(), static_cast<size_t>(count));
  return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
}

class Child {
 public:
  explicit Child(const std::vector<std::string>& argv, const ProcessOptions& options)
      : options_(options) {
    std::vector<std::string> arguments = argv;
    std::vector<std::string> variables = Environment(options.environment);
    const std::vector<char*> argument_list = Pointers(&arguments);
    const std::vector<char*> variable_list = Pointers(&variables);
    const Pipe out = MakePipe();
    const Pipe err = MakePipe();
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) {
      // Only calls that are safe after a fork of a program with threads.
      dup2(out.write_end, STDOUT_FILENO);
      dup2(err.write_end, STDERR_FILENO);
      const int null = open("/dev/null", O_RDONLY);
      dup2(null, STDIN_FILENO);
      execve(argument_list[0], argument_list.data(), variable_list.data());
      _exit(127);
    }
    close(out.write_end);
    close(err.write_end);
    fds_ = {out.read_end, err.read_end};
  }

  ProcessResult Wait() {
    ProcessResult result;
    std::array<std::string*, 2> texts = {&result.out, &result.err};
    const Clock::time_point start = Clock::now();
    while (fds_[0] >= 0 || fds_[1] >= 0) {
      std::array<pollfd, 2> polls = {pollfd{fds_[0], POLLIN, 0}, pollfd{fds_[1], POLLIN, 0}};
      poll(polls.data(), polls.size(), /*milliseconds=*/5);
      for (size_t i = 0; i < polls.size(); ++i) {
        if (fds_[i] >= 0 && polls[i].revents != 0 && !Drain(fds_[i], texts[i])) {
          close(fds_[i]);
          fds_[i] = -1;
        }
      }
      SendSignalWhenAsked();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (seconds > options_.timeout_s && !result.timed_out) {
        result.timed_out = true;
        kill(pid_, SIGKILL);
      }
    }
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    return result;
  }

 private:
  void SendSignalWhenAsked() {
    if (!options_.signal_when || signalled_) return;
    const int signal = options_.signal_when();
    if (signal == 0) return;
    signalled_ = true;
    kill(pid_, signal);
  }

  const ProcessOptions& options_;
  pid_t pid_ = -1;
  std::array<int, 2> fds_ = {-1, -1};
  bool signalled_ = false;
};

}  // namespace

std::vector<std::string> ProcessResult::ErrLines() const {
  std::vector<std::string> lines;
  std::istringstream stream(err);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

ProcessResult RunProcess(const std::vector<std::string>& argv, const ProcessOptions& options) {
  return Child(argv, options).Wait();
}

}  // namespace teacache
