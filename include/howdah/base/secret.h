// A secret text: wiped when destroyed, never printed. Copying is allowed (and copies are wiped too);
// no operator<<, and view() is the one way in.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace howdah::base {

// Overwrites memory in a way the compiler keeps.
void wipe(void* memory, std::size_t size);
// Compares in time that depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b);
// Fills from the kernel's generator; aborts if the kernel has none.
void random_bytes(void* memory, std::size_t size);

// This process leaves no core dump and cannot be looked into by other processes of its user
// (PR_SET_DUMPABLE): secrets are in too many places to mark each page, among them the buffers of
// libraries and of the relay. Builds with a sanitizer stay dumpable, as LeakSanitizer must trace itself.
void keep_out_of_core_dumps();

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  ~Secret() { clear(); }
  Secret(const Secret& other) : text_(other.text_) {}
  Secret(Secret&& other) noexcept : text_(other.text_) { other.clear(); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      clear();
      text_ = other.text_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      clear();
      text_ = other.text_;
      other.clear();
    }
    return *this;
  }
  std::string_view view() const { return text_; }
  bool empty() const { return text_.empty(); }
  void clear() {
    wipe(text_.data(), text_.size());
    text_.clear();
  }
  bool operator==(const Secret& other) const { return equal_constant_time(text_, other.text_); }

 private:
  std::string text_;
};

}  // namespace howdah::base
