// Server to client; see relay.h.
//
// Every answer is held against the entry at the head of Owed: what does not fit closes the server
// before anything of it reaches a client. Answers to our own messages are left out, answers that we
// owe are put in between messages.
#include <algorithm>
#include <charconv>

#include "howdah/base/text.h"
#include "howdah/session/relay.h"
#include "howdah/wire/error.h"
#include "session/sql_names.h"

namespace howdah::session {

using wire::HeaderState;
using wire::kHeaderSize;
namespace be = wire::be;

namespace {
// Longer CommandCompletes say nothing that we look for.
constexpr std::size_t kMaxTag = 40;

// What a server may send unasked.
bool is_asynchronous(char type) {
  return type == be::kNoticeResponse || type == be::kNotificationResponse ||
         type == be::kParameterStatus;
}

bool is_server_message(char type) {
  switch (type) {
    case be::kCopyInResponse:
    case be::kCopyBothResponse:
    case be::kCommandComplete:
    case be::kDataRow:
    case be::kRowDescription:
    case be::kParseComplete:
    case be::kBindComplete:
    case be::kCloseComplete:
    case be::kCopyData:
    case be::kCopyDone:
    case be::kCopyOutResponse:
    case be::kEmptyQuery:
    case be::kFunctionCallResponse:
    case be::kNoData:
    case be::kNoticeResponse:
    case be::kNotificationResponse:
    case be::kParameterDescription:
    case be::kPortalSuspended:
    case be::kParameterStatus:
    case be::kErrorResponse:
    case be::kReadyForQuery:
      return true;
    default:
      return false;
  }
}

// A standby's replay had to go on. The text may be in any language, but no other error of that code
// comes from that place.
bool is_recovery_conflict(const wire::ErrorFields& fields) {
  return (fields.code == "40001" || fields.code == "40P01") &&
         (fields.message.find("conflict with recovery") != std::string_view::npos ||
          fields.routine == "ProcessInterrupts");
}

// What a standby refuses because it is one.
bool is_for_primary(const wire::ErrorFields& fields) {
  auto says = [&](std::string_view words) {
    return fields.message.find(words) != std::string_view::npos;
  };
  return fields.code == "25006" ||
         (fields.code == "0A000" && (says("during recovery") || says("in a hot standby"))) ||
         (fields.code == "55000" && says("recovery is in progress"));
}

// The text of an error with the server's names of statements replaced by the client's.
std::string with_client_names(std::string_view text, const std::vector<Owed::Alias>& aliases) {
  std::string out(text);
  for (const Owed::Alias& alias : aliases) {
    // Quoted as it stands in the text, so that no other's beginning is taken for it.
    std::size_t at = out.find(base::cat('"', alias.server, '"'));
    if (at++ != std::string::npos) out.replace(at, alias.server.size(), alias.client);
  }
  return out;
}

// Where an error is in the client's text; as it is when that text was sent unchanged.
std::string client_position(std::string_view position, const std::vector<Owed::Shift>& shifts) {
  std::ptrdiff_t at = 0;
  auto [end, problem] = std::from_chars(position.data(), position.data() + position.size(), at);
  if (shifts.empty() || problem != std::errc()) return std::string(position);
  std::ptrdiff_t shift = 0;
  for (const Owed::Shift& one : shifts) {
    if (at > static_cast<std::ptrdiff_t>(one.from)) shift += one.by;
  }
  return std::to_string(at - shift);
}

bool starts_with_any(std::string_view tag, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return tag.starts_with(word); });
}
}  // namespace

void ServerStream::clear_error() {
  saw_error_ = saw_fatal_ = copy_in_begun_ = false;
  error_text_.clear();
  error_code_.clear();
  last_words_.clear();
}

