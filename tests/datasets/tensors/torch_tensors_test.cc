#include "datasets/tensors/torch_tensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

at::Tensor Ramp(at::IntArrayRef shape, at::ScalarType type) {
  const int64_t n = c10::multiply_integers(shape);
  return at::arange(n, at::kLong).reshape(shape).to(type);
}

TEST(SaveTensors, RoundTripOfEveryType) {
  const TempDir dir;
  TensorMap tensors;
  for (int i = 0; i <= static_cast<int>(DType::kC64); ++i) {
    const at::ScalarType type = ToScalarType(static_cast<DType>(i));
    EXPECT_EQ(ToDType(type), static_cast<DType>(i));
    tensors[toString(type)] = at::zeros({2, 3}, at::kByte).to(type);
  }
  tensors["ramp f32"] = Ramp({3, 4, 5}, at::kFloat) / 7;
  tensors["ramp bf16"] = (Ramp({3, 4, 5}, at::kFloat) / 7).to(at::kBFloat16);
  tensors["ramp f16"] = (Ramp({7}, at::kFloat) / 7).to(at::kHalf);
  tensors["ramp i64"] = Ramp({9}, at::kLong) - 4;
  tensors["scalar"] = at::scalar_tensor(2.5, at::kDouble);
  tensors["empty"] = at::empty({0, 3}, at::kFloat);
  SaveTensors(dir / "a.safetensors", tensors, {{"k", "v"}});
  const TensorMap loaded = LoadTensors(dir / "a.safetensors");
  ASSERT_EQ(loaded.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    ASSERT_EQ(loaded.at(name).scalar_type(), tensor.scalar_type()) << name;
    ASSERT_EQ(loaded.at(name).sizes(), tensor.sizes()) << name;
    EXPECT_EQ(std::memcmp(loaded.at(name).const_data_ptr(),
                          tensor.contiguous().const_data_ptr(),
                          tensor.nbytes()),
              0)
        << name;
  }
}

TEST(SaveTensors, StridedTensorsAreWrittenInOrder) {
  const TempDir dir;
  const at::Tensor base = Ramp({4, 6}, at::kFloat);
  SaveTensors(dir / "a", {{"t", base.t()}, {"s", base.slice(1, 1, 6, 2)}});
  const TensorMap loaded = LoadTensors(dir / "a");
  EXPECT_TRUE(TensorsEqual(loaded.at("t"), base.t()));
  EXPECT_TRUE(TensorsEqual(loaded.at("s"), base.slice(1, 1, 6, 2)));
}

TEST(SaveTensors, RefusesTypesOutsideTheFormat) {
  const TempDir dir;
  EXPECT_THROW(SaveTensors(dir / "a", {{"c", at::zeros({1}, at::kComplexDouble)}}), UserError);
  EXPECT_THROW(SaveTensors(dir / "a", {{"u", at::Tensor()}}), UserError);
}

TEST(LoadTensors, WritingIntoATensorLeavesTheFile) {
  const TempDir dir;
  SaveTensors(dir / "a", {{"x", at::ones({1000})}});
  const std::string before = Sha256HexOfFile(dir / "a");
  at::Tensor x = LoadTensors(dir / "a").at("x");
  x.add_(1);
  EXPECT_EQ(x.sum().item<double>(), 2000);
  EXPECT_EQ(Sha256HexOfFile(dir / "a"), before);
  EXPECT_EQ(LoadTensors(dir / "a").at("x").sum().item<double>(), 1000);
}

TEST(LoadTensors, AlignedValuesAreNotCopied) {
  const TempDir dir;
  SaveTensors(dir / "a", {{"x", at::ones({8})}});
  const SafetensorsFile file = SafetensorsFile::Open(dir / "a");
  EXPECT_EQ(ToTensor(file.At("x")).const_data_ptr(), file.At("x").data.data());
}

// A header that is not padded to 8 puts the values at odd addresses.
TEST(LoadTensors, UnalignedValuesAreCopied) {
  const TempDir dir;
  std::string header = R"({"x":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}})";
  while (header.size() % 8 != 3) {
    header += ' ';
  }
  const uint64_t size = header.size();
  const double values[] = {1.25, -3};
  std::string bytes(reinterpret_cast<const char*>(&size), 8);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values), sizeof(values));
  AtomicWriteFile(dir / "a", bytes);
  const at::Tensor x = LoadTensors(dir / "a").at("x");
  EXPECT_TRUE(TensorsEqual(x, at::tensor({1.25, -3.0}, at::kDouble)));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 8, 0u);
}

TEST(TensorsNear, TellsPlaceAndDifference) {
  at::Tensor a = at::zeros({2, 3}), b = a.clone();
  EXPECT_TRUE(TensorsNear(a, b, 0, 0));
  b[1][2] = 0.5;
  const testing::AssertionResult result = TensorsNear(a, b, 0, 0.25);
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), testing::HasSubstr("difference 0.5 at [1, 2]"));
  EXPECT_FALSE(TensorsNear(a, at::zeros({3, 2}), 0, 0));
  b[1][2] = std::nan("");
  EXPECT_FALSE(TensorsNear(a, b, 0, 1));
  EXPECT_TRUE(TensorsNear(b, b, 0, 0));
  EXPECT_FALSE(TensorsEqual(a, a.to(at::kDouble)));
}

}  // namespace
}  // namespace teacache
