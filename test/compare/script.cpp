// Conversations and their readable form; see the header.
#include "compare/script.h"

#include <algorithm>

namespace howdah::compare {

std::string Step::bytes() const {
  std::string all;
  for (const auto& message : messages) all += message;
  return all;
}

namespace {

// Reads a body from its start; past the end it gives zeros and empty texts.
class Reader {
 public:
  explicit Reader(std::string_view body) : body_(body) {}
  bool empty() const { return body_.empty(); }
  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size && !body_.empty(); ++i) {
      value = value << 8 | static_cast<unsigned char>(body_[0]);
      body_.remove_prefix(1);
    }
    return value;
  }
  std::string_view text() {
    std::size_t end = body_.find('\0');
    std::string_view found = body_.substr(0, end);
    body_.remove_prefix(end == std::string_view::npos ? body_.size() : end + 1);
    return found;
  }
  std::string_view bytes(std::size_t size) {
    std::string_view found = body_.substr(0, size);
    body_.remove_prefix(found.size());
    return found;
  }

 private:
  std::string_view body_;
};

std::string printable(std::string_view bytes, std::size_t limit = 300) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes.substr(0, limit)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte < 127) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  if (bytes.size() > limit) out += "... (" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

std::string quoted(std::string_view text) { return '"' + printable(text) + '"'; }

std::string value_list(Reader& reader, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count && !reader.empty(); ++i) {
    std::uint32_t size = reader.number(4);
    out += i ? ", " : "";
    out += size == 0xffffffff ? "NULL" : quoted(reader.bytes(size));
  }
  return out;
}

std::string number_list(Reader& reader, std::size_t size) {
  std::string out;
  std::uint32_t count = reader.number(2);
  for (std::uint32_t i = 0; i < count && !reader.empty(); ++i) {
    out += (i ? "," : "") + std::to_string(reader.number(size));
  }
  return out;
}

std::string fields(Reader& reader) {
  std::string out;
  while (!reader.empty()) {
    char field = static_cast<char>(reader.number(1));
    if (field == 0) break;
    out += std::string(" ") + field + "=" + printable(reader.text());
  }
  return out;
}

std::string columns(Reader& reader) {
  std::string out;
  std::uint32_t count = reader.number(2);
  for (std::uint32_t i = 0; i < count && !reader.empty(); ++i) {
    out += (i ? ", " : "") + quoted(reader.text());
    out += " table " + std::to_string(reader.number(4));
    out += "." + std::to_string(reader.number(2));
    out += " type " + std::to_string(reader.number(4));
    reader.bytes(6);  // size and modifier
    out += " format " + std::to_string(reader.number(2));
  }
  return out;
}

}  // namespace

std::size_t message_size(std::string_view bytes) {
  if (bytes.size() < 5) return 0;
  std::size_t size = 1 + std::size_t{Reader(bytes.substr(1)).number(4)};
  return size <= bytes.size() ? size : 0;
}

std::string readable_request(std::string_view message) {
  Reader body(message.substr(std::min<std::size_t>(5, message.size())));
  auto kind = [&] { return body.number(1) == 'S' ? "statement " : "portal "; };
  switch (message.empty() ? '\0' : message[0]) {
    case 'Q':
      return "Query " + quoted(body.text());
    case 'P': {
      std::string out = "Parse " + quoted(body.text());
      out += " " + quoted(body.text());
      return out + " types [" + number_list(body, 4) + "]";
    }
    case 'B': {
      std::string out = "Bind portal " + quoted(body.text());
      out += " statement " + quoted(body.text());
      out += " formats [" + number_list(body, 2) + "] values [";
      std::uint32_t count = body.number(2);
      out += value_list(body, count);
      return out + "] results [" + number_list(body, 2) + "]";
    }
    case 'D': {
      std::string what = kind();
      return "Describe " + what + quoted(body.text());
    }
    case 'C': {
      std::string what = kind();
      return "Close " + what + quoted(body.text());
    }
    case 'E': {
      std::string portal = quoted(body.text());
      return "Execute " + portal + " limit " + std::to_string(body.number(4));
    }
    case 'S':
      return "Sync";
    case 'H':
      return "Flush";
    case 'F':
      return "FunctionCall " + std::to_string(body.number(4));
    case 'd':
      return "CopyData " + quoted(message.substr(5));
    case 'c':
      return "CopyDone";
    case 'f':
      return "CopyFail " + quoted(body.text());
    default:
      return "? " + printable(message);
  }
}

std::string readable_answer(std::string_view message) {
  Reader body(message.substr(std::min<std::size_t>(5, message.size())));
  switch (message.empty() ? '\0' : message[0]) {
    case '1':
      return "ParseComplete";
    case '2':
      return "BindComplete";
    case '3':
      return "CloseComplete";
    case 'C':
      return "CommandComplete " + quoted(body.text());
    case 'D': {
      std::uint32_t count = body.number(2);
      return "DataRow [" + value_list(body, count) + "]";
    }
    case 'E':
      return "ErrorResponse" + fields(body);
    case 'N':
      return "NoticeResponse" + fields(body);
    case 'G':
      return "CopyInResponse";
    case 'H':
      return "CopyOutResponse";
    case 'I':
      return "EmptyQueryResponse";
    case 'S': {
      std::string name(body.text());
      return "ParameterStatus " + name + " = " + quoted(body.text());
    }
    case 'T':
      return "RowDescription " + columns(body);
    case 'V':
      return "FunctionCallResponse " + value_list(body, 1);
    case 'Z':
      return std::string("ReadyForQuery ") + static_cast<char>(body.number(1));
    case 'c':
      return "CopyDone";
    case 'd':
      return "CopyData " + quoted(message.substr(5));
    case 'n':
      return "NoData";
    case 's':
      return "PortalSuspended";
    case 't':
      return "ParameterDescription [" + number_list(body, 4) + "]";
    default:
      return "? " + printable(message);
  }
}

std::string readable(const Script& script) {
  std::string out = script.fresh ? "" : "  (on the connection of the script before)\n";
  for (std::size_t i = 0; i < script.steps.size(); ++i) {
    out += "  step " + std::to_string(i) + "\n";
    for (const auto& message : script.steps[i].messages) {
      out += "    " + readable_request(message) + "\n";
    }
  }
  return out;
}

std::string readable_answers(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    std::size_t size = message_size(bytes);
    if (size == 0) return out + "    (incomplete) " + printable(bytes) + "\n";
    out += "    " + readable_answer(bytes.substr(0, size)) + "\n";
    bytes.remove_prefix(size);
  }
  return out;
}

}  // namespace howdah::compare
