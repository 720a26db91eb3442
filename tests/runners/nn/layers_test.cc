#include "runners/nn/layers.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runners/models/stdit3.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

at::Tensor Random(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

TEST(Attention, BothKernelsAndDirectSums) {
  for (const auto& [queries, keys] : {std::pair<int64_t, int64_t>{8, 8}, {5, 6}, {1, 1}, {32, 7}}) {
    const at::Tensor q = Random({2, 3, queries, 16}, 1);
    const at::Tensor k = Random({2, 3, keys, 16}, 2);
    const at::Tensor v = Random({2, 3, keys, 16}, 3);
    const at::Tensor plain = Attention(q, k, v, AttentionKernel::kPlain);
    EXPECT_TRUE(TensorsNear(Attention(q, k, v, AttentionKernel::kFused), plain, 1e-5, 2e-6));
    const auto qa = q.accessor<float, 4>();
    const auto ka = k.accessor<float, 4>();
    const auto va = v.accessor<float, 4>();
    at::Tensor expected = at::empty_like(q);
    auto out = expected.accessor<float, 4>();
    for (int b = 0; b < 2; ++b) {
      for (int h = 0; h < 3; ++h) {
        for (int i = 0; i < queries; ++i) {
          std::vector<double> weights(keys);
          double sum = 0;
          for (int j = 0; j < keys; ++j) {
            double dot = 0;
            for (int d = 0; d < 16; ++d) dot += qa[b][h][i][d] * ka[b][h][j][d];
            sum += weights[j] = std::exp(dot / 4);  // sqrt(16)
          }
          for (int d = 0; d < 16; ++d) {
            double value = 0;
            for (int j = 0; j < keys; ++j) value += weights[j] / sum * va[b][h][j][d];
            out[b][h][i][d] = static_cast<float>(value);
          }
        }
      }
    }
    EXPECT_TRUE(TensorsNear(plain, expected, 1e-5, 2e-6));
  }
}

TEST(Attention, BothKernelsHaveTheSameGradient) {
  const auto gradients = [](AttentionKernel kernel) {
    const at::Tensor q = Random({1, 2, 8, 16}, 1).requires_grad_(true);
    const at::Tensor k = Random({1, 2, 8, 16}, 2).requires_grad_(true);
    const at::Tensor v = Random({1, 2, 8, 16}, 3).requires_grad_(true);
    (Attention(q, k, v, kernel) * Random({1, 2, 8, 16}, 4)).sum().backward();
    return std::vector<at::Tensor>{q.grad(), k.grad(), v.grad()};
  };
  const auto plain = gradients(AttentionKernel::kPlain);
  const auto fused = gradients(AttentionKernel::kFused);
  for (size_t i = 0; i < plain.size(); ++i)
    EXPECT_TRUE(TensorsNear(fused[i], plain[i], 1e-4, 1e-5));
}

TEST(LayerNorm, DirectSums) {
  const at::Tensor x = Random({3, 7}, 1) * 4 + 2;
  at::Tensor expected = at::empty_like(x);
  for (int row = 0; row < 3; ++row) {
    double mean = 0, variance = 0;
    for (int i = 0; i < 7; ++i) mean += x[row][i].item<double>() / 7;
    for (int i = 0; i < 7; ++i) variance += std::pow(x[row][i].item<double>() - mean, 2) / 7;
    for (int i = 0; i < 7; ++i) {
      expected[row][i] = (x[row][i].item<double>() - mean) / std::sqrt(variance + 1e-6);
    }
  }
  EXPECT_TRUE(TensorsNear(LayerNorm(x), expected, 1e-5, 1e-6));
  const at::Tensor scale = Random({7}, 2);
  const at::Tensor shift = Random({7}, 3);
  EXPECT_TRUE(TensorsNear(Modulate(x, shift, scale), expected * (scale + 1) + shift, 1e-5, 1e-6));
}

TEST(RmsNorm, DirectSums) {
  const at::Tensor x = Random({4, 6}, 1) * 3;
  const at::Tensor weight = Random({6}, 2);
  at::Tensor expected = at::empty_like(x);
  for (int row = 0; row < 4; ++row) {
    double squares = 0;
    for (int i = 0; i < 6; ++i) squares += std::pow(x[row][i].item<double>(), 2) / 6;
    for (int i = 0; i < 6; ++i) {
      expected[row][i] =
          x[row][i].item<double>() / std::sqrt(squares + 1e-6) * weight[i].item<double>();
    }
  }
  EXPECT_TRUE(TensorsNear(RmsNorm(x, weight), expected, 1e-5, 1e-6));
  // Half types are widened for the mean: 300^2 is beyond float16.
  const at::Tensor large = at::full({2, 8}, 300.0).to(at::kHalf);
  EXPECT_TRUE(TensorsNear(RmsNorm(large, at::ones({8}).to(at::kHalf)), at::ones({2, 8}), 1e-3, 0));
}

TEST(TimestepEmbedding, CosinesThenSines) {
  const at::Tensor t = at::tensor({0.0, 1.0, 250.5, 999.0});
  const at::Tensor embedding = TimestepEmbedding(t, 256);
  ASSERT_EQ(embedding.sizes(), at::IntArrayRef({4, 256}));
  for (int row = 0; row < 4; ++row) {
    for (const int i : {0, 1, 17, 64, 127}) {
      const double angle = t[row].item<double>() * std::exp(-std::log(10000.0) * i / 128);
      EXPECT_NEAR(embedding[row][i].item<double>(), std::cos(angle), 3e-4) << row << " " << i;
      EXPECT_NEAR(embedding[row][128 + i].item<double>(), std::sin(angle), 3e-4) << row << " " << i;
    }
  }
}

TEST(ApplyRope, RotatesPairsByPositionTimesFrequency) {
  const at::Tensor freqs = at::tensor({1.0, 0.1, 0.01});
  const RopeTable table = MakeRopeTable(freqs, 5);
  const at::Tensor x = Random({2, 1, 5, 6}, 1);
  const at::Tensor rotated = ApplyRope(x, table);
  for (int n = 0; n < 5; ++n) {
    for (int i = 0; i < 3; ++i) {
      const double angle = n * freqs[i].item<double>();
      const double a = x[1][0][n][2 * i].item<double>();
      const double b = x[1][0][n][2 * i + 1].item<double>();
      EXPECT_NEAR(
          rotated[1][0][n][2 * i].item<double>(), a * std::cos(angle) - b * std::sin(angle), 1e-5);
      EXPECT_NEAR(rotated[1][0][n][2 * i + 1].item<double>(),
                  a * std::sin(angle) + b * std::cos(angle),
                  1e-5);
    }
  }
}

// What the embedding is for: products of queries and keys depend on the difference of positions.
TEST(ApplyRope, ProductsDependOnTheDistance) {
  const RopeTable table = MakeRopeTable(RopeFreqs(16), 12);
  const at::Tensor q = Random({16}, 1).expand({1, 1, 12, 16});
  const at::Tensor k = Random({16}, 2).expand({1, 1, 12, 16});
  const at::Tensor products =
      at::matmul(ApplyRope(q, table), ApplyRope(k, table).transpose(-1, -2))[0][0];
  for (int i = 0; i + 1 < 12; ++i) {
    for (int j = 0; j + 1 < 12; ++j) {
      EXPECT_NEAR(products[i][j].item<double>(), products[i + 1][j + 1].item<double>(), 2e-4);
    }
  }
}

TEST(SinCos2d, ColumnsThenRows) {
  const at::Tensor inv_freq = at::tensor({1.0, 0.5});
  const at::Tensor table = SinCos2d(inv_freq, 3, 4, /*scale=*/2.0, /*base_size=*/6.0);
  ASSERT_EQ(table.sizes(), at::IntArrayRef({1, 12, 8}));
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 4; ++column) {
      const at::Tensor token = table[0][row * 4 + column];
      const double x = column / 2.0 * 6 / 4;
      const double y = row / 2.0 * 6 / 3;
      for (int i = 0; i < 2; ++i) {
        const double f = inv_freq[i].item<double>();
        EXPECT_NEAR(token[i].item<double>(), std::sin(x * f), 1e-6);
        EXPECT_NEAR(token[2 + i].item<double>(), std::cos(x * f), 1e-6);
        EXPECT_NEAR(token[4 + i].item<double>(), std::sin(y * f), 1e-6);
        EXPECT_NEAR(token[6 + i].item<double>(), std::cos(y * f), 1e-6);
      }
    }
  }
}

