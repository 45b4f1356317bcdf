// What a PostgreSQL answers; see the header.
#include "sim/fake_engine.h"

#include <cstdlib>

#include "howdah/base/buffer.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"

namespace howdah::sim {

using base::cat;
namespace be = wire::be;
namespace fe = wire::fe;

namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::string_view word : base::split(text, ' '))
    if (!word.empty()) words.emplace_back(word);
  return words;
}

long number(const std::vector<std::string>& words, std::size_t at, long otherwise) {
  return at < words.size() ? std::atol(words[at].c_str()) : otherwise;
}

template <typename F>
Message make(char type, F&& fill) {
  base::Buffer bytes;
  {
    wire::Message message(bytes, type);
    fill(message);
  }
  return {type, std::string(bytes.view().substr(wire::kHeaderSize))};
}

Message complete(std::string_view tag) {
  return make(be::kCommandComplete, [&](wire::Message& m) { m.cstring(tag); });
}

Message row_description() {
  base::Buffer bytes;
  wire::Column column{"answer", 25};
  wire::append_row_description(bytes, &column, 1);
  return {be::kRowDescription, std::string(bytes.view().substr(wire::kHeaderSize))};
}

Message row(std::string_view text) {
  return make(be::kDataRow, [&](wire::Message& m) {
    m.i16(1).i32(static_cast<std::int32_t>(text.size())).bytes(text);
  });
}

Message copy_response(char type) {
  return make(type, [](wire::Message& m) { m.u8(0).i16(1).i16(0); });
}

}  // namespace

std::string encode(const Message& message) {
  base::Buffer bytes;
  wire::Message(bytes, message.type).bytes(message.body);
  return std::string(bytes.view());
}

bool take_message(std::string& bytes, Message& into) {
  wire::Header header;
  if (wire::read_header(bytes, UINT32_MAX, header) != wire::HeaderState::Ok) return false;
  if (bytes.size() - wire::kHeaderSize < header.body) return false;
  into = {header.type, bytes.substr(wire::kHeaderSize, header.body)};
  bytes.erase(0, wire::kHeaderSize + header.body);
  return true;
}

std::string query_body(std::string_view sql) { return std::string(sql) + '\0'; }

Message error_message(std::string_view severity, std::string_view code, std::string_view text) {
  base::Buffer bytes;
  wire::append_error(bytes, {severity, code, text});
  return {be::kErrorResponse, std::string(bytes.view().substr(wire::kHeaderSize))};
}

std::string_view mark_of(std::string_view sql) {
  std::size_t at = sql.find(" c");
  while (at != std::string_view::npos && (at + 2 >= sql.size() || sql[at + 2] < '0' || sql[at + 2] > '9'))
    at = sql.find(" c", at + 1);
  if (at == std::string_view::npos) return {};
  std::size_t end = sql.find_first_of(" ;", at + 1);
  if (end != std::string_view::npos && end < sql.size()) return sql.substr(at + 1, end - at - 1);
  return sql.substr(at + 1);
}

long sleep_of(std::string_view sql) {
  std::size_t at = sql.find("SLEEP ");
  if (at == std::string_view::npos) return 0;
  return number(words_of(sql.substr(at)), 2, 0);
}

void Engine::ready(Messages& out) { out.push_back({be::kReadyForQuery, std::string(1, tx_)}); }

void Engine::fail(std::string_view code, std::string_view text, Messages& out) {
  out.push_back(error_message("ERROR", code, text));
  if (tx_ == 'T') tx_ = 'E';
  pending_.clear();
  if (simple_) {
    ready(out);
  } else {
    skipping_ = true;
  }
}

void Engine::set_name(const std::string& name, Messages& out) {
  if (application_name_ == name) return;
  application_name_ = name;
  out.push_back(make(be::kParameterStatus,
                     [&](wire::Message& m) { m.cstring("application_name").cstring(name); }));
}

