#include "route/tree.h"

#include <charconv>

namespace howdah::route {

std::size_t Tree::Node::number() const {
  std::size_t value = 0;
  if (kind() != Kind::Other) return 0;
  std::string_view digits = entry().text;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
}

Tree::Node Tree::Node::operator[](std::string_view key) const {
  if (kind() != Kind::Object) return {};
  for (std::uint32_t at = at_ + 1; at < entry().end; at = tree_->entries_[at].end) {
    if (tree_->entries_[at].key == key) return Node(tree_, at);
  }
  return {};
}

std::vector<Tree::Node> Tree::Node::children() const {
  std::vector<Node> result;
  if (!tree_) return result;
  for (std::uint32_t at = at_ + 1; at < entry().end; at = tree_->entries_[at].end) {
    result.push_back(Node(tree_, at));
  }
  return result;
}

bool Tree::unescape(std::string_view raw, std::string_view& out) {
  std::string text;
  for (std::size_t at = 0; at < raw.size(); ++at) {
    if (raw[at] != '\\') {
      text += raw[at];
      continue;
    }
    if (++at == raw.size()) return false;
    switch (raw[at]) {
      case 'b':
        text += '\b';
        break;
      case 'f':
        text += '\f';
        break;
      case 'n':
        text += '\n';
        break;
      case 'r':
        text += '\r';
        break;
      case 't':
        text += '\t';
        break;
      case 'u': {  // the library escapes only what is ASCII
        unsigned code = 0;
        if (raw.size() - at < 5) return false;
        const char* digits = raw.data() + at + 1;
        auto [end, error] = std::from_chars(digits, digits + 4, code, 16);
        if (error != std::errc() || end != digits + 4 || code >= 0x80) return false;
        text += static_cast<char>(code);
        at += 4;
        break;
      }
      default:
        text += raw[at];
    }
  }
  out = unescaped_.emplace_back(std::move(text));
  return true;
}

// `at` is behind the first quote, and behind the last one afterwards.
bool Tree::read_string(std::string_view json, std::size_t& at, std::string_view& out) {
  std::size_t begin = at;
  bool escaped = false;
  for (; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') escaped = true, ++at;
  }
  if (at >= json.size()) return false;
  out = json.substr(begin, at++ - begin);
  return !escaped || unescape(out, out);
}

bool Tree::parse(std::string_view json) {
  entries_.clear();
  unescaped_.clear();
  std::vector<std::uint32_t> open;
  std::string_view key;
  for (std::size_t at = 0; at < json.size();) {
    char c = json[at];
    if (c == ',') {
      ++at;
      continue;
    }
    if (c == '}' || c == ']') {
      if (open.empty()) return false;
      Entry& closed = entries_[open.back()];
      if ((closed.kind == Kind::Object) != (c == '}')) return false;
      closed.end = static_cast<std::uint32_t>(entries_.size());
      open.pop_back();
      ++at;
      continue;
    }
    bool in_object = !open.empty() && entries_[open.back()].kind == Kind::Object;
    if (open.empty() && !entries_.empty()) return false;
    if (in_object) {
      if (c != '"' || !read_string(json, ++at, key) || at >= json.size() || json[at] != ':' ||
          ++at == json.size()) {
        return false;
      }
      c = json[at];
    } else {
      key = {};
    }
    Entry& entry = entries_.emplace_back();
    entry.key = key;
    entry.end = static_cast<std::uint32_t>(entries_.size());
    if (c == '{' || c == '[') {
      entry.kind = c == '{' ? Kind::Object : Kind::Array;
      open.push_back(entry.end - 1);
      ++at;
    } else if (c == '"') {
      entry.kind = Kind::Text;
      if (!read_string(json, ++at, entry.text)) return false;
    } else {
      std::size_t end = json.find_first_of(",}]", at);
      if (end == json.npos || end == at) return false;
      entry.text = json.substr(at, end - at);
      at = end;
    }
  }
  return open.empty() && !entries_.empty();
}

}  // namespace howdah::route