TEST(PatchEmbedding, IsAConvolutionWithStrideOfItsKernel) {
  for (const std::array<int64_t, 3>& patch :
       {std::array<int64_t, 3>{1, 2, 2}, {2, 1, 1}, {2, 2, 3}}) {
    StDiT3Config config;
    config.hidden_size = 12;
    config.in_channels = 4;
    config.patch_size = patch;
    RandomParameters source(1);
    const PatchEmbedding embedding(&source, "x", config);
    const at::Tensor weight = source.tensors().at("x.weight");
    const at::Tensor bias = source.tensors().at("x.bias");
    bias.copy_(Random({12}, 5));
    const at::Tensor latent = Random({2, 4, 4, 6, 6}, 2);
    const at::Tensor expected = at::conv3d(latent, weight, bias, at::IntArrayRef(patch));
    const at::Tensor tokens = embedding(latent);
    ASSERT_EQ(tokens.sizes(), at::IntArrayRef({2, 4 / patch[0], 36 / (patch[1] * patch[2]), 12}));
    EXPECT_TRUE(TensorsNear(
        tokens.transpose(2, 3).transpose(1, 2).reshape_as(expected), expected, 1e-5, 1e-5));
  }
}

TEST(FinalLayer, UnpatchifyUndoesThePatches) {
  StDiT3Config config;
  config.hidden_size = 8;
  config.in_channels = 3;
  config.pred_sigma = false;
  config.patch_size = {2, 2, 1};
  RandomParameters source(1);
  const FinalLayer layer(&source, config, Init::kZeros);
  const at::Tensor latent = Random({2, 3, 4, 6, 5}, 3);
  // Columns of a token are ordered (frame, row, column, channel) within the patch.
  const at::Tensor tokens = latent.view({2, 3, 2, 2, 3, 2, 5, 1})
                                .permute({0, 2, 4, 6, 3, 5, 7, 1})
                                .reshape({2, 2, 15, 12});
  EXPECT_TRUE(TensorsEqual(layer.Unpatchify(tokens, {2, 3, 5}, latent.sizes()), latent));
}

