#pragma once

namespace teacache {

inline constexpr int kSsimTaps = 11;
// exp(-(i - 5)^2 / (2 1.5^2)), normalised; symmetric, so only the first six. In float32 it holds
// that the eleven weights sum to 1 within 2e-9: otherwise flat frames would have a variance.
inline constexpr float kSsimWeights[6] = {0.00102838008447911f,
                                          0.00759875813523918f,
                                          0.0360007721284308f,
                                          0.109360689509700f,
                                          0.213005537711254f,
                                          0.266011724861794f};

}  // namespace teacache
