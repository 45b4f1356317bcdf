// See null_session.h. Formats: PostgreSQL manual, "Message Formats".
#include "null_session.h"

#include <strings.h>

#include <algorithm>
#include <cctype>

#include "pg_bytes.h"

namespace howdah::bench {
namespace {

constexpr std::uint32_t kSslRequest = 80877103;
constexpr std::uint32_t kGssRequest = 80877104;
constexpr std::uint32_t kCancelRequest = 80877102;
constexpr std::uint32_t kMaxMessage = 64u << 20;
constexpr std::uint32_t kMaxStartup = 10000;

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// Takes a zero-terminated text from the front of `in`; false when there is none.
bool take_text(std::string_view& in, std::string_view& text) {
  const std::size_t end = in.find('\0');
  if (end == std::string_view::npos) return false;
  text = in.substr(0, end);
  in.remove_prefix(end + 1);
  return true;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the next word (letters, digits, '_', '.') or single character from the front.
std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  std::size_t n = 0;
  while (n < text.size() && (std::isalnum(static_cast<unsigned char>(text[n])) != 0 ||
                             text[n] == '_' || text[n] == '.')) {
    ++n;
  }
  const std::string_view word = text.substr(0, std::max<std::size_t>(n, text.empty() ? 0 : 1));
  text.remove_prefix(word.size());
  return word;
}

// Splits at the next ';' outside of quotes.
std::string_view take_statement(std::string_view& text) {
  char quote = 0;
  std::size_t n = 0;
  for (; n < text.size(); ++n) {
    const char c = text[n];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == ';') {
      break;
    }
  }
  const std::string_view statement = text.substr(0, n);
  text.remove_prefix(std::min(n + 1, text.size()));
  return trimmed(statement);
}

}  // namespace

std::size_t NullSession::feed(std::string_view in, std::string& out) {
  std::size_t used = 0;
  while (state_ != State::kClosed) {
    const std::string_view rest = in.substr(used);
    const std::size_t header = state_ == State::kStartup ? 4 : 5;
    if (rest.size() < header) break;
    const std::uint32_t length = read_u32(rest.data() + header - 4);
    if (length < 4 || length > (state_ == State::kStartup ? kMaxStartup : kMaxMessage)) {
      state_ = State::kClosed;
      break;
    }
    if (rest.size() - (header - 4) < length) break;
    const std::string_view body = rest.substr(header, length - 4);
    used += header + body.size();
    if (state_ == State::kStartup) {
      startup(body, out);
    } else {
      message(rest[0], body, out);
    }
  }
  return used;
}

void NullSession::startup(std::string_view body, std::string& out) {
  const std::uint32_t code = body.size() < 4 ? 0 : read_u32(body.data());
  if (code == kSslRequest || code == kGssRequest) {
    out.push_back('N');
    return;
  }
  if (code == kCancelRequest || code >> 16 != 3) {
    state_ = State::kClosed;
    return;
  }
  parameters_ = {{"server_version", "15.16 (null)"},
                 {"server_encoding", "UTF8"},
                 {"client_encoding", "UTF8"},
                 {"application_name", ""},
                 {"default_transaction_read_only", "off"},
                 {"in_hot_standby", "off"},
                 {"is_superuser", "off"},
                 {"session_authorization", ""},
                 {"DateStyle", "ISO, MDY"},
                 {"IntervalStyle", "postgres"},
                 {"TimeZone", "Etc/UTC"},
                 {"integer_datetimes", "on"},
                 {"standard_conforming_strings", "on"}};
  body.remove_prefix(4);
  std::string_view name;
  std::string_view value;
  while (take_text(body, name) && !name.empty() && take_text(body, value)) {
    set_parameter(same(name, "user") ? "session_authorization" : name, value);
  }
  at_start_ = parameters_;
  changed_.clear();
  state_ = State::kReady;
  welcome(out);
}

void NullSession::welcome(std::string& out) {
  MessageWriter(out, 'R').u32(0);
  for (const auto& [name, value] : parameters_) MessageWriter(out, 'S').text(name).text(value);
  MessageWriter(out, 'K').u32(pid_).u32(pid_ * 2654435761u);
  ready(out);
}

