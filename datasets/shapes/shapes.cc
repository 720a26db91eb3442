#include "datasets/shapes/shapes.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numbers>
#include <sstream>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr float kHalf = kShapesSize / 2.0F;

// Largest extent of any shape relative to its radius (the star's points), and the pulse.
constexpr double kExtent = 1.22;
constexpr double kPulse = 0.3;

enum Motion { kLeft, kRight, kUp, kDown, kCircling, kBouncing, kPulsing };

constexpr std::array<std::array<uint8_t, 3>, 7> kColors = {{{225, 45, 40},
                                                            {255, 140, 20},
                                                            {250, 220, 40},
                                                            {50, 180, 75},
                                                            {60, 205, 225},
                                                            {50, 90, 230},
                                                            {245, 110, 190}}};
constexpr std::array<std::array<uint8_t, 3>, 3> kBackgrounds = {
    {{12, 12, 16}, {244, 244, 240}, {112, 116, 124}}};
constexpr std::array<double, 2> kRadii = {10.0, 15.0};

// Space that the object needs on each side of its centre.
double Margin(int size, int motion) {
  const double pulse = motion == kPulsing ? 1 + kPulse : 1.0;
  return kExtent * pulse * kRadii[size] + 1;
}

float ToSigned(uint8_t value) { return static_cast<float>(value) / 127.5F - 1.0F; }

// Five-pointed star: two reflections fold the plane into one arm, whose edge is a segment
// (the construction is Inigo Quilez's sdStar5, https://iquilezles.org/articles/distfunctions2d).
float StarDistance(float x, float y, float r) {
  constexpr float kCos36 = 0.809016994375F;
  constexpr float kSin36 = 0.587785252292F;
  constexpr float kInner = 0.5F;  // inner radius relative to the outer
  const float outer = 1.15F * r;
  float px = std::abs(x);
  float py = -y;
  float d = std::max(kCos36 * px - kSin36 * py, 0.0F);
  px -= 2 * d * kCos36;
  py += 2 * d * kSin36;
  d = std::max(-kCos36 * px - kSin36 * py, 0.0F);
  px += 2 * d * kCos36;
  py += 2 * d * kSin36;
  px = std::abs(px);
  py -= outer;
  const float edge_x = kInner * kSin36;
  const float edge_y = kInner * kCos36 - 1;
  float h = (px * edge_x + py * edge_y) / (edge_x * edge_x + edge_y * edge_y);
  h = std::clamp(h, 0.0F, outer);
  const float ex = px - edge_x * h;
  const float ey = py - edge_y * h;
  const float side = py * edge_x - px * edge_y;
  return std::sqrt(ex * ex + ey * ey) * (side < 0 ? -1.0F : 1.0F);
}

std::vector<std::string> Tokenize(const std::string& text) {
  std::string clean;
  for (const char c : text) {
    clean +=
        c == ',' || c == '.' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  std::istringstream stream(clean);
  std::vector<std::string> tokens;
  for (std::string token; stream >> token;) tokens.push_back(token);
  return tokens;
}

std::string JoinWords(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : "|") + word;
  return joined;
}

// Reads the sentence word by word; every complaint names the word and what is known at its place.
class PromptParser {
 public:
  explicit PromptParser(const std::string& text) : text_(text), tokens_(Tokenize(text)) {}

  ShapesPrompt Parse() {
    ShapesPrompt prompt;
    if (next_ < tokens_.size() && tokens_[next_] == "a") ++next_;
    prompt.size = Slot(0);
    prompt.color = Slot(1);
    prompt.shape = Slot(2);
    const bool moving = next_ < tokens_.size() && tokens_[next_] == "moving";
    if (moving) ++next_;
    prompt.motion = Slot(3);
    if (moving != (prompt.motion <= kDown)) {
      Fail("must say 'moving left|right|up|down' or 'circling|bouncing|pulsing'");
    }
    prompt.speed = Slot(4);
    if (next_ < tokens_.size() && tokens_[next_] == "on") ++next_;
    prompt.background = Slot(5);
    if (next_ < tokens_.size()) Fail(fmt::format("'{}' after the sentence's end", tokens_[next_]));
    return prompt;
  }

 private:
  int Slot(int slot) {
    const std::vector<std::string>& words = ShapesWords()[slot];
    const std::string expected = fmt::format("here one of {} is known", JoinWords(words));
    if (next_ >= tokens_.size()) Fail("the sentence ends too early; " + expected);
    const auto it = std::find(words.begin(), words.end(), tokens_[next_]);
    if (it == words.end()) Fail(fmt::format("unknown word '{}'; {}", tokens_[next_], expected));
    ++next_;
    return static_cast<int>(it - words.begin());
  }