ServerStream::Look ServerStream::look_ready(std::string_view body, const Sides& sides) {
  char status = body.size() == 1 ? body[0] : '\0';
  if (status != 'I' && status != 'T' && status != 'E') {
    error_ = "malformed ReadyForQuery from server";
    return Look::Bad;
  }
  Owed::Verdict verdict = sides.owed.ready();
  if (verdict == Owed::Verdict::OutOfStep) {
    error_ = "unexpected ReadyForQuery from server";
    return Look::Bad;
  }
  tx_ = static_cast<wire::TxStatus>(status);
  if (sides.batch && sides.batch->failed()) {
    if (tx_ == wire::TxStatus::Idle && sides.owed.nothing()) return Look::Again;
    sides.batch->release(sides.out, sides.of_client);
  }
  return verdict == Owed::Verdict::Swallow ? Look::Made : Look::Ready;
}

ServerStream::Look ServerStream::look_status(std::string_view body, const Sides& sides) {
  wire::Cursor cursor(body);
  std::string_view name = cursor.cstring();
  std::string_view value = cursor.cstring();
  if (!cursor.ok()) {
    error_ = "malformed ParameterStatus from server";
    return Look::Bad;
  }
  if (name == "in_hot_standby") promoted_ = value == "off";
  if (auto index = sides.names.find(name)) {
    sides.server.set(*index, value);
    if (sides.client) sides.client->set(*index, value);
  }
  return Look::Forward;
}

void ServerStream::undo_dropped(const Sides& sides) {
  // The first one is what failed, the others were skipped.
  for (std::size_t i = dropped_.size(); i-- > 0;) undo(dropped_[i], i > 0, sides);
  dropped_.clear();
}

// What a message that failed or was skipped did to the maps when it was sent.
void ServerStream::undo(Owed::Entry& entry, bool skipped, const Sides& sides) {
  if (entry.unnamed != 0 && sides.of_client) {
    if (sides.of_client->unnamed_serial() == entry.unnamed && sides.statements) {
      sides.statements->unnamed_owner = 0;  // what it holds now is to be made sure of
    }
    bool own = entry.action == Owed::Action::Swallow && entry.detail == nullptr;
    if (!own && skipped) sides.of_client->skip_unnamed(entry.unnamed);
    if (!own && !skipped) sides.of_client->fail_unnamed(entry.unnamed);
  }
  if (!entry.detail) return;
  Owed::Detail& detail = *entry.detail;
  if (sides.statements) {
    if ((detail.undo & Owed::kServerAdded) != 0) sides.statements->remove(entry.statement);
    if ((detail.undo & Owed::kServerRemoved) != 0) {
      sides.statements->add(detail.statement, 0);
      sides.statements->mark_stale(entry.statement);
    }
    if ((detail.undo & Owed::kDummyAdded) != 0) sides.statements->has_dummy = false;
  }
  if (sides.of_client) {
    if ((detail.undo & Owed::kClientAdded) != 0) {
      sides.of_client->remove(detail.name, detail.statement->id);
    }
    if ((detail.undo & Owed::kClientRemoved) != 0) {
      sides.of_client->add(detail.name, detail.statement);
      sides.of_client->describe(detail.name);
    }
  }
}

// An outdated plan was met by the entry at the head. Whether nobody can tell the batch from one
// that met a fresh plan if it is run once more: who holds an older description of the rows could.
bool ServerStream::run_again(const Owed::Entry& head, const Sides& sides) const {
  if (!sides.batch || !sides.batch->whole() || !sides.of_client) return false;
  if (head.kind == wire::fe::kQuery) return head.detail && !head.detail->executed.empty();
  if (head.statement == 0) return false;
  std::string_view name = sides.owed.name_of(head);
  if (name.empty() ? sides.batch->has_unnamed_parse() : !sides.of_client->described(name))
    return true;
  bool described = false, executed = false;
  sides.owed.each([&](const Owed::Entry& entry) {
    if (entry.kind == wire::fe::kDescribe && entry.statement == head.statement) {
      described = described || !executed;
    }
    executed = executed || entry.kind == wire::fe::kExecute;
  });
  return described;
}

