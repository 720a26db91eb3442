#include "runners/sampling/weighted_sum.h"

#include <ATen/Dispatch.h>
#include <ATen/Functions.h>
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>

#include <array>
#include <stdexcept>

namespace teacache {
namespace {

constexpr size_t kMaxTerms = 3;
constexpr int64_t kGrain = int64_t{1} << 15;  // values that are worth a thread

template <size_t kTerms, typename T, typename Wide>
void SumPiece(const T* base,
              const std::array<const T*, kMaxTerms>& terms,
              const std::array<Wide, kMaxTerms>& weights,
              int64_t begin,
              int64_t end,
              T* sum) {
  for (int64_t i = begin; i < end; ++i) {
    Wide value = static_cast<Wide>(base[i]);
    for (size_t k = 0; k < kTerms; ++k) value += weights[k] * static_cast<Wide>(terms[k][i]);
    sum[i] = static_cast<T>(value);
  }
}

template <typename T>
void SumOnCpu(const at::Tensor& base,
              const std::vector<at::Tensor>& terms,
              const std::vector<double>& weights,
              at::Tensor* sum) {
  using Wide = at::opmath_type<T>;
  std::array<const T*, kMaxTerms> from = {};
  std::array<Wide, kMaxTerms> factors = {};
  for (size_t k = 0; k < terms.size(); ++k) {
    from[k] = terms[k].const_data_ptr<T>();
    factors[k] = static_cast<Wide>(weights[k]);
  }
  const T* in = base.const_data_ptr<T>();
  T* out = sum->mutable_data_ptr<T>();
  const auto piece = terms.size() == 1   ? SumPiece<1, T, Wide>
                     : terms.size() == 2 ? SumPiece<2, T, Wide>
                                         : SumPiece<3, T, Wide>;
  at::parallel_for(0, base.numel(), kGrain, [&](int64_t begin, int64_t end) {
    piece(in, from, factors, begin, end, out);
  });
}

// One pass for each term.
at::Tensor SumOnDevice(const at::Tensor& base,
                       const std::vector<at::Tensor>& terms,
                       const std::vector<double>& weights) {
  if (terms.size() == 1) return at::add(base, terms[0], weights[0]);
  const at::ScalarType dtype = base.scalar_type();
  at::Tensor sum = at::add(dtype == at::kDouble ? base : base.to(at::kFloat), terms[0], weights[0]);
  for (size_t k = 1; k < terms.size(); ++k) sum.add_(terms[k], weights[k]);
  return sum.to(dtype);
}

}  // namespace

at::Tensor WeightedSum(const at::Tensor& base,
                       const std::vector<at::Tensor>& terms,
                       const std::vector<double>& weights) {
  if (terms.empty() || terms.size() > kMaxTerms || terms.size() != weights.size()) {
    throw std::logic_error("WeightedSum of no, of too many or of unweighted terms");
  }
  std::vector<at::Tensor> dense;
  for (const at::Tensor& term : terms) {
    if (term.sizes() != base.sizes() || term.scalar_type() != base.scalar_type()) {
      throw std::logic_error("WeightedSum of tensors of several shapes or types");
    }
    dense.push_back(term.contiguous());
  }
  const at::Tensor first = base.contiguous();
  if (!base.is_cpu()) return SumOnDevice(first, dense, weights);
  at::Tensor sum = at::empty_like(first);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, base.scalar_type(), "WeightedSum", [&] {
    SumOnCpu<scalar_t>(first, dense, weights, &sum);
  });
  return sum;
}

}  // namespace teacache
