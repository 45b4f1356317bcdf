// The two directions of a linked pair; see the header.
#include "howdah/session/relay.h"

#include <algorithm>

#include "howdah/wire/error.h"

namespace howdah::session {

using wire::HeaderState;
using wire::kHeaderSize;

bool is_client_message(char type) {
  switch (type) {
    case wire::fe::kBind:
    case wire::fe::kClose:
    case wire::fe::kCopyData:
    case wire::fe::kCopyDone:
    case wire::fe::kCopyFail:
    case wire::fe::kDescribe:
    case wire::fe::kExecute:
    case wire::fe::kFlush:
    case wire::fe::kFunctionCall:
    case wire::fe::kParse:
    case wire::fe::kQuery:
    case wire::fe::kSync:
    case wire::fe::kTerminate:
      return true;
    default:
      return false;
  }
}

ClientStream::Taken ClientStream::forward(std::string_view chunk, std::uint32_t max_packet,
                                          Owed& owed) {
  std::size_t at = 0;
  while (at < chunk.size()) {
    if (body_left_ > 0) {
      std::size_t part = std::min<std::size_t>(body_left_, chunk.size() - at);
      at += part;
      body_left_ -= static_cast<std::uint32_t>(part);
      continue;
    }
    wire::Header header;
    HeaderState state = wire::read_header(chunk.substr(at), max_packet, header);
    if (state == HeaderState::Incomplete) break;
    if (state == HeaderState::Malformed) {
      error_ = "invalid message length";
      return {at, Stop::Violation};
    }
    if (header.type == wire::fe::kTerminate) return {at, Stop::Terminate};
    if (!is_client_message(header.type)) {
      error_ = "unknown pkt";
      return {at, Stop::Violation};
    }
    if (query_forbidden_ && header.type == wire::fe::kQuery) {
      error_ = "PQexec disallowed";
      return {at, Stop::Violation};
    }
    owed.sent(header.type);
    at += kHeaderSize;
    body_left_ = header.body;
  }
  return {at, Stop::Bytes};
}

std::size_t ClientStream::drop_late_copy(std::string_view chunk, std::uint32_t max_packet) {
  std::size_t at = 0;
  while (at < chunk.size()) {
    if (body_left_ > 0) {
      std::size_t part = std::min<std::size_t>(body_left_, chunk.size() - at);
      at += part;
      body_left_ -= static_cast<std::uint32_t>(part);
      continue;
    }
    wire::Header header;
    if (wire::read_header(chunk.substr(at), max_packet, header) != HeaderState::Ok) break;
    bool late = header.type == wire::fe::kCopyData || header.type == wire::fe::kCopyDone ||
                header.type == wire::fe::kCopyFail;
    if (!late) break;
    at += kHeaderSize;
    body_left_ = header.body;
  }
  return at;
}

namespace {
// What a server may send unasked. ReadyForQuery is Owed's to judge.
bool is_asynchronous(char type) {
  return type == wire::be::kErrorResponse || type == wire::be::kNoticeResponse ||
         type == wire::be::kNotificationResponse || type == wire::be::kParameterStatus ||
         type == wire::be::kReadyForQuery;
}
}  // namespace

void ServerStream::clear_error() {
  saw_error_ = saw_fatal_ = copy_in_begun_ = false;
  error_text_.clear();
  error_code_.clear();
}

bool ServerStream::look(char type, std::string_view body, const TrackedNames& names,
                        Parameters& server, Parameters* client, Owed& owed, bool& ready) {
  if (type == wire::be::kReadyForQuery) {
    char status = body.size() == 1 ? body[0] : '\0';
    if (status != 'I' && status != 'T' && status != 'E') {
      error_ = "malformed ReadyForQuery from server";
      return false;
    }
    if (!owed.ready()) {
      error_ = "unexpected ReadyForQuery from server";
      return false;
    }
    tx_ = static_cast<wire::TxStatus>(status);
    ready = true;
    return true;
  }
  if (type == wire::be::kParameterStatus) {
    wire::Cursor cursor(body);
    std::string_view name = cursor.cstring();
    std::string_view value = cursor.cstring();
    if (!cursor.ok()) {
      error_ = "malformed ParameterStatus from server";
      return false;
    }
    if (auto index = names.find(name)) {
      server.set(*index, value);
      if (client) client->set(*index, value);
    }
    return true;
  }
  wire::ErrorFields fields = wire::read_error(body);
  saw_error_ = true;
  saw_fatal_ = fields.fatal();
  if (keep_error_text_ || saw_fatal_) {
    error_text_.assign(fields.message.substr(0, 500));
    error_code_.assign(fields.code.substr(0, 5));
  }
  owed.command_failed();
  return true;
}

ServerStream::Taken ServerStream::forward(std::string_view chunk, const TrackedNames& names,
                                          Parameters& server, Parameters* client, Owed& owed) {
  std::size_t at = 0;
  while (at < chunk.size()) {
    if (body_left_ > 0) {
      std::size_t part = std::min<std::size_t>(body_left_, chunk.size() - at);
      at += part;
      body_left_ -= static_cast<std::uint32_t>(part);
      continue;
    }
    wire::Header header;
    HeaderState state = wire::read_header(chunk.substr(at), UINT32_MAX, header);
    if (state == HeaderState::Incomplete) break;
    if (state == HeaderState::Malformed) {
      error_ = "invalid message length from server";
      return {at, Event::Violation};
    }
    if (!is_asynchronous(header.type)) {
      if (owed.nothing()) {
        // An answer to nobody's question: the next one would be taken for another client's.
        error_ = "unexpected message from server";
        return {at, Event::Violation};
      }
      owed.answered();
    }
    switch (header.type) {
      case wire::be::kErrorResponse:
      case wire::be::kParameterStatus:
      case wire::be::kReadyForQuery: {
        if (header.body > kMaxHeld) {
          if (header.type != wire::be::kErrorResponse) {
            error_ = "oversized message from server";
            return {at, Event::Violation};
          }
          owed.command_failed();  // an error too long to look into passes through
          saw_error_ = true;
          break;
        }
        if (chunk.size() - at - kHeaderSize < header.body) return {at, Event::Bytes};
        bool ready = false;
        std::string_view body = chunk.substr(at + kHeaderSize, header.body);
        if (!look(header.type, body, names, server, client, owed, ready)) {
          return {at, Event::Violation};
        }
        at += kHeaderSize + header.body;
        if (ready && owed.nothing()) return {at, Event::Settled};
        continue;
      }
      case wire::be::kCopyInResponse:
      case wire::be::kCopyBothResponse:
        owed.copy_in_started();
        copy_in_begun_ = true;
        break;
      case wire::be::kCommandComplete:
        owed.command_completed();
        break;
      case wire::be::kDataRow:
      case wire::be::kRowDescription:
      case wire::be::kParseComplete:
      case wire::be::kBindComplete:
      case wire::be::kCloseComplete:
      case wire::be::kCopyData:
      case wire::be::kCopyDone:
      case wire::be::kCopyOutResponse:
      case wire::be::kEmptyQuery:
      case wire::be::kFunctionCallResponse:
      case wire::be::kNoData:
      case wire::be::kNoticeResponse:
      case wire::be::kNotificationResponse:
      case wire::be::kParameterDescription:
      case wire::be::kPortalSuspended:
        break;
      default:
        error_ = "unknown message from server";
        return {at, Event::Violation};
    }
    at += kHeaderSize;
    body_left_ = header.body;
  }
  return {at, Event::Bytes};
}

}  // namespace howdah::session
