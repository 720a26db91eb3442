#include "runners/relative_l1.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace teacache {
namespace {

// Values summed in one piece. On the CPU a piece stays in the cache; on a GPU it bounds the memory.
constexpr int64_t kCpuPiece = int64_t{1} << 16;
constexpr int64_t kGpuPiece = int64_t{1} << 24;

struct Sums {
  double diff = 0;
  double prev = 0;
};

// Sums in several lanes at once, since one sum would wait for every addition; the compiler makes
// vector instructions of the inner loop.
Sums SumPiece(const float* a, const float* b, int64_t n) {
  constexpr int64_t kLanes = 8;
  std::array<double, kLanes> diff{};
  std::array<double, kLanes> prev{};
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      diff[lane] += static_cast<double>(std::abs(a[i + lane] - b[i + lane]));
      prev[lane] += static_cast<double>(std::abs(b[i + lane]));
    }
  }
  for (int64_t i = whole; i < n; ++i) {
    diff[i - whole] += static_cast<double>(std::abs(a[i] - b[i]));
    prev[i - whole] += static_cast<double>(std::abs(b[i]));
  }
  Sums sums;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    sums.diff += diff[lane];
    sums.prev += prev[lane];
  }
  return sums;
}

at::Tensor Piece(const at::Tensor& flat, int64_t begin, int64_t size) {
  return flat.narrow(0, begin, std::min(size, flat.numel() - begin)).to(at::kFloat);
}

Sums SumOnCpu(const at::Tensor& a, const at::Tensor& b) {
  const int64_t pieces = (a.numel() + kCpuPiece - 1) / kCpuPiece;
  std::vector<Sums> parts(pieces);
  at::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::Tensor x = Piece(a, i * kCpuPiece, kCpuPiece);
      const at::Tensor y = Piece(b, i * kCpuPiece, kCpuPiece);
      parts[i] = SumPiece(x.const_data_ptr<float>(), y.const_data_ptr<float>(), x.numel());
    }
  });
  Sums sums;
  for (const Sums& part : parts) {
    sums.diff += part.diff;
    sums.prev += part.prev;
  }
  return sums;
}

Sums SumOnDevice(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor sums = at::zeros({2}, a.options().dtype(at::kDouble));
  for (int64_t begin = 0; begin < a.numel(); begin += kGpuPiece) {
    const at::Tensor x = Piece(a, begin, kGpuPiece);
    const at::Tensor y = Piece(b, begin, kGpuPiece);
    sums += at::stack({at::sub(x, y).abs_().sum(at::kDouble), y.abs().sum(at::kDouble)});
  }
  const at::Tensor there = sums.cpu();  // the only wait for the device
  return {there.const_data_ptr<double>()[0], there.const_data_ptr<double>()[1]};
}

}  // namespace

L1Sums MeasureL1(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) throw std::logic_error("MeasureL1 of tensors of two shapes");
  const at::Tensor x = a.contiguous().flatten();
  const at::Tensor y = b.contiguous().flatten();
  const Sums sums = x.is_cpu() ? SumOnCpu(x, y) : SumOnDevice(x, y);
  L1Sums result;
  result.diff_l1 = sums.diff;
  result.prev_l1 = sums.prev;
  result.n = a.numel();
  return result;
}

L1Sums MeasureL1(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  L1Sums sums;
  for (size_t i = 0; i < a.size(); ++i) sums += MeasureL1(a[i], b[i]);
  return sums;
}

double ReferenceRelativeL1(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().mean() / b.abs().mean()).item<double>();
}

}  // namespace teacache
