// Writes protocol 3 messages for the benchmark programs, which do not link howdah: a bug in the
// pooler's own wire code must not hide in its yardstick.
//
//   message: type byte, int32 length (itself included), body
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace howdah::bench {

inline std::uint32_t read_u32(const char* p) {
  const auto* u = reinterpret_cast<const unsigned char*>(p);
  return std::uint32_t{u[0]} << 24 | std::uint32_t{u[1]} << 16 | std::uint32_t{u[2]} << 8 | u[3];
}

inline void put_u32(std::string& out, std::uint32_t v) {
  const char bytes[4] = {static_cast<char>(v >> 24), static_cast<char>(v >> 16),
                         static_cast<char>(v >> 8), static_cast<char>(v)};
  out.append(bytes, 4);
}

inline void put_u16(std::string& out, std::uint16_t v) {
  out.push_back(static_cast<char>(v >> 8));
  out.push_back(static_cast<char>(v));
}

// Text with its terminating zero.
inline void put_text(std::string& out, std::string_view text) {
  out.append(text);
  out.push_back('\0');
}

// Appends to `out` while it lives; the length is patched in at the end. Type 0: a startup packet.
class MessageWriter {
 public:
  MessageWriter(std::string& out, char type) : out_(out) {
    if (type != 0) out_.push_back(type);
    at_ = out_.size();
    put_u32(out_, 0);
  }
  ~MessageWriter() {
    const auto length = static_cast<std::uint32_t>(out_.size() - at_);
    for (int i = 0; i < 4; ++i) out_[at_ + i] = static_cast<char>(length >> (24 - 8 * i));
  }
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  MessageWriter& text(std::string_view t) { return put_text(out_, t), *this; }
  MessageWriter& bytes(std::string_view t) { return out_.append(t), *this; }
  MessageWriter& u8(char v) { return out_.push_back(v), *this; }
  MessageWriter& u16(std::uint16_t v) { return put_u16(out_, v), *this; }
  MessageWriter& u32(std::uint32_t v) { return put_u32(out_, v), *this; }

 private:
  std::string& out_;
  std::size_t at_;
};

}  // namespace howdah::bench
