#include "runners/nn/name_patterns.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace teacache {
namespace {

// Names split at their dots: what begins alike shares nodes.
struct Node {
  std::map<std::string, Node> children;
  std::optional<std::string> remark;  // of the name that ends here
};

Node* Child(Node* node, const std::string& name) {
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    node = &node->children[name.substr(begin, end - begin)];
    begin = end + 1;
  }
  return node;
}

std::optional<int> Index(const std::string& part) {
  int index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  const bool whole = error == std::errc() && end == part.data() + part.size();
  return whole && std::to_string(index) == part ? std::optional(index) : std::nullopt;
}

// "0..27", "3"
std::string Range(int first, int last) {
  return first == last ? std::to_string(first) : fmt::format("{}..{}", first, last);
}

// "a", "{0..27}", "{0,2..5,proj}"
std::string Braces(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts[0];
  std::vector<int> indices;
  std::vector<std::string> texts;
  for (const std::string& part : parts) {
    const std::optional<int> index = Index(part);
    if (index) {
      indices.push_back(*index);
    } else {
      texts.push_back(part);
    }
  }
  std::ranges::sort(indices);
  std::vector<std::string> pieces;
  for (size_t first = 0, next = 0; first < indices.size(); first = next) {
    for (next = first + 1; next < indices.size() && indices[next] == indices[next - 1] + 1;) ++next;
    pieces.push_back(Range(indices[first], indices[next - 1]));
  }
  pieces.insert(pieces.end(), texts.begin(), texts.end());
  return fmt::format("{{{}}}", fmt::join(pieces, ","));
}

// The patterns of what lies below `node`, each beginning with a dot unless the name ends here.
std::vector<std::string> Patterns(const Node& node) {
  std::map<std::vector<std::string>, std::vector<std::string>> parts_of;
  for (const auto& [part, child] : node.children) parts_of[Patterns(child)].push_back(part);
  std::vector<std::string> patterns;
  if (node.remark) patterns.push_back(*node.remark);
  for (const auto& [below, parts] : parts_of) {
    for (const std::string& rest : below)
      patterns.push_back(fmt::format(".{}{}", Braces(parts), rest));
  }
  std::ranges::sort(patterns);
  return patterns;
}

}  // namespace

std::vector<std::string> FoldNames(const std::map<std::string, std::string>& remarks) {
  Node root;
  for (const auto& [name, remark] : remarks) Child(&root, name)->remark = remark;
  std::vector<std::string> patterns = Patterns(root);
  for (std::string& pattern : patterns) pattern = pattern.substr(1);  // without the dot
  return patterns;
}

}  // namespace teacache
