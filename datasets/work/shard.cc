#include "datasets/work/shard.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <set>
#include <string_view>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr int kMaxCount = 1'000'000;

std::optional<int> ParseWhole(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

class Environment {
 public:
  explicit Environment(const std::function<const char*(const char*)>& get) : get_(get) {}

  bool Has(const char* name) const {
    const char* value = get_(name);
    return value != nullptr && *value != '\0';
  }
  int Whole(const char* name) const {
    const char* value = get_(name);
    const std::optional<int> number = ParseWhole(value == nullptr ? "" : value);
    if (!number) {
      ThrowUserError(name,
                     "must be a whole number but is \"{}\"; give --shard",
                     value == nullptr ? "" : value);
    }
    return *number;
  }

 private:
  const std::function<const char*(const char*)>& get_;
};

Shard Checked(int index, int count, const char* source) {
  if (count < 1 || count > kMaxCount || index >= count) {
    ThrowUserError(source, "must be below the count {} but is {}; give --shard", count, index);
  }
  return {index, count, source};
}

Shard SlurmArray(const Environment& env) {
  constexpr const char* kId = "SLURM_ARRAY_TASK_ID";
  if (!env.Has(kId) || !env.Has("SLURM_ARRAY_TASK_COUNT")) {
    return {};
  }
  const int first = env.Has("SLURM_ARRAY_TASK_MIN") ? env.Whole("SLURM_ARRAY_TASK_MIN") : 0;
  const int step = env.Has("SLURM_ARRAY_TASK_STEP") ? env.Whole("SLURM_ARRAY_TASK_STEP") : 1;
  const int id = env.Whole(kId);
  if (id < first || step < 1 || (id - first) % step != 0) {
    ThrowUserError(
        kId, "must be {} plus a multiple of {} but is {}; give --shard", first, step, id);
  }
  return Checked((id - first) / step, env.Whole("SLURM_ARRAY_TASK_COUNT"), kId);
}

Shard Ranks(const Environment& env) {
  constexpr const char* kNames[][2] = {{"RANK", "WORLD_SIZE"},
                                       {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                       {"PMI_RANK", "PMI_SIZE"},
                                       {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"}};
  for (const auto& [rank, size] : kNames) {
    if (env.Has(rank) && env.Has(size)) {
      return Checked(env.Whole(rank), env.Whole(size), rank);
    }
  }
  return {};
}

}  // namespace

Shard ParseShard(const std::string& text) {
  const size_t slash = text.find('/');
  const auto index = ParseWhole(std::string_view(text).substr(0, slash));
  const auto count = slash == std::string::npos
                         ? std::nullopt
                         : ParseWhole(std::string_view(text).substr(slash + 1));
  if (!index || !count || *index >= *count || *count > kMaxCount) {
    ThrowUserError("--shard", "must be i/n with 0 <= i < n but is \"{}\"", text);
  }
  return {*index, *count, "--shard"};
}

Shard ShardFromEnvironment(const std::function<const char*(const char*)>& get) {
  const Environment env(get);
  const Shard array = SlurmArray(env);
  const Shard ranks = Ranks(env);
  if (array.source.empty() || ranks.source.empty()) {
    return array.source.empty() ? ranks : array;
  }
  if (array.count > kMaxCount / ranks.count) {
    ThrowUserError(array.source, "times {} must be at most {}", ranks.source, kMaxCount);
  }
  return {array.index * ranks.count + ranks.index,
          array.count * ranks.count,
          array.source + ", " + ranks.source};
}

Shard ChooseShard(const std::string& flag) {
  return flag.empty() ? ShardFromEnvironment([](const char* name) { return std::getenv(name); })
                      : ParseShard(flag);
}

std::string PartOf(const std::map<std::string, std::string>& context) {
  if (context.contains(kMissingParts)) {
    ThrowUserError("--merge",
                   "must have parts but one is a merge that lacks some: merge the parts");
  }
  const auto part = context.find("shard");
  return part == context.end() ? "" : part->second;
}

std::string CheckParts(const std::vector<std::string>& parts, bool allow_missing) {
  if (std::ranges::all_of(parts, [](const std::string& part) { return part.empty(); })) return "";
  std::set<int> given;
  int count = 0;
  for (const std::string& part : parts) {
    if (part.empty()) {
      ThrowUserError("--merge", "must have parts or whole results but has both");
    }
    const Shard shard = ParseShard(part);
    if (count != 0 && shard.count != count) {
      ThrowUserError("--merge",
                     "must have parts of one division but has some of {} and some of {}",
                     count,
                     shard.count);
    }
    count = shard.count;
    if (!given.insert(shard.index).second) {
      ThrowUserError("--merge", "must have each part once but has {} twice", part);
    }
  }
  constexpr int kMostNamed = 20;
  const int num_missing = count - static_cast<int>(given.size());
  std::string missing;
  for (int i = 0, named = 0; i < count && named < std::min(num_missing, kMostNamed); ++i) {
    if (given.contains(i)) continue;
    missing += fmt::format("{}{}/{}", named++ == 0 ? "" : ", ", i, count);
  }
  if (num_missing > kMostNamed) missing += fmt::format(" and {} more", num_missing - kMostNamed);
  if (num_missing > 0 && !allow_missing) {
    ThrowUserError("--merge",
                   "must have all parts but lacks {} (--allow-missing-parts makes a result that is "
                   "marked as partial)",
                   missing);
  }
  return missing;
}

}  // namespace teacache
