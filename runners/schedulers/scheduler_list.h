#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "datasets/base/json_fields.h"
#include "runners/schedulers/flow_sigmas.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// Schedulers by the names of diffusers' classes, from their configurations: a new one is a file in
// this folder and a line in the list of scheduler_list.cc.

// `config`: the class's settings, null = not given; `where` names them in messages. Throws
// UserError for a class that is not known and for settings that would make another scheduler.
std::unique_ptr<Scheduler> MakeDiffusersScheduler(std::string_view name,
                                                  const nlohmann::json& config,
                                                  const std::string& where,
                                                  const SigmaList& sigmas);

// "DDIMScheduler, ..."
std::string DiffusersSchedulerNames();

}  // namespace teacache
