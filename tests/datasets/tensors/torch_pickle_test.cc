#include "datasets/tensors/torch_pickle.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

double HalfToDouble(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  return exponent == 0 ? sign * std::ldexp(fraction, -24)
                       : sign * std::ldexp(1024 + fraction, exponent - 25);
}

template <typename T>
T Load(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

double ValueAt(const TensorView& view, size_t i) {
  const std::byte* at = view.data.data() + i * DTypeSize(view.dtype);
  switch (view.dtype) {
    case DType::kF32:
      return Load<float>(at);
    case DType::kF64:
      return Load<double>(at);
    case DType::kF16:
      return HalfToDouble(Load<uint16_t>(at));
    case DType::kBF16: {
      const uint32_t bits = uint32_t{Load<uint16_t>(at)} << 16;
      return Load<float>(reinterpret_cast<const std::byte*>(&bits));
    }
    case DType::kI64:
      return static_cast<double>(Load<int64_t>(at));
    case DType::kI32:
      return Load<int32_t>(at);
    case DType::kI16:
      return Load<int16_t>(at);
    case DType::kI8:
      return Load<int8_t>(at);
    case DType::kU8:
    case DType::kBool:
      return Load<uint8_t>(at);
    default:
      ADD_FAILURE() << "unexpected type " << DTypeName(view.dtype);
      return 0;
  }
}

std::vector<double> Values(const TensorView& view) {
  std::vector<double> values;
  for (size_t i = 0; i < view.data.size() / DTypeSize(view.dtype); ++i) {
    values.push_back(ValueAt(view, i));
  }
  return values;
}

TEST(ReadTorchFile, EveryGoldenFile) {
  const std::map<std::string, DType> types = {{"float32", DType::kF32},
                                              {"float64", DType::kF64},
                                              {"float16", DType::kF16},
                                              {"bfloat16", DType::kBF16},
                                              {"int64", DType::kI64},
                                              {"int32", DType::kI32},
                                              {"int16", DType::kI16},
                                              {"int8", DType::kI8},
                                              {"uint8", DType::kU8},
                                              {"bool", DType::kBool}};
  for (const GoldenCase& golden : FindGoldenCases("torch_files")) {
    const auto folder = golden.folder / golden.json["folder"].get<std::string>();
    for (const auto& file : golden.json["files"]) {
      const std::string path = (folder / file["file"].get<std::string>()).string();
      SCOPED_TRACE(path);
      const std::vector<TensorView> views = ReadTorchFile(path);
      ASSERT_EQ(views.size(), file["tensors"].size());
      for (size_t i = 0; i < views.size(); ++i) {
        const auto& expected = file["tensors"][i];
        EXPECT_EQ(views[i].name, expected["name"]);
        EXPECT_EQ(views[i].dtype, types.at(expected["dtype"]));
        EXPECT_EQ(views[i].shape, expected["shape"].get<std::vector<int64_t>>());
        EXPECT_TRUE(Near(Values(views[i]), GoldenNumbers(expected["values"]), 0, 0));
      }
    }
  }
}

TEST(ReadTorchFile, EveryRefusedFile) {
  for (const GoldenCase& golden : FindGoldenCases("torch_files")) {
    const auto folder = golden.folder / golden.json["folder"].get<std::string>();
    for (const auto& file : golden.json["refused"]) {
      const std::string path = (folder / file["file"].get<std::string>()).string();
      EXPECT_THAT([&] { ReadTorchFile(path); },
                  ThrowsMessage<UserError>(testing::AllOf(
                      HasSubstr(path), HasSubstr(file["message"].get<std::string>()))))
          << path;
    }
  }
  EXPECT_FALSE(std::filesystem::exists("/tmp/teacache-evil"));
}

TEST(ReadTorchFile, EveryCutIsRefused) {
  for (const GoldenCase& golden : FindGoldenCases("torch_files")) {
    const auto folder = golden.folder / golden.json["folder"].get<std::string>();
    for (const char* name : {"zip_ordered_dict.pth", "legacy_ordered_dict.pth"}) {
      const std::string bytes = ReadFile((folder / name).string());
      for (size_t size = 0; size < bytes.size(); ++size) {
        const auto cut = std::as_bytes(std::span(bytes.data(), size));
        EXPECT_THROW(ParseTorchFile(cut, "cut"), UserError) << name << " at " << size;
      }
    }
  }
}

// A legacy file around one pickle of tensors.
std::string Legacy(const std::string& object, const std::string& keys, const std::string& data) {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  const std::string version("\x80\x02M\xe9\x03.", 6);
  const std::string system("\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.", 24);
  return magic + version + system + "\x80\x02" + object + "." + "\x80\x02" + keys + "." + data;
}

// {"t": tensor of `shape` and `stride` (pickled) at `offset` over a storage of `numel` floats}.
std::string OneTensor(const std::string& offset,
                      const std::string& shape,
                      const std::string& stride,
                      const std::string& numel) {
  return std::string("}U\x01t") + "ctorch._utils\n_rebuild_tensor_v2\n((U\x07" + "storagectorch\n" +
         "FloatStorage\nU\x01k" + "U\x03" + "cpu" + numel + "NtQ" + offset + shape + stride +
         "\x89" + "NtRs";
}

std::string Int(int32_t value) {
  std::string text = "J";
  text.append(reinterpret_cast<const char*>(&value), 4);
  return text;
}
std::string Long(int64_t value) {
  std::string text = "\x8a\x08";
  text.append(reinterpret_cast<const char*>(&value), 8);
  return text;
}
std::string Storage(int64_t count, size_t bytes) {
  std::string text(reinterpret_cast<const char*>(&count), 8);
  return text + std::string(bytes, '\0');
}
const std::string kKeys = "]U\x01ka";

std::vector<TensorView> Parse(const std::string& bytes) {
  return ParseTorchFile(std::as_bytes(std::span(bytes)), "crafted");
}

TEST(ParseTorchFile, CraftedFileIsRead) {
  const std::string good =
      Legacy(OneTensor(Int(0), Int(4) + "\x85", Int(1) + "\x85", Int(4)), kKeys, Storage(4, 16));
  const auto views = Parse(good);
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].shape, std::vector<int64_t>{4});
}

