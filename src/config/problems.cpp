// Wording helpers of messages: nearest known word, printable quotes.
#include "config/problems.h"

#include <algorithm>

namespace howdah::config {
namespace {

constexpr std::size_t kFew = 12;
constexpr std::size_t kShown = 60;

// Edits (insert, delete, replace) that turn one word into the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string join(const std::vector<std::string_view>& words, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? last : std::string_view(", ");
    text += words[i];
  }
  return text;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string_view>& known) {
  if (word.size() > 64) word = word.substr(0, 64);
  std::string small = base::lower(word);
  std::vector<std::pair<std::size_t, std::string_view>> found;
  for (auto candidate : known) {
    // A part that fits counts as near: "timeout" is no typing error of "query_timeout".
    bool part = small.size() >= 4 && candidate.find(small) != std::string_view::npos;
    std::size_t edits = part ? 1 : distance(small, candidate);
    // Two, so that letters that changed places count as near.
    std::size_t near = small.size() < 4 ? 1 : std::max<std::size_t>(2, small.size() / 3);
    if (edits <= near) found.emplace_back(edits, candidate);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (found.size() > 3) found.resize(3);
  std::vector<std::string_view> words;
  for (const auto& [edits, candidate] : found) words.push_back(candidate);
  if (!words.empty()) return base::cat(", did you mean ", join(words, " or "), "?");
  if (known.size() <= kFew) return base::cat("; known are ", join(known, " and "));
  return {};
}

std::string shown(std::string_view text) {
  std::string out = "'";
  for (char c : text.substr(0, kShown))
    out += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  out += text.size() > kShown ? "...'" : "'";
  return out;
}

}  // namespace howdah::config
