#include "runners/training/training_loop.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cmath>
#include <exception>
#include <filesystem>
#include <sstream>
#include <thread>

#include "datasets/base/error.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/tensors/torch_tensors.h"
#include "runners/training/autocast.h"

namespace teacache {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Parameters, averages and the optimizer's moments of the trained tensors, in a fixed order.
class TrainingState {
 public:
  TrainingState(const TensorMap& parameters,
                const std::function<bool(const std::string&)>& trainable,
                const TrainingOptions& options)
      : options_(options) {
    for (const auto& [name, tensor] : parameters) {
      const at::Tensor value = tensor.to(options.device).clone();
      all_[name] = value;
      if (!trainable(name)) continue;
      names_.push_back(name);
      values_.push_back(value);
      ema_.push_back(value.clone());
      moment1_.push_back(at::zeros_like(value));
      moment2_.push_back(at::zeros_like(value));
      counts_.push_back(at::zeros({}, at::TensorOptions(at::kFloat).device(options.device)));
    }
    Resume();
  }

  int64_t step() const { return step_; }
  // Leaves for one replica: storage shared with the state, gradients of their own.
  TensorMap MakeReplica() const {
    TensorMap replica = all_;
    for (size_t i = 0; i < names_.size(); ++i) {
      replica[names_[i]] = values_[i].detach().requires_grad_(true);
    }
    return replica;
  }

  void Update(std::vector<TensorMap>* replicas) {
    std::vector<at::Tensor> gradients;
    for (const std::string& name : names_) {
      at::Tensor sum = Gradient(&replicas->front(), name);
      for (size_t r = 1; r < replicas->size(); ++r) sum.add_(Gradient(&(*replicas)[r], name));
      gradients.push_back(sum);
    }
    if (replicas->size() > 1) {
      at::_foreach_mul_(gradients, 1.0 / static_cast<double>(replicas->size()));
    }
    ClipGradients(gradients);
    ++step_;
    for (at::Tensor& count : counts_) count.fill_(static_cast<double>(step_));
    at::_fused_adamw_(values_,
                      gradients,
                      moment1_,
                      moment2_,
                      /*max_exp_avg_sqs=*/{},
                      counts_,
                      options_.learning_rate * options_.RateAt(step_ - 1),
                      options_.beta1,
                      options_.beta2,
                      /*weight_decay=*/0.0,
                      /*eps=*/1e-8,
                      /*amsgrad=*/false,
                      /*maximize=*/false);
    const double step = static_cast<double>(step_);
    const double decay = std::min(options_.ema, (1 + step) / (10 + step));
    at::_foreach_lerp_(ema_, values_, 1 - decay);
    for (TensorMap& replica : *replicas) {
      for (const std::string& name : names_) replica[name].mutable_grad().reset();
    }
  }

  TensorMap Averages() const {
    TensorMap result = all_;
    for (size_t i = 0; i < names_.size(); ++i) result[names_[i]] = ema_[i].clone();
    return result;
  }
  const TensorMap& parameters() const { return all_; }

  // Kept with the checkpoint, so that a resumed run reports what an uninterrupted one does.
  double last_loss = 0;    // mean of the last report
  double loss_sum = 0;     // since then
  int64_t loss_count = 0;  // since then

  void Save() const {
    if (options_.checkpoint_path.empty()) return;
    TensorMap tensors;
    for (size_t i = 0; i < names_.size(); ++i) {
      tensors["value." + names_[i]] = values_[i].cpu();
      tensors["ema." + names_[i]] = ema_[i].cpu();
      tensors["moment1." + names_[i]] = moment1_[i].cpu();
      tensors["moment2." + names_[i]] = moment2_[i].cpu();
    }
    SaveTensors(options_.checkpoint_path,
                tensors,
                {{"stage", options_.stage},
                 {"step", std::to_string(step_)},
                 {"loss", fmt::format("{} {} {}", last_loss, loss_sum, loss_count)},
                 {"settings", options_.settings}});
  }

 private:
  static at::Tensor Gradient(TensorMap* replica, const std::string& name) {
    const at::Tensor& gradient = (*replica)[name].grad();
    return gradient.defined() ? gradient : at::zeros_like((*replica)[name]);
  }

  void ClipGradients(const std::vector<at::Tensor>& gradients) const {
    const std::vector<at::Tensor> norms = at::_foreach_norm(gradients);
    const double norm = at::stack(norms).norm().item<double>();
    if (norm > options_.clip_norm) {
      at::_foreach_mul_(gradients, options_.clip_norm / (norm + 1e-6));
    }
  }

  void Resume() {
    const std::string& path = options_.checkpoint_path;
    if (path.empty() || !std::filesystem::exists(path)) return;
    const std::map<std::string, std::string> metadata = SafetensorsFile::Open(path).metadata();
    const auto field = [&](const std::string& key) {
      const auto it = metadata.find(key);
      return it == metadata.end() ? std::string() : it->second;
    };
    if (field("stage") != options_.stage || field("settings") != options_.settings) {
      ThrowUserError(path,
                     "checkpoint must be of stage '{}' with the same settings; it was made with "
                     "others: remove it or choose another folder",
                     options_.stage);
    }
    const TensorMap tensors = LoadTensors(path);
    const auto restore = [&](const std::string& prefix, std::vector<at::Tensor>* values) {
      for (size_t i = 0; i < names_.size(); ++i) {
        const auto it = tensors.find(prefix + names_[i]);
        if (it == tensors.end() || it->second.sizes() != (*values)[i].sizes()) {
          ThrowUserError(
              path, "checkpoint must hold tensor {} of the model's shape", prefix + names_[i]);
        }
        (*values)[i].copy_(it->second);
      }
    };
    restore("value.", &values_);
    restore("ema.", &ema_);
    restore("moment1.", &moment1_);
    restore("moment2.", &moment2_);
    step_ = std::stoll(field("step"));
    std::istringstream(field("loss")) >> last_loss >> loss_sum >> loss_count;
  }