// Other servers' plans of that time are as old: who is told is not told once more by each of them.
void ServerStream::knows_outdated(const Owed::Entry& head, bool again, const Sides& sides) {
  if (!sides.pool || !sides.of_client) return;
  bool seen = head.statement != 0 && sides.statements->epoch(head.statement) < sides.pool->epoch();
  if (!seen) sides.pool->schema_changed();
  if (again) return;
  if (head.name_size > 0) sides.of_client->knows(sides.owed.name_of(head), sides.pool->epoch());
  if (!head.detail) return;
  for (const Owed::Alias& alias : head.detail->aliases) {
    sides.of_client->knows(alias.client, sides.pool->epoch());
  }
}

ServerStream::Look ServerStream::look_error(std::string_view whole, const Sides& sides) {
  wire::ErrorFields fields = wire::read_error(whole.substr(kHeaderSize));
  saw_error_ = true;
  saw_fatal_ = fields.fatal();
  if (saw_fatal_ && sides.hold_fatal) {
    keep_last_words(whole, fields);
    return Look::Fatal;
  }
  if (keep_error_text_ || saw_fatal_) {
    error_text_.assign(fields.message.substr(0, 500));
    error_code_.assign(fields.code.substr(0, 5));
  }
  Owed::Entry* head = sides.owed.head();
  // The error of what this Query needed has been told already.
  bool told = head && head->kind == wire::fe::kQuery && head->action == Owed::Action::Swallow;
  bool renamed = false, again = false;
  std::string message, position;
  if (head && sides.statements && !told) {
    // A plan whose result type changed would be refused for ever: it is parsed anew when used next.
    bool outdated = fields.code == "0A000" && fields.routine == "RevalidateCachedQuery";
    if (outdated) {
      if (head->statement != 0) sides.statements->mark_stale(head->statement);
      if (head->detail) {
        for (const auto& executed : head->detail->executed)
          sides.statements->mark_stale(executed->id);
      }
      again = run_again(*head, sides);
      knows_outdated(*head, again, sides);
    }
    // Somebody took it away behind our back (a function that runs DEALLOCATE ALL).
    if (fields.code == "26000" && head->statement != 0) sides.statements->remove(head->statement);
    if (head->statement != 0 && head->name_size > 0) {
      std::string server_name = base::cat(kServerPrefix, head->statement);
      message = with_client_names(fields.message,
                                  {{server_name, std::string(sides.owed.name_of(*head))}});
      renamed = message != fields.message;
    }
    if (head->detail) {
      if (outdated && head->detail->statement) {
        sides.statements->mark_stale(head->detail->statement->id);
      }
      if (!head->detail->aliases.empty()) {
        message = with_client_names(fields.message, head->detail->aliases);
        renamed = message != fields.message;
      }
      position = client_position(fields.position, head->detail->shifts);
      if (!renamed) message = fields.message;
      renamed |= position != fields.position;
    }
  }
  Batch::Why why = Batch::Why::Plan;
  if (!again && sides.batch && sides.batch->whole() && head) {
    if (is_recovery_conflict(fields)) why = Batch::Why::Conflict;
    if (is_for_primary(fields)) why = Batch::Why::ReadOnly;
    again = why != Batch::Why::Plan && sides.batch->wants(why);
  }
  if (sides.batch && !again) sides.batch->release(sides.out);
  std::string renamed_message;
  if (renamed && sides.out) {
    // The fields again, with the message in the client's words.
    renamed_message = error_anew(whole, [&](char type, std::string_view value) {
      return type == 'M'   ? std::string_view(message)
             : type == 'P' ? std::string_view(position)
                           : value;
    });
    if (!again) sides.out->copy(renamed_message);
  }
  // As the client is told, should it be told after all.
  if (again) sides.batch->fail(renamed_message.empty() ? whole : renamed_message, why);
  dropped_.clear();
  sides.owed.failed(dropped_);
  if (!dropped_.empty() && dropped_.front().detail && sides.of_client &&
      (dropped_.front().detail->undo & Owed::kFreesName) != 0) {
    const Owed::Detail& early = *dropped_.front().detail;
    if (again) {
      sides.batch->frees(early.name, early.statement->id);
    } else {
      sides.of_client->remove(early.name, early.statement->id);
    }
  }
  undo_dropped(sides);
  return told || renamed || again ? Look::Made : Look::Forward;
}