  [[noreturn]] void Fail(const std::string& why) const {
    ThrowUserError(fmt::format("prompt \"{}\"", text_), "{}", why);
  }

  const std::string text_;
  const std::vector<std::string> tokens_;
  size_t next_ = 0;
};

}  // namespace

const std::array<std::vector<std::string>, kShapesSlots>& ShapesWords() {
  static const std::array<std::vector<std::string>, kShapesSlots> kWords = {{
      {"small", "large"},
      {"red", "orange", "yellow", "green", "cyan", "blue", "pink"},
      {"circle", "square", "triangle", "star", "cross", "ring"},
      {"left", "right", "up", "down", "circling", "bouncing", "pulsing"},
      {"slowly", "fast"},
      {"black", "white", "gray"},
  }};
  return kWords;
}

int ShapesWordOffset(int slot) {
  int offset = 0;
  for (int i = 0; i < slot; ++i) offset += static_cast<int>(ShapesWords()[i].size());
  return offset;
}

int ShapesVocabularySize() { return ShapesWordOffset(kShapesSlots); }

int ShapesPromptCount() {
  int count = 1;
  for (const auto& words : ShapesWords()) count *= static_cast<int>(words.size());
  return count;
}

ShapesPrompt ShapesPromptAt(int index) {
  std::array<int, kShapesSlots> slots{};
  for (int i = kShapesSlots - 1; i >= 0; --i) {
    const int n = static_cast<int>(ShapesWords()[i].size());
    slots[i] = index % n;
    index /= n;
  }
  return {slots[0], slots[1], slots[2], slots[3], slots[4], slots[5]};
}

std::string ShapesText(const ShapesPrompt& prompt) {
  const auto& words = ShapesWords();
  return fmt::format("a {} {} {} {}{} {} on {}",
                     words[0][prompt.size],
                     words[1][prompt.color],
                     words[2][prompt.shape],
                     prompt.motion <= kDown ? "moving " : "",
                     words[3][prompt.motion],
                     words[4][prompt.speed],
                     words[5][prompt.background]);
}

ShapesPrompt ParseShapesPrompt(const std::string& text) { return PromptParser(text).Parse(); }

std::array<uint8_t, 3> ShapesColor(int color) { return kColors[color]; }
std::array<uint8_t, 3> ShapesBackground(int background) { return kBackgrounds[background]; }
double ShapesRadius(int size) { return kRadii[size]; }

ShapesPrompt RandomShapesPrompt(ShapesRng* rng) {
  return ShapesPromptAt(rng->Below(ShapesPromptCount()));
}

ShapesOffset ShapesMotion(int size, int motion, int speed, double phase, double u) {
  const double distance = 14 + 13 * speed;
  ShapesOffset offset;
  switch (motion) {
    case kLeft:
      offset.x = -distance * (u - 0.5);
      break;
    case kRight:
      offset.x = distance * (u - 0.5);
      break;
    case kUp:
      offset.y = -distance * (u - 0.5);
      break;
    case kDown:
      offset.y = distance * (u - 0.5);
      break;
    case kCircling: {
      const double angle = 2 * kPi * (phase + (0.35 + 0.45 * speed) * u);
      const double orbit = std::min(kHalf - Margin(size, motion) - 1, 16.0);
      offset.x = orbit * std::cos(angle);
      offset.y = orbit * std::sin(angle);
      break;
    }
    case kBouncing: {
      const double height = 26 - 8 * speed;
      offset.y = -height * std::abs(std::sin(kPi * (1 + speed) * u));
      break;
    }
    case kPulsing:
      offset.radius =
          kRadii[size] * kPulse * std::sin(2 * kPi * (phase + (0.75 + 0.75 * speed) * u));
      break;
    default:
      break;
  }
  return offset;
}

ShapesTrack RandomShapesTrack(const ShapesPrompt& prompt, ShapesRng* rng) {
  const double margin = Margin(prompt.size, prompt.motion);
  const double free_x = margin + rng->Uniform() * (kShapesSize - 2 * margin);
  const double free_y = margin + rng->Uniform() * (kShapesSize - 2 * margin);
  const double jitter = (rng->Uniform() - 0.5) * 2;
  const double phase = rng->Uniform();
  // The resting place: free, but centred along a line of motion, on an orbit, or on the ground.
  double base_x = free_x;
  double base_y = free_y;
  if (prompt.motion == kLeft || prompt.motion == kRight) base_x = kHalf + jitter;
  if (prompt.motion == kUp || prompt.motion == kDown) base_y = kHalf + jitter;
  if (prompt.motion == kCircling) base_x = base_y = kHalf;
  if (prompt.motion == kBouncing) base_y = kShapesSize - margin - 1;
  ShapesTrack track;
  for (int i = 0; i < kShapesFrames; ++i) {
    const double u = static_cast<double>(i) / (kShapesFrames - 1);
    const ShapesOffset offset = ShapesMotion(prompt.size, prompt.motion, prompt.speed, phase, u);
    track.x[i] = static_cast<float>(base_x + offset.x);
    track.y[i] = static_cast<float>(base_y + offset.y);
    track.radius[i] = static_cast<float>(kRadii[prompt.size] + offset.radius);
  }
  return track;
}