  const TrainingOptions& options_;
  int64_t step_ = 0;
  TensorMap all_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> values_, ema_, moment1_, moment2_, counts_;
};

// Runs the replicas of one step after another; replica 0 is the calling thread.
class ReplicaTeam {
 public:
  ReplicaTeam(std::vector<TensorMap>* replicas,
              const LossFunction& loss,
              const TrainingOptions& options)
      : replicas_(replicas),
        loss_(loss),
        options_(options),
        losses_(replicas->size()),
        errors_(replicas->size()),
        barrier_(static_cast<std::ptrdiff_t>(replicas->size())) {
    for (size_t r = 1; r < replicas_->size(); ++r) {
      threads_.emplace_back([this, r] { Work(static_cast<int>(r)); });
    }
  }

  ~ReplicaTeam() {
    done_ = true;
    barrier_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
  }
  ReplicaTeam(const ReplicaTeam&) = delete;
  ReplicaTeam& operator=(const ReplicaTeam&) = delete;

  // Gradients of all micro-batches of `step`; returns the mean loss.
  double Backward(int64_t step) {
    step_ = step;
    barrier_.arrive_and_wait();
    Compute(0);
    barrier_.arrive_and_wait();
    double sum = 0;
    for (size_t r = 0; r < losses_.size(); ++r) {
      if (errors_[r]) std::rethrow_exception(errors_[r]);
      sum += losses_[r];
    }
    return sum / static_cast<double>(losses_.size());
  }

 private:
  void Work(int replica) {
    at::set_num_threads(1);
    while (true) {
      barrier_.arrive_and_wait();
      if (done_) return;
      Compute(replica);
      barrier_.arrive_and_wait();
    }
  }

  void Compute(int replica) {
    try {
      at::Tensor loss;
      {
        const AutocastScope autocast(options_.bf16, options_.device.type());
        loss = loss_((*replicas_)[replica], step_, replica);
      }
      loss.backward();
      losses_[replica] = loss.item<double>();
    } catch (...) {
      errors_[replica] = std::current_exception();
    }
  }

  std::vector<TensorMap>* replicas_;
  const LossFunction& loss_;
  const TrainingOptions& options_;
  std::vector<double> losses_;
  std::vector<std::exception_ptr> errors_;
  std::barrier<> barrier_;
  bool done_ = false;
  int64_t step_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

double TrainingOptions::RateAt(int64_t step) const {
  const double warmup =
      warmup_steps > 0
          ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(warmup_steps))
          : 1.0;
  const double position =
      static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, steps));
  if (position < 1 - decay_share) return warmup;
  return warmup * std::max(final_share, (1 - position) / decay_share);
}

uint64_t MixSeed(uint64_t seed, uint64_t stage, uint64_t step, uint64_t replica) {
  // SplitMix64's finalizer over the four numbers in turn.
  uint64_t state = seed;
  for (const uint64_t part : {stage, step, replica}) {
    state += 0x9E3779B97F4A7C15ULL + part;
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ULL;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBULL;
    state ^= state >> 31;
  }
  return state;
}

TrainedParameters Train(const TensorMap& parameters,
                        const std::function<bool(const std::string&)>& trainable,
                        const LossFunction& loss,
                        const TrainingOptions& options,
                        const TrainingObserver& observer,
                        const std::function<bool()>& stop) {
  at::set_num_threads(1);
  TrainingState state(parameters, trainable, options);
  std::vector<TensorMap> replicas;
  for (int r = 0; r < options.replicas; ++r) replicas.push_back(state.MakeReplica());
  ReplicaTeam team(&replicas, loss, options);
  const Clock::time_point start = Clock::now();
  const int64_t first_step = state.step();
  while (state.step() < options.steps) {
    state.loss_sum += team.Backward(state.step());
    ++state.loss_count;
    state.Update(&replicas);
    const int64_t step = state.step();
    const bool log = step % options.log_every == 0 || step == options.steps;
    if (log) {
      state.last_loss = state.loss_sum / static_cast<double>(state.loss_count);
      state.loss_sum = 0;
      state.loss_count = 0;
    }
    if (step % options.checkpoint_every == 0) state.Save();
    if (log && observer) {
      const TensorMap averages = state.Averages();
      try {
        observer({step,
                  first_step,
                  state.last_loss,
                  SecondsSince(start),
                  options.learning_rate * options.RateAt(step - 1),
                  &averages});
      } catch (...) {
        state.Save();
        throw;
      }
    }
    if (stop && stop()) break;
  }
  state.Save();
  return {state.parameters(), state.Averages(), state.last_loss, state.step()};
}

}  // namespace teacache