bool Engine::run(std::string_view statement, Messages& out, bool describe) {
  auto words = words_of(statement);
  std::string verb = words.empty() ? "" : words[0];
  std::string mark = words.size() > 1 ? words[1] : "";
  if (tx_ == 'E' && verb != "ROLLBACK" && verb != "COMMIT") {
    fail("25P02", cat("current transaction is aborted ", mark), out);
    return false;
  }
  if (verb.empty()) {
    out.push_back({be::kEmptyQuery, ""});
  } else if (verb == "ROWS" || verb == "SLEEP") {
    long count = verb == "ROWS" ? number(words, 2, 1) : 1;
    long size = verb == "ROWS" ? number(words, 3, 0) : 0;
    if (describe) out.push_back(row_description());
    for (long i = 0; i < count; ++i) {
      out.push_back(row(cat(mark, " ", application_name_, " ", i, " ",
                            std::string(static_cast<std::size_t>(size), 'r'))));
    }
    out.push_back(complete(cat("SELECT ", mark)));
  } else if (verb == "BEGIN") {
    tx_ = 'T';
    out.push_back(complete(cat("BEGIN ", mark)));
  } else if (verb == "COMMIT" || verb == "ROLLBACK") {
    out.push_back(complete(cat(tx_ == 'E' ? "ROLLBACK " : verb + " ", mark)));
    tx_ = 'I';
  } else if (verb == "SET") {
    std::size_t from = statement.find('\'');
    std::size_t to = statement.rfind('\'');
    bool name = words.size() > 1 && words[1] == "application_name" && from < to;
    if (name) set_name(std::string(statement.substr(from + 1, to - from - 1)), out);
    out.push_back(complete("SET"));
  } else if (verb == "RESET" || verb == "CLOSE" || verb == "UNLISTEN" || verb == "DEALLOCATE") {
    if (mark == "ALL" && verb == "RESET") set_name(default_name_, out);
    out.push_back(complete(verb));
  } else if (verb == "SHOW") {
    out.push_back(row_description());
    out.push_back(row("0"));
    out.push_back(complete("SHOW"));
  } else if (verb == "SELECT") {  // the pooler's own
    out.push_back(row_description());
    if (statement.find("pg_settings") != statement.npos) {
      auto found = [&](std::string_view kind, std::string_view name, std::string_view value) {
        std::string fields[] = {std::string(kind), base::hex(name), base::hex(value)};
        out.push_back(make(be::kDataRow, [&](wire::Message& m) {
          m.i16(3);
          for (const auto& field : fields)
            m.i32(static_cast<std::int32_t>(field.size())).bytes(field);
        }));
      };
      found("i", "role", "none");
      if (application_name_ != default_name_) found("s", "application_name", application_name_);
    }
    out.push_back(complete("SELECT"));
  } else if (verb == "DISCARD") {
    set_name(default_name_, out);
    out.push_back(complete("DISCARD ALL"));
  } else if (verb == "COPYIN") {
    copy_in_ = true;
    copy_count_ = 0;
    copy_limit_ = number(words, 2, -1);
    copy_mark_ = mark;
    out.push_back(copy_response(be::kCopyInResponse));
    return false;
  } else if (verb == "COPYOUT") {
    out.push_back(copy_response(be::kCopyOutResponse));
    long count = number(words, 2, 1);
    std::string padding(static_cast<std::size_t>(number(words, 3, 0)), 'o');
    for (long i = 0; i < count; ++i)
      out.push_back({be::kCopyData, cat(mark, " ", i, " ", padding)});
    out.push_back({be::kCopyDone, ""});
    out.push_back(complete(cat("COPY ", mark)));
  } else {
    fail("42601", cat("failed ", mark), out);
    return false;
  }
  return true;
}

void Engine::run_simple(Messages& out, bool cancelled) {
  simple_ = true;
  if (cancelled) {
    fail("57014", "canceling statement due to user request", out);
    return;
  }
  while (!pending_.empty()) {
    std::string statement = std::move(pending_.back());
    pending_.pop_back();
    if (!run(statement, out, true)) return;
  }
  ready(out);
}

void Engine::end_copy(bool failed, Messages& out) {
  copy_in_ = false;
  if (failed) {
    fail("22P04", cat("copy failed ", copy_mark_), out);
    return;
  }
  out.push_back(complete(cat("COPY ", copy_mark_, " ", copy_count_)));
  if (simple_) run_simple(out, false);
}

void Engine::feed(const Message& message, Messages& out, bool cancelled) {
  wire::Cursor cursor(message.body);
  if (copy_in_) {
    switch (message.type) {
      case fe::kCopyData:
        if (copy_count_++ == copy_limit_) end_copy(true, out);
        return;
      case fe::kCopyDone:
        end_copy(false, out);
        return;
      case fe::kCopyFail:
        end_copy(true, out);
        return;
      case fe::kSync:
      case fe::kFlush:
        return;
      default:
        break;
    }
    copy_in_ = false;
    out.push_back(error_message("FATAL", "08P01", "unexpected message during COPY"));
    return;
  }
  switch (message.type) {
    case fe::kQuery: {
      pending_.clear();
      auto statements = base::split(cursor.cstring(), ';');
      while (statements.size() > 1 && base::trim(statements.back()).empty()) statements.pop_back();
      for (auto at = statements.rbegin(); at != statements.rend(); ++at) pending_.emplace_back(*at);
      if (pending_.empty()) pending_.emplace_back();
      skipping_ = batch_ = false;
      run_simple(out, cancelled);
      return;
    }
    case fe::kSync:
      skipping_ = batch_ = false;
      ready(out);
      return;
    case fe::kCopyData:
    case fe::kCopyDone:
    case fe::kCopyFail:
    case fe::kFlush:
      return;
    default:
      break;
  }
  batch_ = true;
  simple_ = false;
  if (skipping_) return;
  if (cancelled) {
    fail("57014", "canceling statement due to user request", out);
    return;
  }
  switch (message.type) {
    case fe::kParse:
      (void)cursor.cstring();
      prepared_ = cursor.cstring();
      out.push_back({be::kParseComplete, ""});
      return;
    case fe::kBind:
      portal_ = prepared_;
      out.push_back({be::kBindComplete, ""});
      return;
    case fe::kDescribe:
      if (portal_.starts_with("ROWS") || portal_.starts_with("SLEEP")) {
        out.push_back(row_description());
      } else {
        out.push_back({be::kNoData, ""});
      }
      return;
    case fe::kExecute:
      (void)run(portal_, out, false);
      return;
    case fe::kClose:
      out.push_back({be::kCloseComplete, ""});
      return;
    default:
      return;
  }
}

}  // namespace howdah::sim
