// What is to be sent in one call: views of received bytes and bytes made here, in order.
//
// Views must stay valid until clear(); made bytes are kept inside. Neighbouring views that touch
// become one. Reused from call to call, so nothing is allocated in the long run.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::session {

class Pieces {
 public:
  void view(std::string_view bytes);
  void copy(std::string_view bytes);
  // Bytes at the end that shall not be sent after all.
  void drop_tail(std::size_t count);
  // Valid until the next call of anything else here.
  std::span<const std::string_view> all();
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void clear();

 private:
  struct Part {
    const char* data;  // null: in made_
    std::size_t at, size;
  };
  std::vector<Part> parts_;
  std::vector<std::string_view> views_;
  std::string made_;
  std::size_t size_ = 0;
};

}  // namespace howdah::session