// SQL has changed the client's names: what was sent behind it is still to come, and was first in
// the map.
void ServerStream::apply_later_names(const Sides& sides) {
  if (!sides.of_client) return;
  sides.owed.each([&](const Owed::Entry& entry) {
    if (!entry.detail) return;
    const Owed::Detail& detail = *entry.detail;
    if ((detail.undo & Owed::kClientAdded) != 0) {
      sides.of_client->add(detail.name, detail.statement);
    } else if ((detail.undo & (Owed::kClientRemoved | Owed::kClientGone)) != 0) {
      sides.of_client->remove(detail.name);
    }
  });
}

// A CommandComplete's tag may tell that statements came, went, or may give other results now.
void ServerStream::look_complete(std::string_view tag, const Sides& sides) {
  ServerStatements& held = *sides.statements;
  if (tag == "DEALLOCATE ALL" || tag == "DISCARD ALL") {
    held.clear();
    if (sides.of_client) sides.of_client->clear();
    sides.owed.each([&](const Owed::Entry& entry) {
      if (!entry.detail || (entry.detail->undo & Owed::kServerAdded) == 0) return;
      held.add(entry.detail->statement, sides.pool ? sides.pool->epoch() : 0);
    });
    apply_later_names(sides);
    return;
  }
  if (tag == "PREPARE" || tag == "DEALLOCATE") {
    Owed::Entry* head = sides.owed.head();
    if (!head || !head->detail || head->detail->next_effect >= head->detail->effects.size()) return;
    Owed::SqlEffect& effect = head->detail->effects[head->detail->next_effect++];
    if (effect.prepare) {
      held.add(effect.statement, sides.pool ? sides.pool->epoch() : 0);
      if (sides.of_client) sides.of_client->add(effect.name, effect.statement);
    } else {
      if (effect.statement) {
        held.remove(effect.statement->id);
      } else {
        held.has_dummy = false;
      }
      if (sides.of_client) sides.of_client->remove(effect.name);
    }
    apply_later_names(sides);
    return;
  }
  if (sides.pool && starts_with_any(tag, {"CREATE ", "ALTER ", "DROP "})) {
    sides.pool->schema_changed();
  }
}

// An answer came to a message that had done something to the maps.
void ServerStream::finished(char type, Owed::Detail& detail, const Sides& sides) {
  if (type == be::kParseComplete && detail.statement && sides.pool &&
      (detail.undo & Owed::kServerAdded) != 0) {
    sides.pool->accept(detail.statement->id);
  }
}

void ServerStream::emit_made(const Sides& sides) {
  if (body_left_ > 0) return;
  char type;
  while (sides.owed.take_made(type)) {
    const char message[] = {type, 0, 0, 0, 4};
    if (sides.batch && sides.batch->whole()) {
      sides.batch->hold({message, sizeof message});
      continue;
    }
    if (sides.batch && sides.batch->to_release()) sides.batch->release(sides.out);
    if (sides.out) sides.out->copy({message, sizeof message});
  }
}