void NullSession::message(char type, std::string_view body, std::string& out) {
  if (type == 'X') {
    state_ = State::kClosed;
    return;
  }
  if (state_ == State::kSkipping && type != 'S') return;
  switch (type) {
    case 'Q':
      simple_query(body.substr(0, body.find('\0')), out);
      return;
    case 'P':
      return parse(body, out);
    case 'B':
      return bind(body, out);
    case 'D':
      return describe(body, out);
    case 'E':
      return execute(body, out);
    case 'C':
      return close(body, out);
    case 'S':
      state_ = State::kReady;
      return ready(out);
    case 'H':
      return;  // every answer is on its way already
    default:
      fail("08P01", "the null server does not know this message", false, out);
      state_ = State::kClosed;
  }
}

void NullSession::simple_query(std::string_view text, std::string& out) {
  if (trimmed(text).empty()) MessageWriter(out, 'I');
  while (!trimmed(text).empty()) {
    const std::string_view one = take_statement(text);
    const Kind kind = kind_of(one);
    if (kind == Kind::kCopyIn) {
      fail("0A000", "the null server cannot COPY FROM", false, out);
      break;
    }
    run({kind, std::string(one)}, true, out);
  }
  ready(out);
}

void NullSession::parse(std::string_view body, std::string& out) {
  std::string_view name;
  std::string_view text;
  if (!take_text(body, name) || !take_text(body, text)) {
    return fail("08P01", "broken Parse", true, out);
  }
  if (!name.empty() && statements_.find(name) != statements_.end()) {
    return fail("42P05", "prepared statement already exists", true, out);
  }
  const std::string_view one = trimmed(text);
  Statement& statement = statements_[std::string(name)];
  statement.kind = kind_of(one);
  statement.text = one;
  MessageWriter(out, '1');
}

void NullSession::bind(std::string_view body, std::string& out) {
  std::string_view portal;
  std::string_view name;
  if (!take_text(body, portal) || !take_text(body, name)) {
    return fail("08P01", "broken Bind", true, out);
  }
  const auto found = statements_.find(name);
  if (found == statements_.end()) {
    return fail("26000", "prepared statement does not exist", true, out);
  }
  portals_.insert_or_assign(std::string(portal), found->second);
  MessageWriter(out, '2');
}

void NullSession::describe(std::string_view body, std::string& out) {
  const bool statement = !body.empty() && body[0] == 'S';
  std::string_view name;
  body.remove_prefix(std::min<std::size_t>(1, body.size()));
  if (!take_text(body, name)) return fail("08P01", "broken Describe", true, out);
  const Names& names = statement ? statements_ : portals_;
  const auto found = names.find(name);
  if (found == names.end()) {
    return fail(statement ? "26000" : "34000", "nothing of that name to describe", true, out);
  }
  if (statement) MessageWriter(out, 't').u16(0);
  if (found->second.kind == Kind::kSelect) {
    describe_row(out);
  } else {
    MessageWriter(out, 'n');
  }
}

void NullSession::execute(std::string_view body, std::string& out) {
  std::string_view portal;
  if (!take_text(body, portal)) return fail("08P01", "broken Execute", true, out);
  const auto found = portals_.find(portal);
  if (found == portals_.end()) return fail("34000", "portal does not exist", true, out);
  if (found->second.kind == Kind::kCopyIn) {
    return fail("0A000", "the null server cannot COPY FROM", true, out);
  }
  run(found->second, false, out);
}

void NullSession::close(std::string_view body, std::string& out) {
  const bool statement = !body.empty() && body[0] == 'S';
  std::string_view name;
  body.remove_prefix(std::min<std::size_t>(1, body.size()));
  if (!take_text(body, name)) return fail("08P01", "broken Close", true, out);
  Names& names = statement ? statements_ : portals_;
  const auto found = names.find(name);
  if (found != names.end()) names.erase(found);
  MessageWriter(out, '3');
}

