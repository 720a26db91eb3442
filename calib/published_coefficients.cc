#include "calib/published_coefficients.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "datasets/base/error.h"

namespace teacache {
namespace {

// Number of decimal digits of the shortest text that reads back to `value`, zeros at the ends
// aside.
int SignificantDigits(double value) {
  for (int digits = 1; digits < 17; ++digits) {
    if (std::strtod(fmt::format("{:.{}e}", value, digits - 1).c_str(), nullptr) == value) {
      return digits;
    }
  }
  return 17;
}

bool SameRounded(double published, double given) {
  if (published == given) return true;
  // Not even the first two digits: no need to look at the others.
  if (std::fabs(published - given) > 0.01 * std::fabs(given)) return false;
  const int digits = SignificantDigits(given);
  if (digits < 3) return false;
  return std::strtod(fmt::format("{:.{}e}", published, digits - 1).c_str(), nullptr) == given;
}

double RelativeDifference(double a, double b) {
  const double size = std::max(std::fabs(a), std::fabs(b));
  return size > 0 ? std::fabs(a - b) / size : 0;
}

// The power that coefficient `i` of `n` belongs to.
std::string PowerName(size_t i, size_t n) { return fmt::format("c{}", n - 1 - i); }

int EditDistance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

void Compare(const PublishedSet& set,
             const std::vector<double>& given,
             std::vector<Likeness>* likenesses) {
  using Kind = Likeness::Kind;
  const std::vector<double>& published = set.coefficients;
  const size_t n = given.size();
  if (published.size() != n) return;
  const auto add = [&](Kind kind, std::string text) {
    likenesses->push_back({kind, set.name, std::move(text)});
  };
  if (published == given) {
    add(Kind::kSame, fmt::format("These are the numbers of {} ({}).", set.title, set.source));
    return;
  }
  size_t rounded = 0;
  size_t equal = 0;
  size_t different = 0;
  double largest = 0;
  size_t largest_at = 0;
  for (size_t i = 0; i < n; ++i) {
    rounded += SameRounded(published[i], given[i]) ? 1 : 0;
    equal += published[i] == given[i] ? 1 : 0;
    if (published[i] != given[i]) different = i;
    const double difference = RelativeDifference(published[i], given[i]);
    if (difference > largest) {
      largest = difference;
      largest_at = i;
    }
  }
  if (rounded == n) {
    add(Kind::kRounded,
        fmt::format("These are the numbers of {}, rounded ({}).", set.title, set.source));
  } else if (std::equal(published.rbegin(), published.rend(), given.begin())) {
    add(Kind::kReversed,
        fmt::format("These are the numbers of {} with the lowest power first; engines and this "
                    "program want "
                    "the highest first ({}).",
                    set.title,
                    set.source));
  } else if (largest <= 1e-3) {
    add(Kind::kNear,
        fmt::format(
            "These are nearly the numbers of {}: {} is {} instead of {}, {} digits off ({}).",
            set.title,
            PowerName(largest_at, n),
            given[largest_at],
            published[largest_at],
            EditDistance(fmt::format("{}", given[largest_at]),
                         fmt::format("{}", published[largest_at])),
            set.source));
  } else if (n > 2 && equal == n - 1) {
    const int distance =
        EditDistance(fmt::format("{}", given[different]), fmt::format("{}", published[different]));
    add(Kind::kOneChanged,
        fmt::format(
            "These are the numbers of {} except {}: {} instead of {}, {} ({}).",
            set.title,
            PowerName(different, n),
            given[different],
            published[different],
            distance == 1 ? "one digit or sign off" : fmt::format("{} digits off", distance),
            set.source));
  }
}

bool ParseNumbers(const std::string& text, std::vector<double>* numbers) {
  const auto count = [&text](char c) { return std::count(text.begin(), text.end(), c); };
  if (count('[') != count(']') || count('(') != count(')')) return false;  // cut off
  std::string cleaned = text;
  for (char& c : cleaned) {
    if (c == ',' || c == '[' || c == ']' || c == '(' || c == ')' || c == ';') c = ' ';
  }
  const char* at = cleaned.c_str();
  while (true) {
    while (*at == ' ' || *at == '\t' || *at == '\n') ++at;
    if (*at == '\0') return !numbers->empty();
    char* end = nullptr;
    const double value = std::strtod(at, &end);
    if (end == at || (*end != ' ' && *end != '\t' && *end != '\n' && *end != '\0')) return false;
    numbers->push_back(value);
    at = end;
  }
}

}  // namespace

const PublishedSet& FindPublishedSet(const std::string& name) {
  std::vector<std::pair<int, std::string>> near;
  for (const PublishedSet& set : PublishedSets()) {
    if (set.name == name) return set;
    const bool contains = !name.empty() && set.name.find(name) != std::string::npos;
    near.emplace_back(contains ? 0 : EditDistance(set.name, name), set.name);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < near.size() && i < 4; ++i) names.push_back(near[i].second);
  ThrowUserError(
      "coefficients",
      "must be a file, a list of numbers or a published set but \"{}\" is none; near names: {}",
      name,
      fmt::join(names, ", "));
}

std::vector<Likeness> FindLikenesses(const std::vector<double>& coefficients) {
  std::vector<Likeness> likenesses;
  for (const PublishedSet& set : PublishedSets()) Compare(set, coefficients, &likenesses);
  const bool all_round = coefficients.size() > 2 &&
                         std::all_of(coefficients.begin(), coefficients.end(), [](double c) {
                           return SignificantDigits(c) <= 3;
                         });
  if (all_round) {
    likenesses.push_back({Likeness::Kind::kAllRound,
                          "",
                          "All numbers are round: probably made by hand, not fitted."});
  }
  std::stable_sort(likenesses.begin(), likenesses.end(), [](const Likeness& a, const Likeness& b) {
    return a.kind < b.kind;
  });
  return likenesses;
}

Coefficients ResolveCoefficients(const std::string& text) {
  std::error_code error;
  if (std::filesystem::is_regular_file(text, error)) return ReadCoefficients(text);
  Coefficients coefficients;
  if (ParseNumbers(text, &coefficients.set.coefficients)) {
    for (double c : coefficients.set.coefficients) {
      if (!std::isfinite(c)) ThrowUserError("coefficients", "must be finite but are {}", text);
    }
    coefficients.provenance.source = "given as numbers";
    return coefficients;
  }
  if (text.size() > 5 && text.ends_with(".json")) {
    ThrowUserError(text, "must be a coefficients file but cannot be read");
  }
  const PublishedSet& set = FindPublishedSet(text);
  coefficients.set.coefficients = set.coefficients;
  if (set.threshold > 0) coefficients.set.threshold = set.threshold;
  coefficients.provenance.scheduler = set.sampler;
  coefficients.provenance.model = set.title;
  coefficients.provenance.modulated = set.signal;
  coefficients.provenance.source = set.source;
  return coefficients;
}

}  // namespace teacache