ServerStream::Taken ServerStream::forward(std::string_view chunk, const Sides& sides) {
  std::size_t at = 0, from = 0;  // [from, at) goes to the client as it is
  auto hand_on = [&] {
    if (sides.batch && sides.batch->whole()) {
      sides.batch->hold(chunk.substr(from, at - from));
    } else if (sides.out) {
      sides.out->view(chunk.substr(from, at - from));
    }
    from = at;
  };
  auto bad = [&](const char* text) {
    hand_on();
    if (text) error_ = text;
    return Taken{at, Event::Violation};
  };
  while (at < chunk.size()) {
    if (body_left_ > 0) {
      std::size_t part = std::min<std::size_t>(body_left_, chunk.size() - at);
      at += part;
      body_left_ -= static_cast<std::uint32_t>(part);
      if (drop_body_) from = at;
      continue;
    }
    if (Owed::Entry* head = sides.owed.head(); head && head->action == Owed::Action::Make) {
      hand_on();
      emit_made(sides);
    }
    drop_body_ = false;
    wire::Header header;
    HeaderState state = wire::read_header(chunk.substr(at), UINT32_MAX, header);
    if (state == HeaderState::Incomplete) break;
    if (state == HeaderState::Malformed) return bad("invalid message length from server");
    const char type = header.type;
    const bool whole = chunk.size() - at - kHeaderSize >= header.body;
    if (!is_server_message(type)) return bad("unknown message from server");
    if (sides.batch && sides.batch->to_release() && type != be::kErrorResponse &&
        !sides.batch->failed() && !(sides.batch->whole() && whole && Batch::may_wait(type))) {
      sides.batch->release(sides.out);
    }
    if (type == be::kErrorResponse || type == be::kReadyForQuery || type == be::kParameterStatus) {
      if (header.body > kMaxHeld) {
        if (type != be::kErrorResponse) return bad("oversized message from server");
        saw_error_ = true;  // too long to look into: it passes through
        if (sides.batch) sides.batch->release(sides.out);
        dropped_.clear();
        sides.owed.failed(dropped_);
        undo_dropped(sides);
      } else {
        if (!whole) break;
        std::string_view message = chunk.substr(at, kHeaderSize + header.body);
        if (type != be::kParameterStatus) hand_on();
        Look look = type == be::kErrorResponse   ? look_error(message, sides)
                    : type == be::kReadyForQuery ? look_ready(message.substr(kHeaderSize), sides)
                                                 : look_status(message.substr(kHeaderSize), sides);
        if (look == Look::Bad) return bad(nullptr);
        at += message.size();
        if (look != Look::Forward && look != Look::Ready) from = at;
        if (look == Look::Fatal) return {at, Event::Fatal};
        if (look == Look::Again) return {at, Event::Again};
        if (look == Look::Ready) {
          hand_on();
          emit_made(sides);
          if (sides.owed.nothing()) return {at, Event::Settled};
        }
        continue;
      }
    } else if (type == be::kNoticeResponse) {
      // What the server remarks about a message of ours is not the client's to hear.
      Owed::Entry* head = sides.owed.head();
      bool parsing = head && head->kind == wire::fe::kParse && head->detail;
      if (parsing && head->detail->statement) head->detail->statement->gives_notice = true;
      if (head && head->action == Owed::Action::Swallow && !(parsing && head->detail->tells)) {
        hand_on();
        drop_body_ = true;
      }
    } else if (!is_asynchronous(type)) {
      if (sides.owed.nothing()) {
        // An answer to nobody's question: the next one would be taken for another client's.
        return bad("unexpected message from server");
      }
      if (type == be::kCommandComplete && sides.statements && header.body <= kMaxTag) {
        if (!whole) break;
        if (header.body > 0) look_complete(chunk.substr(at + kHeaderSize, header.body - 1), sides);
      }
      std::unique_ptr<Owed::Detail> detail;
      Owed::Verdict verdict = sides.owed.answer(type, detail);
      if (verdict == Owed::Verdict::OutOfStep) return bad("unexpected message from server");
      if (type == be::kCopyInResponse || type == be::kCopyBothResponse) copy_in_begun_ = true;
      if (detail) {
        if (detail->must_fail) return bad("a statement was prepared that exists");
        finished(type, *detail, sides);
      }
      if (verdict == Owed::Verdict::Swallow) {
        hand_on();
        drop_body_ = true;
      }
    }
    at += kHeaderSize;
    body_left_ = header.body;
    if (drop_body_) from = at;
  }
  hand_on();
  emit_made(sides);
  return {at, Event::Bytes};
}

}  // namespace howdah::session