TEST(Linear, MlpAndConvolution) {
  RandomParameters source(1);
  const Linear linear = MakeLinear(&source, "l", 5, 3);
  linear.bias.copy_(Random({3}, 2));
  const at::Tensor x = Random({2, 4, 5}, 3);
  EXPECT_TRUE(TensorsNear(linear(x), at::matmul(x, linear.weight.t()) + linear.bias, 1e-5, 1e-6));
  const Mlp mlp{
      MakeLinear(&source, "m.1", 5, 7), MakeLinear(&source, "m.2", 7, 2), Activation::kSilu};
  const at::Tensor hidden = mlp.fc1(x);
  EXPECT_TRUE(TensorsNear(mlp(x), mlp.fc2(hidden / (1 + (-hidden).exp())), 1e-5, 1e-6));
  const Mlp gelu{mlp.fc1, mlp.fc2, Activation::kGeluTanh};
  const double pi = 3.14159265358979323846;
  const at::Tensor inner = std::sqrt(2 / pi) * (hidden + 0.044715 * hidden.pow(3));
  EXPECT_TRUE(TensorsNear(gelu(x), mlp.fc2(0.5 * hidden * (1 + inner.tanh())), 1e-5, 1e-6));
  const Conv2d conv = MakeConv2d(&source, "c", 2, 4, 3, 2);
  EXPECT_EQ(conv(Random({1, 2, 8, 8}, 4)).sizes(), at::IntArrayRef({1, 4, 4, 4}));
}

}  // namespace
}  // namespace teacache