TEST(ParseTorchFile, TensorsOutsideOfTheirStorageAreRefused) {
  const auto refused = [](const std::string& offset,
                          const std::string& shape,
                          const std::string& stride,
                          const std::string& numel,
                          const std::string& data) {
    EXPECT_THROW(Parse(Legacy(OneTensor(offset, shape, stride, numel), kKeys, data)), UserError);
  };
  const std::string one = Int(1) + "\x85", four = Int(4) + "\x85";
  const std::string data = Storage(4, 16);
  refused(Int(1), four, one, Int(4), data);                       // ends behind
  refused(Int(-1), four, one, Int(4), data);                      // starts before
  refused(Int(0), Int(-4) + "\x85", one, Int(4), data);           // negative size
  refused(Int(0), four, Int(-1) + "\x85", Int(4), data);          // negative stride
  refused(Int(0), four, Int(2) + "\x85", Int(4), data);           // strides over the end
  refused(Int(0), four, Long(INT64_MAX) + "\x85", Int(4), data);  // overflows
  refused(Int(0), Long(INT64_MAX) + "\x85", one, Int(4), data);
  refused(Long(INT64_MAX), four, one, Int(4), data);
  const std::string huge = Long(INT64_C(1) << 62) + Long(4) + "\x86";
  refused(Int(0), huge, Int(0) + Int(0) + "\x86", Int(4), data);           // product overflows
  refused(Int(0), Long(1000000) + "\x85", Int(0) + "\x85", Int(4), data);  // stride 0 blow-up
  refused(Int(0), four, one, Int(5), data);  // storage smaller than it says
  refused(Int(0), four, one, Int(4), Storage(-1, 16));
  refused(Int(0), four, one, Int(4), Storage(INT64_MAX / 2, 16));
  refused(Int(0), four, one, Int(4), Storage(4, 15));  // cut
}

TEST(ParseTorchFile, UnusedInstructionsAndFunctionsAreRefused) {
  const auto refused = [](const std::string& object, const std::string& what) {
    EXPECT_THAT([&] { Parse(Legacy(object, kKeys, "")); },
                ThrowsMessage<UserError>(HasSubstr(what)));
  };
  refused("cos\nsystem\nU\x02id\x85R", "os.system");
  refused("cbuiltins\neval\n", "builtins.eval");
  refused("ctorch\nload\n", "torch.load");
  refused("(ios\nsystem\n", "instruction 0x69");  // INST
  refused("}\x81", "instruction 0x81");           // NEWOBJ
  refused("N0", "instruction 0x30");
  refused("R", "empty stack");
  refused("t", "no mark");
  refused("(R", "mark");
  refused("h\x05", "never remembered");
  refused("NNR", "tuple of arguments");
  refused("N)R", "not a function");
  refused("NN", "leaves values");
  refused("NNa", "not a list");
  refused("NNb", "not a dict");
}

TEST(ParseTorchFile, DeepNestingAndCyclesAreHarmless) {
  EXPECT_THROW(Parse(Legacy("N" + std::string(1000000, '\x85'), kKeys, "")), UserError);
  // A list that holds itself.
  EXPECT_THROW(Parse(Legacy("]q\x01h\x01" + std::string("a"), kKeys, "")), UserError);
}

TEST(ReadTorchFile, LpipsHeadsAndSqueezeNet) {
  const auto alex = SharedGoldenFile("lpips/alex.pth");
  const auto backbone = SharedGoldenFile("lpips/squeeze.backbone.pth");
  if (!alex || !backbone) GTEST_SKIP() << "needs lpips/*.pth of the shared golden data";
  const std::vector<double> sums = {2.34953, 16.143, 39.2684, 27.1972, 20.3172};
  const std::vector<TensorView> heads = ReadTorchFile(alex->string());
  ASSERT_EQ(heads.size(), sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    double sum = 0;
    for (double value : Values(heads[i])) sum += value;
    EXPECT_NEAR(sum, sums[i], 5e-5 * sums[i]);
    EXPECT_EQ(heads[i].name, fmt::format("lin{}.model.1.weight", i));
  }
  const std::vector<TensorView> features = ReadTorchFile(backbone->string());
  int64_t parameters = 0;
  for (const TensorView& view : features) {
    parameters += static_cast<int64_t>(view.data.size()) / 4;
  }
  EXPECT_EQ(parameters, 722496);
}

TEST(ReadWeightsFile, TellsFormatsApartByContent) {
  const TempDir dir;
  const std::vector<float> values = {1, 2};
  TensorView view;
  view.name = "w";
  view.shape = {2};
  view.data = std::as_bytes(std::span<const float>(values));
  WriteSafetensors(dir / "misleading.pth", {view});
  EXPECT_EQ(ReadWeightsFile(dir / "misleading.pth").at(0).name, "w");
  for (const GoldenCase& golden : FindGoldenCases("torch_files")) {
    const auto folder = golden.folder / golden.json["folder"].get<std::string>();
    EXPECT_EQ(ReadWeightsFile((folder / "zip_dict.pth").string()).at(0).name, "a.weight");
  }
  EXPECT_THROW(ReadWeightsFile(dir / "none.pth"), UserError);
}

}  // namespace
}  // namespace teacache
