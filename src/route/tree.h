// The tree that libpg_query prints as JSON, flat: a node's descendants follow it, so that a walk is
// a loop. Only for what the library prints: well-formed, no blanks. A general JSON library took
// most of the time of facts() to build its objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::route {

class Tree {
 public:
  enum class Kind : std::uint8_t { None, Object, Array, Text, Other };

 private:
  struct Entry {
    std::string_view key, text;
    std::uint32_t end = 0;  // the entry after its last descendant
    Kind kind = Kind::Other;
  };

 public:
  // A place in a tree; valid as long as the tree. Of what isn't there everything is empty.
  class Node {
   public:
    Node() = default;
    Kind kind() const { return tree_ ? entry().kind : Kind::None; }
    std::string_view key() const { return tree_ ? entry().key : std::string_view(); }
    std::string_view text() const {
      return kind() == Kind::Text ? entry().text : std::string_view();
    }
    std::size_t number() const;
    bool is_true() const { return kind() == Kind::Other && entry().text == "true"; }
    Node operator[](std::string_view key) const;  // a field
    bool has(std::string_view key) const { return (*this)[key].kind() != Kind::None; }
    std::vector<Node> children() const;
    // Places in the order of the text: a node's descendants are at position() + 1 up to end().
    std::uint32_t position() const { return at_; }
    std::uint32_t end() const { return tree_ ? entry().end : 0; }

    // The nodes below, in the order of the text, whatever their depth.
    template <typename Visit>
    void each_below(Visit&& visit) const {
      if (!tree_) return;
      for (std::uint32_t at = at_ + 1; at < entry().end; ++at) visit(Node(tree_, at));
    }

   private:
    friend class Tree;
    Node(const Tree* tree, std::uint32_t at) : tree_(tree), at_(at) {}
    const Entry& entry() const { return tree_->entries_[at_]; }

    const Tree* tree_ = nullptr;
    std::uint32_t at_ = 0;
  };

  // `json` must outlive the tree. False if it is not what it should be.
  bool parse(std::string_view json);
  Node root() const { return entries_.empty() ? Node() : Node(this, 0); }

 private:
  bool read_string(std::string_view json, std::size_t& at, std::string_view& out);
  bool unescape(std::string_view raw, std::string_view& out);

  std::vector<Entry> entries_;
  std::deque<std::string> unescaped_;
};

}  // namespace howdah::route
