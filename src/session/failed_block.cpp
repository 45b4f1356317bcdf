// A failed transaction block without a server; see the header.
#include "howdah/session/failed_block.h"

#include <utility>

#include "howdah/wire/appender.h"
#include "howdah/wire/error.h"

namespace howdah::session {

namespace fe = wire::fe;
namespace be = wire::be;
using wire::kHeaderSize;

namespace {
std::string error_message(std::string_view code, std::string_view text) {
  base::Buffer out;
  wire::append_error(out, {"ERROR", code, text});
  return std::string(out.view());
}

// What the client calls by this name; null: nothing.
const char* text_of(std::string_view name, const FailedBlock::Names& names) {
  if (name.empty()) {
    if (const std::string* own = names.client.unnamed()) return own->c_str();
    StatementRef shared = names.client.unnamed_shared();
    return shared ? shared->body.c_str() : nullptr;
  }
  StatementRef known = names.followed ? names.client.find(name) : nullptr;
  return known && known->form == Statement::Form::Protocol ? known->body.c_str() : nullptr;
}
}  // namespace

FailedBlock::Step FailedBlock::feed(std::string_view bytes, const Names& names,
                                    base::Buffer& out) {
  wire::Header header;
  if (wire::read_header(bytes, UINT32_MAX, header) != wire::HeaderState::Ok) return {};
  const std::size_t size = kHeaderSize + header.body;
  if (ended_) {
    if (header.type == fe::kFlush) return {size, Next::More};
    if (header.type != fe::kSync) return {0, Next::Server};
    wire::append_ready_for_query(out, wire::TxStatus::Idle);
    return {size, Next::Over};
  }
  if (bytes.size() < size) return refuse();  // too long to be any of what is carried out
  std::string_view body = bytes.substr(kHeaderSize, header.body);
  switch (header.type) {
    case fe::kQuery: {
      names.client.begin_unnamed(true);  // PostgreSQL drops it at a Query
      wire::Cursor cursor(body);
      std::string_view text = cursor.cstring();
      return cursor.ok() ? on_query(text, size, out) : refuse();
    }
    case fe::kParse:
      return on_parse(body, size, names, out);
    case fe::kBind:
      return on_bind(body, size, names, out);
    case fe::kDescribe:
      return on_describe(body, size, names, out);
    case fe::kExecute:
      return on_execute(size, out);
    case fe::kClose: {
      wire::Cursor cursor(body);
      bool statement = cursor.u8() == 'S';
      std::string_view name = cursor.cstring();
      if (!cursor.ok()) return refuse();
      if (statement && name.empty()) names.client.begin_unnamed(true);
      if (statement && !name.empty() && names.followed) names.client.remove(name);
      wire::Message(out, be::kCloseComplete);
      return {size, Next::More};
    }
    case fe::kFlush:
      return {size, Next::More};
    case fe::kSync:
      portal_ = First::Other;
      wire::append_ready_for_query(out, wire::TxStatus::Failed);
      return {size, Next::More};
    default:
      return refuse();
  }
}

FailedBlock::Step FailedBlock::refuse() {
  error_ = !untold_.empty()
               ? std::exchange(untold_, {})
               : error_message("25P02",
                               "current transaction is aborted, commands ignored until end of "
                               "transaction block");
  return {0, Next::Refused};
}

FailedBlock::Step FailedBlock::on_query(std::string_view text, std::size_t size,
                                        base::Buffer& out) {
  route::Blocks blocks = route::blocks(text);
  if (blocks.first == First::Nothing) {
    wire::Message(out, be::kEmptyQuery);
    wire::append_ready_for_query(out, wire::TxStatus::Failed);
    return {size, Next::More};
  }
  if (!blocks.ends()) return refuse();
  // A server would take the COMMIT before other statements for one that has nothing to end.
  if (!blocks.single) return blocks.first == First::Rollback ? Step{0, Next::Server} : refuse();
  if (blocks.first == First::Commit && !untold_.empty()) {
    refuse();
    return {0, Next::RefusedAndOver};
  }
  wire::append_command_complete(out, "ROLLBACK");
  wire::append_ready_for_query(out, wire::TxStatus::Idle);
  return {size, Next::Over};
}

FailedBlock::Step FailedBlock::on_parse(std::string_view body, std::size_t size,
                                        const Names& names, base::Buffer& out) {
  wire::Cursor cursor(body);
  std::string_view name = cursor.cstring();
  std::string_view rest = cursor.rest();
  route::Blocks blocks = route::blocks(cursor.cstring());
  if (!cursor.ok() || !blocks.single || (blocks.first != First::Nothing && !blocks.ends())) {
    return refuse();
  }
  if (name.empty()) {
    names.client.begin_unnamed(true);
    names.client.keep_unnamed(rest);
  } else {
    if (!names.followed) return refuse();
    if (names.client.find(name)) {
      error_ = error_message("42P05", "prepared statement already exists");
      return {0, Next::Refused};
    }
    names.client.add(name, names.table.get(Statement::Form::Protocol, rest, names.reading));
  }
  wire::Message(out, be::kParseComplete);
  return {size, Next::More};
}

FailedBlock::Step FailedBlock::on_bind(std::string_view body, std::size_t size, const Names& names,
                                       base::Buffer& out) {
  wire::Cursor cursor(body);
  (void)cursor.cstring();
  const char* text = text_of(cursor.cstring(), names);
  if (!cursor.ok()) return refuse();
  if (!text) {
    error_ = error_message("26000", "prepared statement does not exist");
    return {0, Next::Refused};
  }
  route::Blocks blocks = route::blocks(text);
  if (blocks.first != First::Nothing && !(blocks.single && blocks.ends())) return refuse();
  portal_ = blocks.first;
  wire::Message(out, be::kBindComplete);
  return {size, Next::More};
}

FailedBlock::Step FailedBlock::on_describe(std::string_view body, std::size_t size,
                                           const Names& names, base::Buffer& out) {
  wire::Cursor cursor(body);
  bool statement = cursor.u8() == 'S';
  const char* text = statement ? text_of(cursor.cstring(), names) : nullptr;
  if (statement ? !text || !route::blocks(text).ends() : portal_ == First::Other) return refuse();
  if (statement) wire::Message(out, be::kParameterDescription).i16(0);
  wire::Message(out, be::kNoData);
  return {size, Next::More};
}

FailedBlock::Step FailedBlock::on_execute(std::size_t size, base::Buffer& out) {
  if (portal_ == First::Other) return refuse();
  if (portal_ == First::Nothing) {
    wire::Message(out, be::kEmptyQuery);
    return {size, Next::More};
  }
  if (portal_ == First::Commit && !untold_.empty()) {
    refuse();
    return {0, Next::RefusedAndOver};
  }
  wire::append_command_complete(out, "ROLLBACK");
  ended_ = true;
  return {size, Next::More};
}

}  // namespace howdah::session
