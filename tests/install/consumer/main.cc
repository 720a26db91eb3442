// Fits a line and compares two frames, without LibTorch.
#include <cstdio>
#include <vector>

#include "calib/fit/fit.h"
#include "metrics/frames/psnr.h"
#include "metrics/frames/ssim.h"

int main() {
  const std::vector<double> x = {0.1, 0.2, 0.3, 0.4}, y = {0.3, 0.5, 0.7, 0.9};
  teacache::FitOptions options;
  options.degree = 1;
  const teacache::FitSummary fit = teacache::FitPolynomial(x, y, options);
  teacache::Frame a{16, 16, std::vector<uint8_t>(16 * 16 * 3, 100)}, b = a;
  for (uint8_t& sample : b.rgb) ++sample;
  std::printf("f(1) = %.3f, PSNR %.2f dB, SSIM %.2f\n",
              fit.polynomial(1.0),
              teacache::Psnr(a, b),
              teacache::Ssim(a, a));
  return 0;
}
