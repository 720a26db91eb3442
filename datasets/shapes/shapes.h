#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// The world that the embedded model draws: one anti-aliased object on a plain background,
// 16 frames of 64 x 64 pixels. A prompt is one sentence of a closed grammar:
//
//   a {small|large} {red|orange|yellow|green|cyan|blue|pink}
//     {circle|square|triangle|star|cross|ring}
//     {moving left|moving right|moving up|moving down|circling|bouncing|pulsing}
//     {slowly|fast} on {black|white|gray}
//
// 3,528 prompts. The free coordinates and the phase come from a seed. Because the scene is known,
// what a generated video shows can be measured (shapes_scene.h).

inline constexpr int kShapesFrames = 16;
inline constexpr int kShapesSize = 64;  // pixels, both sides
inline constexpr double kShapesFps = 8;
inline constexpr int kShapesSlots = 6;
inline constexpr int kShapesFactors = 19;

// Index of the chosen word in each slot, in the order of the sentence.
struct ShapesPrompt {
  int size = 0;        // small, large
  int color = 0;       // red ... pink
  int shape = 0;       // circle ... ring
  int motion = 0;      // left, right, up, down, circling, bouncing, pulsing
  int speed = 0;       // slowly, fast
  int background = 0;  // black, white, gray

  std::array<int, kShapesSlots> slots() const {
    return {size, color, shape, motion, speed, background};
  }
  bool operator==(const ShapesPrompt&) const = default;
};

// The words of each slot; the model's vocabulary is their concatenation (27 words).
const std::array<std::vector<std::string>, kShapesSlots>& ShapesWords();
int ShapesVocabularySize();
// Number of slot `slot`'s first word in the vocabulary.
int ShapesWordOffset(int slot);
int ShapesPromptCount();

// The prompt with number `index`, 0 <= index < ShapesPromptCount(); the last slot varies fastest.
ShapesPrompt ShapesPromptAt(int index);

std::string ShapesText(const ShapesPrompt& prompt);

// Parses a sentence of the grammar; case, commas and a final full stop do not matter. Throws
// UserError that names the unknown or missing word and what is known there.
ShapesPrompt ParseShapesPrompt(const std::string& text);

// RGB in [0, 255].
std::array<uint8_t, 3> ShapesColor(int color);
std::array<uint8_t, 3> ShapesBackground(int background);
// Nominal radius in pixels.
double ShapesRadius(int size);

// Centre and radius (pixels) of the object in every frame.
struct ShapesTrack {
  std::array<float, kShapesFrames> x{};
  std::array<float, kShapesFrames> y{};
  std::array<float, kShapesFrames> radius{};
};

// Uniform numbers in [0, 1) that are the same on every platform.
class ShapesRng {
 public:
  explicit ShapesRng(uint64_t seed) : engine_(seed) {}
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  int Below(int n) { return static_cast<int>(Uniform() * n); }

 private:
  std::mt19937_64 engine_;
};

ShapesPrompt RandomShapesPrompt(ShapesRng* rng);
ShapesTrack RandomShapesTrack(const ShapesPrompt& prompt, ShapesRng* rng);

// Motion relative to the object's resting place at time u in [0, 1]; `phase` in [0, 1) matters for
// circling and pulsing only.
struct ShapesOffset {
  double x = 0;
  double y = 0;
  double radius = 0;
};
ShapesOffset ShapesMotion(int size, int motion, int speed, double phase, double u);

// Signed distance in pixels, negative inside, of shape `shape` with radius r centred at the origin;
// x to the right, y down.
float ShapesDistance(int shape, float x, float y, float r);

// Coverage clamp(0.5 - distance, 0, 1) of each pixel: [64, 64] float32.
void ShapesCoverage(int shape, float x, float y, float r, float* coverage);

// One frame into `chw`: [3, 64, 64] float32 in [-1, 1], RGB.
void RenderShapesFrame(const ShapesPrompt& prompt, float x, float y, float radius, float* chw);

// The 19 linear factors of a frame's scene: x, y, radius, and one-hot shape (6), colour (7) and
// background (3); each centred and scaled to about unit variance over the world. Their rank is 16,
// the size of the embedded model's code.
std::array<float, kShapesFactors> ShapesSceneFactors(const ShapesPrompt& prompt,
                                                     float x,
                                                     float y,
                                                     float radius);

Video RenderShapesVideo(const ShapesPrompt& prompt, const ShapesTrack& track);

}  // namespace teacache