void NullSession::run(const Statement& statement, bool with_description, std::string& out) {
  if (status_ == 'E' && statement.kind != Kind::kRollback && statement.kind != Kind::kCommit) {
    return fail("25P02", "current transaction is aborted", !with_description, out);
  }
  std::string_view tag;
  switch (statement.kind) {
    case Kind::kSelect:
      if (with_description) describe_row(out);
      return rows(statement.text, out);
    case Kind::kCopyOut:
      MessageWriter(out, 'H').u8(0).u16(1).u16(0);
      for (int i = 0; i < answer_.rows; ++i) {
        MessageWriter row(out, 'd');
        out.append(answer_.row_bytes, 'x');
        row.u8('\n');
      }
      MessageWriter(out, 'c');
      MessageWriter(out, 'C').text("COPY " + std::to_string(answer_.rows));
      return;
    case Kind::kBegin:
      status_ = 'T';
      tag = "BEGIN";
      break;
    case Kind::kCommit:
      tag = status_ == 'E' ? "ROLLBACK" : "COMMIT";
      status_ = 'I';
      break;
    case Kind::kRollback:
      status_ = 'I';
      tag = "ROLLBACK";
      break;
    case Kind::kSet:
      set(statement.text);
      tag = "SET";
      break;
    case Kind::kReset:
      reset();
      tag = "RESET";
      break;
    case Kind::kDiscard:
      reset();
      statements_.clear();
      tag = "DISCARD ALL";
      break;
    case Kind::kDeallocate:
      statements_.clear();
      tag = "DEALLOCATE ALL";
      break;
    case Kind::kEmpty:
      MessageWriter(out, 'I');
      return;
    case Kind::kCopyIn:
      return;  // refused by the callers
  }
  MessageWriter(out, 'C').text(tag);
}

void NullSession::rows(std::string_view query, std::string& out) {
  // Pgpool-II asks for the version and leaves when it cannot read the answer.
  if (query.find("version()") != std::string_view::npos) {
    static constexpr std::string_view kVersion = "PostgreSQL 15.16 (null)";
    MessageWriter(out, 'D').u16(1).u32(kVersion.size()).bytes(kVersion);
    MessageWriter(out, 'C').text("SELECT 1");
    return;
  }
  for (int i = 0; i < answer_.rows; ++i) {
    MessageWriter row(out, 'D');
    row.u16(1).u32(answer_.row_bytes);
    out.append(answer_.row_bytes, '1');
  }
  MessageWriter(out, 'C').text("SELECT " + std::to_string(answer_.rows));
}

// SET [SESSION | LOCAL] name { = | TO } value
void NullSession::set(std::string_view text) {
  take_word(text);
  std::string_view name = take_word(text);
  if (same(name, "SESSION") || same(name, "LOCAL")) name = take_word(text);
  take_word(text);
  text = trimmed(text);
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') {
    text = text.substr(1, text.size() - 2);
  }
  set_parameter(name, text);
}

void NullSession::set_parameter(std::string_view name, std::string_view value) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!same(parameters_[i].first, name)) continue;
    if (parameters_[i].second == value) return;
    parameters_[i].second = value;
    changed_.push_back(i);
    return;
  }
}

void NullSession::reset() {
  for (const auto& [name, value] : at_start_) set_parameter(name, value);
}

void NullSession::ready(std::string& out) {
  for (const std::size_t i : changed_) {
    MessageWriter(out, 'S').text(parameters_[i].first).text(parameters_[i].second);
  }
  changed_.clear();
  if (status_ == 'I') portals_.clear();
  MessageWriter(out, 'Z').u8(status_);
}

void NullSession::fail(std::string_view code, std::string_view text, bool extended,
                       std::string& out) {
  MessageWriter(out, 'E')
      .u8('S')
      .text("ERROR")
      .u8('V')
      .text("ERROR")
      .u8('C')
      .text(code)
      .u8('M')
      .text(text)
      .u8(0);
  if (status_ == 'T') status_ = 'E';
  if (extended) state_ = State::kSkipping;
}

NullSession::Kind NullSession::kind_of(std::string_view text) {
  const std::string whole(text);
  const std::string_view word = take_word(text);
  if (word.empty()) return Kind::kEmpty;
  if (same(word, "BEGIN") || same(word, "START")) return Kind::kBegin;
  if (same(word, "COMMIT") || same(word, "END")) return Kind::kCommit;
  if (same(word, "ROLLBACK") || same(word, "ABORT")) return Kind::kRollback;
  if (same(word, "SET")) return Kind::kSet;
  if (same(word, "RESET")) return Kind::kReset;
  if (same(word, "DISCARD")) return Kind::kDiscard;
  if (same(word, "DEALLOCATE")) return Kind::kDeallocate;
  if (same(word, "COPY")) {
    std::string upper(whole);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return upper.find(" FROM ") != std::string::npos ? Kind::kCopyIn : Kind::kCopyOut;
  }
  return Kind::kSelect;
}

void NullSession::describe_row(std::string& out) {
  constexpr std::uint32_t kTextOid = 25;
  MessageWriter(out, 'T')
      .u16(1)
      .text("answer")
      .u32(0)
      .u16(0)
      .u32(kTextOid)
      .u16(0xffff)
      .u32(0xffffffff)
      .u16(0);
}

}  // namespace howdah::bench