float ShapesDistance(int shape, float x, float y, float r) {
  const float ax = std::abs(x);
  const float ay = std::abs(y);
  switch (shape) {
    case 0:  // circle
      return std::sqrt(x * x + y * y) - r;
    case 1:  // square
      return std::max(ax, ay) - 0.86F * r;
    case 2:  // triangle, point up
      return std::max(ax * 0.8660254F - y * 0.5F, y) - 0.62F * r;
    case 3:
      return StarDistance(x, y, r);
    case 4: {  // cross
      const float arm = 0.36F * r;
      return std::min(std::max(ax - r, ay - arm), std::max(ax - arm, ay - r));
    }
    default:  // ring
      return std::abs(std::sqrt(x * x + y * y) - 0.74F * r) - 0.26F * r;
  }
}

void ShapesCoverage(int shape, float x, float y, float r, float* coverage) {
  std::fill(coverage, coverage + kShapesSize * kShapesSize, 0.0F);
  // Only pixels near the object can be covered.
  const float reach = 1.3F * r + 1;
  const auto bound = [](float v) { return std::clamp(static_cast<int>(v), 0, kShapesSize); };
  for (int row = bound(y - reach); row < bound(y + reach + 1); ++row) {
    for (int col = bound(x - reach); col < bound(x + reach + 1); ++col) {
      const float d = ShapesDistance(
          shape, static_cast<float>(col) + 0.5F - x, static_cast<float>(row) + 0.5F - y, r);
      coverage[row * kShapesSize + col] = std::clamp(0.5F - d, 0.0F, 1.0F);
    }
  }
}

void RenderShapesFrame(const ShapesPrompt& prompt, float x, float y, float radius, float* chw) {
  constexpr int kPixels = kShapesSize * kShapesSize;
  std::array<float, kPixels> coverage;
  ShapesCoverage(prompt.shape, x, y, radius, coverage.data());
  for (int c = 0; c < 3; ++c) {
    const float back = ToSigned(kBackgrounds[prompt.background][c]);
    const float delta = ToSigned(kColors[prompt.color][c]) - back;
    for (int i = 0; i < kPixels; ++i) chw[c * kPixels + i] = back + delta * coverage[i];
  }
}

std::array<float, kShapesFactors> ShapesSceneFactors(const ShapesPrompt& prompt,
                                                     float x,
                                                     float y,
                                                     float radius) {
  // Means and spreads over the world, so that every factor weighs alike in a squared error.
  std::array<float, kShapesFactors> factors{};
  factors[0] = (x - kHalf) / 8.5F;
  factors[1] = (y - kHalf) / 8.5F;
  factors[2] = (radius - 12.5F) / 2.8F;
  int next = 3;
  const auto one_hot = [&](int value, int count) {
    const float mean = 1.0F / static_cast<float>(count);
    const float spread = std::sqrt(mean * (1 - mean));
    for (int i = 0; i < count; ++i) {
      factors[next++] = ((value == i ? 1.0F : 0.0F) - mean) / spread;
    }
  };
  one_hot(prompt.shape, 6);
  one_hot(prompt.color, 7);
  one_hot(prompt.background, 3);
  return factors;
}

Video RenderShapesVideo(const ShapesPrompt& prompt, const ShapesTrack& track) {
  constexpr int kPixels = kShapesSize * kShapesSize;
  std::vector<float> chw(3 * kPixels);
  Video video;
  video.fps = kShapesFps;
  for (int i = 0; i < kShapesFrames; ++i) {
    RenderShapesFrame(prompt, track.x[i], track.y[i], track.radius[i], chw.data());
    Frame frame{kShapesSize, kShapesSize, std::vector<uint8_t>(3 * kPixels)};
    for (int p = 0; p < kPixels; ++p) {
      for (int c = 0; c < 3; ++c) {
        const float v = (chw[c * kPixels + p] + 1) * 127.5F + 0.5F;
        frame.rgb[3 * p + c] = static_cast<uint8_t>(std::clamp(v, 0.0F, 255.0F));
      }
    }
    video.frames.push_back(std::move(frame));
  }
  return video;
}

}  // namespace teacache
