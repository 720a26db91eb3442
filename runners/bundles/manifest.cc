#include "runners/bundles/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFileName = "bundle.json";
constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;
constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int kMaxSteps = 100'000;

constexpr Choices<DType, 12> kDTypes = {{{"float32", DType::kF32},
                                         {"bfloat16", DType::kBF16},
                                         {"float16", DType::kF16},
                                         {"float64", DType::kF64},
                                         {"complex64", DType::kC64},
                                         {"bool", DType::kBool},
                                         {"uint8", DType::kU8},
                                         {"int8", DType::kI8},
                                         {"int16", DType::kI16},
                                         {"int32", DType::kI32},
                                         {"int64", DType::kI64},
                                         {"float8_e4m3fn", DType::kF8E4M3}}};
constexpr std::array<std::string_view, 4> kSigmas = {
    "scheduler", "linear", "linear_quadratic", "given"};

// A value by its name.
template <typename E, size_t N>
struct Named {
  const Choices<E, N>& choices;
  E& value;

  void ReadJson(const JsonNode& node) const {
    value = ChoiceOf(choices, node.Text(), node.Where());
  }
  void WriteJson(JsonText* text) const { text->Value(NameOf(choices, value)); }
};
template <typename E, size_t N>
Named(const Choices<E, N>&, E&) -> Named<E, N>;

// A list of exactly one name.
struct OneName {
  std::string& name;

  void ReadJson(const JsonNode& node) const {
    if (!node.is_array() || node.size() != 1) node.Refuse("must be a list of one name");
    name = node.At(0).String();
  }
  void WriteJson(JsonText* text) const {
    text->Begin('[');
    text->Value(name);
    text->End(']');
  }
};

// Sizes of which the product is small enough to be counted with.
struct Shape {
  std::vector<int64_t>& sizes;

  void ReadJson(const JsonNode& node) const {
    sizes = FromJson<std::vector<int64_t>>(node);
    int64_t elements = 1;
    for (const int64_t size : sizes) {
      if (size < 0 || (size > 0 && elements > kMaxElements / size)) {
        node.Refuse("must be a shape of at most 2^40 elements");
      }
      elements *= size;
    }
  }
  void WriteJson(JsonText* text) const { json_values::Write(text, sizes); }
};

