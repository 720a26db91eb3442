#include "runners/sampling/relative_l1.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <stdexcept>

#include "runners/sampling/l1_kernel.h"

namespace teacache {
namespace {

// Values summed in one piece. On the CPU a piece stays in the cache; on a GPU it bounds the memory.
constexpr int64_t kCpuPiece = int64_t{1} << 16;
constexpr int64_t kGpuPiece = int64_t{1} << 24;

at::Tensor Piece(const at::Tensor& flat, int64_t begin, int64_t size) {
  return flat.narrow(0, begin, std::min(size, flat.numel() - begin)).to(at::kFloat);
}

L1KernelSums SumOnCpu(const at::Tensor& a, const at::Tensor& b) {
  const int64_t pieces = (a.numel() + kCpuPiece - 1) / kCpuPiece;
  std::vector<L1KernelSums> parts(pieces);
  at::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::Tensor x = Piece(a, i * kCpuPiece, kCpuPiece);
      const at::Tensor y = Piece(b, i * kCpuPiece, kCpuPiece);
      parts[i] = SumL1(x.const_data_ptr<float>(), y.const_data_ptr<float>(), x.numel());
    }
  });
  L1KernelSums sums;
  for (const L1KernelSums& part : parts) {
    sums.diff += part.diff;
    sums.prev += part.prev;
  }
  return sums;
}

L1KernelSums SumOnDevice(const at::Tensor& a, const at::Tensor& b) {
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
  const L1KernelSums sums = x.is_cpu() ? SumOnCpu(x, y) : SumOnDevice(x, y);
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
