// A client that speaks the protocol by hand, for what libpq cannot or will not do: broken messages,
// bytes one by one, FunctionCall, leaving at any point. Own encoding, so that it can't share a
// mistake with the code under test.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client.h"
#include "process.h"

namespace howdah::test {

struct Message {
  char type = 0;  // 0: the other side closed
  std::string body;
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Messages of a client, as bytes.
namespace msg {
std::string i16(int value);
std::string i32(std::int64_t value);
std::string typed(char type, std::string_view body);
std::string startup(const Parameters& parameters, std::int64_t version = 3 << 16);
std::string ssl_request();
std::string gss_request();
std::string cancel(std::string_view key);
std::string password(std::string_view text);
std::string query(std::string_view sql);
std::string parse(std::string_view name, std::string_view sql, const std::vector<int>& types = {});
std::string bind(std::string_view portal, std::string_view statement,
                 const std::vector<std::string>& parameters = {});
struct Binding {
  std::string portal, statement;
  std::vector<int> formats;  // as the protocol has them: none, one for all, or one each
  std::vector<std::optional<std::string>> values;  // none: NULL
  std::vector<int> result_formats;
};
std::string bind(const Binding& binding);
std::string describe(char kind, std::string_view name);
std::string execute(std::string_view portal, int rows = 0);
std::string close(char kind, std::string_view name);
std::string sync();
std::string flush();
std::string terminate();
std::string copy_data(std::string_view data);
std::string copy_done();
std::string copy_fail(std::string_view reason);
std::string function_call(std::uint32_t oid, const std::vector<std::string>& text_arguments);
// Parse, Bind, Describe, Execute of the unnamed statement; no Sync.
std::string extended(std::string_view sql, const std::vector<std::string>& parameters = {});
}  // namespace msg

class RawClient {
 public:
  RawClient(const std::string& address, int port);        // TCP, IPv4 or IPv6
  explicit RawClient(const std::string& unix_path);       // "@name" is abstract
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;

  // Start-up without password; reads to the first ReadyForQuery. Throws on an error.
  void login(const std::string& database, const std::string& user, Parameters more = {});
  void send(std::string_view bytes);
  void send_slowly(std::string_view bytes);  // one segment for each byte
  Message read(Millis patience = kPatience);  // throws when nothing comes; type 0 at the end
  char read_byte(Millis patience = kPatience);  // an untyped answer: 'S' or 'N'; 0 at the end
  // Reads up to and with the first message of that type, or to the end.
  std::vector<Message> until(char type, Millis patience = kPatience);
  // The types of until(), as text: "1T2DCZ".
  std::string types_until(char type, Millis patience = kPatience);
  // Reads to the end; the first ErrorResponse on the way.
  ErrorReport until_closed(Millis patience = kPatience);
  // Reads up to and with the first message of that type without keeping its body; the body's size.
  long skip_message(char type, Millis patience = kPatience);
  bool quiet_for(Millis span);  // nothing came, and it is not closed
  void shutdown_write();
  void reset();  // closes with RST
  void close();

  const std::string& key() const { return key_; }  // BackendKeyData
  const std::map<std::string, std::string>& parameters() const { return parameters_; }

 private:
  bool fill(Millis patience);  // false at the end
  void note(const Message& message);

  int fd_ = -1;
  std::string buffer_;
  std::string key_;
  std::map<std::string, std::string> parameters_;
};

ErrorReport parse_error(std::string_view body);
// The SQLSTATE of the ErrorResponse among them; empty: there is none.
std::string error_code(const std::vector<Message>& messages);
// The fields of a DataRow as text; NULL is "<null>".
std::vector<std::string> parse_row(std::string_view body);

}  // namespace howdah::test