bool IsDigest(const std::string& text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// A file of the bundle itself: a plain name. Published weights may be elsewhere.
bool IsName(const std::string& file) {
  return !file.empty() && file != "." && file != ".." &&
         file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

template <typename Archive>
void VisitFile(Archive& archive, BundleFile& file, bool may_be_elsewhere) {
  archive.Required("file", file.file);
  const bool relative =
      !file.file.empty() && file.file.front() != '/' && file.file.find('\0') == std::string::npos;
  archive.Check(may_be_elsewhere ? relative : IsName(file.file),
                may_be_elsewhere ? "must be a relative path" : "must be the name of a file");
  archive.Required("sha256", file.sha256);
  archive.Check(IsDigest(file.sha256), "must be 64 hexadecimal digits");
}

}  // namespace

template <typename Archive>
void Visit(Archive& archive, BundleTensor& tensor) {
  archive.Required("shape", Shape{tensor.shape});
  archive.Required("dtype", Named{kDTypes, tensor.dtype});
  bool contiguous = true;
  archive("contiguous", contiguous);
  archive.Check(contiguous, "must be true");
}

// Of published weights.
template <typename Archive>
void Visit(Archive& archive, BundleFile& file) {
  VisitFile(archive, file, /*may_be_elsewhere=*/true);
}

template <typename Archive>
void Visit(Archive& archive, BundlePart& part) {
  archive.Required("backend", Named{kBundleBackends, part.backend});
  VisitFile(archive, part.file, /*may_be_elsewhere=*/false);
  archive.Required("inputs", part.inputs);
  archive.Required("outputs", part.outputs);
  archive.Required("constants", part.constants);
}

template <typename Archive>
void Visit(Archive& archive, BundleRoles& roles) {
  archive.Required("latent", OneName{roles.latent});
  archive.Required("time", OneName{roles.time});
  archive.Required("h0", roles.h0);
  archive.Required("modulated", roles.modulated);
  archive.Required("first", roles.first);
  archive.Required("h1", roles.h1);
  archive.Required("output", roles.output);
  archive.Required("kept", roles.kept);
}

namespace {

struct Verified {
  int calls = 0;
  std::map<std::string, double> error;
};

// A file of the bundle itself.
struct OwnFile {
  BundleFile file;
};

struct SchedulerFields {
  std::string& name;
  std::string& config;
};

struct TimeFields {
  double& factor;
  BundleTensor& tensor;
};

struct LatentFields {
  BundleManifest& manifest;
};

template <typename Archive>
void Visit(Archive& archive, Verified& verified) {
  archive.Required("calls", verified.calls);
  archive.Required("error", verified.error);
}

template <typename Archive>
void Visit(Archive& archive, OwnFile& own) {
  VisitFile(archive, own.file, /*may_be_elsewhere=*/false);
}

template <typename Archive>
void Visit(Archive& archive, SchedulerFields& fields) {
  archive.Required("class", fields.name);
  archive.Required("config", JsonAsText{fields.config});
  archive.Check(fields.config.starts_with('{'), "must be an object");
}

template <typename Archive>
void Visit(Archive& archive, TimeFields& fields) {
  std::string name;  // as roles.time
  archive.Required("name", name);
  archive.Required("factor", fields.factor);
  archive.Required("shape", Shape{fields.tensor.shape});
  archive.Required("dtype", Named{kDTypes, fields.tensor.dtype});
}

template <typename Archive>
void Visit(Archive& archive, LatentFields& fields) {
  archive.Required("shape", Shape{fields.manifest.latent_shape});
  archive.Check(!fields.manifest.latent_shape.empty() && fields.manifest.latent_shape[0] == 1,
                "must be a batch of one");
  archive.Required("dtype", Named{kDTypes, fields.manifest.noise_dtype});
  archive.Required("step_dtype", Named{kDTypes, fields.manifest.step_dtype});
  archive.Required("prediction_dtype", Named{kDTypes, fields.manifest.prediction_dtype});
}

// Of a struct that refers to others, which `FromJson` cannot make.
template <typename Fields>
struct Inside {
  Fields fields;

  void ReadJson(const JsonNode& node) const {
    JsonReader reader(node);
    Visit(reader, const_cast<Fields&>(fields));
    reader.Finish();
  }
  void WriteJson(JsonText* text) const { text->Null(); }
};
template <typename Fields>
Inside(Fields) -> Inside<Fields>;

}  // namespace

template <typename Archive>
void Visit(Archive& archive, BundleExpert& expert) {
  archive.Required("class", expert.class_name);
  archive.Required("dtype", expert.dtype);
  archive.Required("modulated", expert.modulated);
  archive.Required("parts", expert.parts);
  archive.Required("arguments", expert.arguments);
  archive.Required("roles", expert.roles);
  archive.Required("weights", expert.weights);
  OwnFile constants;
  archive.Required("constants", constants);
  expert.constants = constants.file;
  OwnFile check;
  archive.Required("check", check);
  expert.check = check.file;
  archive.Required("complex", expert.complex);
  archive.Required("tensors", expert.tensors);
  Verified verified;
  archive.Required("verified", verified);
  expert.verified = verified.error;
  archive.Required("folder", expert.folder);
  archive.Check(IsName(expert.folder) || expert.folder == ".", "must be the name of a folder");
  archive.Required("guidance_scale", expert.guidance_scale);
}

template <typename Archive>
void Visit(Archive& archive, BundleDecoder& decoder) {
  VisitFile(archive, decoder.file, /*may_be_elsewhere=*/false);
  archive.Required("fps", decoder.fps);
  archive.Check(decoder.fps > 0 && decoder.fps <= 1000, "must be above 0 and at most 1000");
  double error = 0;  // against the pipeline's frames
  archive.Required("error", error);
}

template <typename Archive>
void Visit(Archive& archive, BundleGuidance& guidance) {
  archive.Required("passes", guidance.passes);
  archive.Check(!guidance.passes.empty(), "must have a pass");
  archive.Required("batch", guidance.batch);
  archive.CheckBetween(guidance.batch, 1, 2);
  std::optional<double> scale;  // of the first expert, which has it too
  archive.Required("scale", scale);
  archive.Required("mode", Named{kBundleGuidanceModes, guidance.mode});
  archive.Required("formula", Named{kBundleGuidanceFormulas, guidance.formula});
}

template <typename Archive>
void Visit(Archive& archive, BundleSchedule& schedule) {
  archive.Required("steps", schedule.steps);
  archive.CheckBetween(schedule.steps, 1, kMaxSteps);
  archive.Required("sigmas", schedule.sigmas);
  archive.Check(std::ranges::find(kSigmas, schedule.sigmas) != kSigmas.end(),
                "must be scheduler, linear, linear_quadratic or given");
  archive.Required("given", schedule.given);
  archive.Required("mu", schedule.mu);
  archive.Required("timesteps", schedule.timesteps);
  archive.Check(!schedule.timesteps.empty(), "must not be empty");
}

template <typename Archive>
void Visit(Archive& archive, BundleManifest& manifest) {
  archive.Format("teacache-bundle", 1);
  archive.Required("tool_version", manifest.tool_version);
  archive.Required("model", manifest.model);
  archive.Required("torch", manifest.torch);
  archive.Optional("diffusers", manifest.diffusers);
  archive.Required("device", manifest.device);
  archive.Required("machine", manifest.machine);
  archive.Required("cpu_capability", manifest.cpu_capability);
  archive.Required("scheduler",
                   Inside{SchedulerFields{manifest.scheduler, manifest.scheduler_config}});
  archive.Required("schedule", manifest.schedule);
  archive.Required("guidance", manifest.guidance);
  archive.Required("timestep", Inside{TimeFields{manifest.time_factor, manifest.time}});
  archive.Required("latent", Inside{LatentFields{manifest}});
  archive.Required("decoder", manifest.decoder);
  archive.Required("prompts", manifest.prompts);
  archive.Check(IsName(manifest.prompts), "must be the name of a file");
  archive.Required("arguments", JsonAsText{manifest.arguments});
  archive.Check(manifest.arguments.starts_with('{'), "must be an object");
  archive.Required("boundary_ratio", manifest.boundary_ratio);
  std::map<std::string, BundleExpert> experts;
  archive.Required("experts", experts);
  for (auto& [name, expert] : experts) {
    expert.name = name;
    manifest.experts.push_back(std::move(expert));
  }
}

namespace {

// What the parts of one transformer need of each other.
class ExpertCheck {
 public:
  ExpertCheck(const BundleManifest& manifest, const BundleExpert& expert)
      : manifest_(manifest),
        expert_(expert),
        where_(fmt::format("{}: expert \"{}\"", manifest.path, expert.name)) {}

  void Run() {
    CheckParts();
    for (const std::string& name : expert_.arguments) Give(name, "an argument");
    for (const std::string_view part : kBundleParts) {
      if (const BundlePart* found = expert_.Find(part)) CheckTensors(std::string(part), *found);
    }
    CheckRoles();
    const std::set<std::string> constants = Constants();
    for (const std::string& key : expert_.complex) {
      if (!constants.contains(key)) {
        ThrowUserError(where_, "complex must name constants of parts but has \"{}\"", key);
      }
    }
  }

 private:
  void CheckParts() const {
    for (const auto& [name, part] : expert_.parts) {
      if (std::ranges::find(kBundleParts, name) == kBundleParts.end()) {
        ThrowUserError(
            where_, "parts must be {} but has \"{}\"", fmt::join(kBundleParts, ", "), name);
      }
    }
    std::vector<std::string_view> missing;
    for (const std::string_view part : kBundleParts) {
      if (part != "prepare" && expert_.Find(part) == nullptr) missing.push_back(part);
    }
    if (!missing.empty()) {
      ThrowUserError(where_, "must have all parts but lacks {}", fmt::join(missing, ", "));
    }
  }

  const BundleTensor& Tensor(const std::string& name, const std::string& what) const {
    const auto found = expert_.tensors.find(name);
    if (found == expert_.tensors.end()) {
      ThrowUserError(where_, "tensors must describe \"{}\", {}, but does not", name, what);
    }
    return found->second;
  }

  void Give(const std::string& name, const std::string& what) {
    Tensor(name, what);
    if (!known_.insert(name).second) {
      ThrowUserError(where_, "\"{}\", {}, must be given once but is given twice", name, what);
    }
  }

  void CheckTensors(const std::string& name, const BundlePart& part) {
    for (const std::string& input : part.inputs) {
      if (!known_.contains(input)) {
        ThrowUserError(
            where_,
            "inputs of \"{}\" must be arguments or outputs of parts before it but \"{}\" "
            "is not",
            name,
            input);
      }
    }
    for (const std::string& output : part.outputs) {
      Give(output, fmt::format("an output of \"{}\"", name));
    }
  }

  bool IsOutput(std::string_view part, const std::string& name) const {
    const std::vector<std::string>& outputs = expert_.Find(part)->outputs;
    return std::ranges::find(outputs, name) != outputs.end();
  }

  void CheckOutput(std::string_view part, const std::string& role, const std::string& name) const {
    if (!IsOutput(part, name)) {
      ThrowUserError(
          where_, "role \"{}\" must be an output of \"{}\" but is \"{}\"", role, part, name);
    }
  }

  void CheckArgument(const std::string& role, const std::string& name) const {
    if (std::ranges::find(expert_.arguments, name) == expert_.arguments.end()) {
      ThrowUserError(where_, "role \"{}\" must be an argument but is \"{}\"", role, name);
    }
  }

  void CheckSame(const std::string& what, const BundleTensor& is, const BundleTensor& must) const {
    if (is.shape != must.shape || is.dtype != must.dtype) {
      ThrowUserError(
          where_, "{} must be {} but is {}", what, DescribeTensor(must), DescribeTensor(is));
    }
  }

  void CheckRoles() const {
    const BundleRoles& roles = expert_.roles;
    CheckArgument("latent", roles.latent);
    CheckArgument("time", roles.time);
    CheckOutput("embed", "h0", roles.h0);
    CheckOutput("embed", "modulated", roles.modulated);
    CheckOutput("first", "first", roles.first);
    CheckOutput("blocks", "h1", roles.h1);
    CheckOutput("head", "output", roles.output);
    for (const std::string& kept : roles.kept) {
      if (!IsOutput("first", kept)) CheckOutput("blocks", "kept", kept);
    }
    const BundleTensor& h0 = expert_.tensors.at(roles.h0);
    CheckSame("first", expert_.tensors.at(roles.first), h0);
    CheckSame("h1", expert_.tensors.at(roles.h1), h0);
    CheckSame("the time", expert_.tensors.at(roles.time), manifest_.time);
    BundleTensor latent = expert_.tensors.at(roles.latent);
    std::vector<int64_t> shape = manifest_.latent_shape;
    shape[0] = manifest_.guidance.batch;
    CheckSame("the latent", latent, {shape, latent.dtype});
  }

  std::set<std::string> Constants() const {
    std::set<std::string> keys;
    for (const auto& [name, part] : expert_.parts) {
      keys.insert(part.constants.begin(), part.constants.end());
    }
    return keys;
  }

  const BundleManifest& manifest_;
  const BundleExpert& expert_;
  std::string where_;
  std::set<std::string> known_;
};

void CheckGuidance(const BundleManifest& manifest) {
  const BundleGuidance& guidance = manifest.guidance;
  const bool calls = guidance.mode == BundleGuidance::Mode::kCalls;
  const bool batched = guidance.mode == BundleGuidance::Mode::kBatched;
  const size_t passes = guidance.passes.size();
  if (calls != (passes > 1) || batched != (guidance.batch == 2)) {
    ThrowUserError(manifest.path,
                   "guidance of mode \"{}\" must have {} and {} but has {} passes of batch {}",
                   NameOf(kBundleGuidanceModes, guidance.mode),
                   calls ? "several passes" : "one pass",
                   batched ? "a batch of 2" : "a batch of 1",
                   passes,
                   guidance.batch);
  }
  if (std::set(guidance.passes.begin(), guidance.passes.end()).size() != passes) {
    ThrowUserError(manifest.path, "the passes of guidance must have different names");
  }
  const bool mixes = guidance.formula == BundleGuidance::Formula::kCfg ||
                     guidance.formula == BundleGuidance::Formula::kCfgNorm;
  for (const BundleExpert& expert : manifest.experts) {
    if (mixes && !expert.guidance_scale) {
      ThrowUserError(manifest.path, "guidance must have a scale but has none");
    }
  }
  if (mixes && !batched && passes != 2) {
    ThrowUserError(manifest.path, "guidance by a formula must have two passes but has {}", passes);
  }
  if (guidance.mode == BundleGuidance::Mode::kEmbedded) {
    for (const BundleExpert& expert : manifest.experts) {
      if (std::ranges::find(expert.arguments, "guidance") == expert.arguments.end()) {
        ThrowUserError(manifest.path,
                       "embedded guidance must be an argument \"guidance\" but is none");
      }
    }
  }
  if (!mixes && guidance.formula != BundleGuidance::Formula::kUnknown && (calls || batched)) {
    ThrowUserError(manifest.path, "guidance of several passes must have a formula but has none");
  }
}

void CheckExperts(const BundleManifest& manifest) {
  const auto& experts = manifest.experts;
  const bool one = experts.size() == 1 && experts[0].name.empty();
  const bool two = experts.size() == 2 && experts[0].name == "high" && experts[1].name == "low";
  if (!one && !two) ThrowUserError(manifest.path, "experts must be \"\" or \"high\" and \"low\"");
  if (two && !manifest.boundary_ratio) {
    ThrowUserError(manifest.path, "boundary_ratio must be given for two experts but is null");
  }
}

}  // namespace

const BundlePart* BundleExpert::Find(std::string_view part) const {
  const auto found = parts.find(std::string(part));
  return found == parts.end() ? nullptr : &found->second;
}

int64_t BundleManifest::Argument(std::string_view name) const {
  const JsonDocument document(arguments, path);
  const std::optional<JsonNode> given = document.root().Given(name);
  return given && given->is_integer() ? given->Integer() : 0;
}

const BundleExpert& BundleManifest::Expert(std::string_view name) const {
  for (const BundleExpert& expert : experts) {
    if (expert.name == name) return expert;
  }
  ThrowUserError(path, "must have an expert \"{}\" but does not", name);
}

BundleManifest ParseBundleManifest(const std::string& text, const std::string& where) {
  auto manifest = FromJson<BundleManifest>(text, where);
  manifest.path = where;
  CheckExperts(manifest);
  CheckGuidance(manifest);
  for (const BundleExpert& expert : manifest.experts) ExpertCheck(manifest, expert).Run();
  return manifest;
}

BundleManifest ReadBundleManifest(const std::string& folder) {
  const std::string path = (fs::path(folder) / kFileName).string();
  const std::string text = ReadFile(path, kMaxFileBytes);
  BundleManifest manifest = ParseBundleManifest(text, path);
  manifest.folder = folder;
  manifest.sha256 = Sha256Hex(std::string_view(text));
  return manifest;
}

bool IsBundle(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(fs::path(path) / kFileName, error);
}

std::string_view BundleDTypeName(DType dtype) { return NameOf(kDTypes, dtype); }

std::string DescribeTensor(const BundleTensor& tensor) {
  return fmt::format("[{}] {}", fmt::join(tensor.shape, ", "), BundleDTypeName(tensor.dtype));
}

}  // namespace teacache
