// A batch that can be run once more; see the header.
#include "howdah/session/batch.h"

#include <functional>
#include <map>

#include "howdah/wire/message.h"

namespace howdah::session {

namespace fe = wire::fe;
namespace be = wire::be;

void Batch::off() {
  state_ = State::Off;
  bytes_.clear();
  held_.clear();
  changes_.clear();
  freed_id_ = 0;
}

void Batch::begin(std::size_t at) {
  if (state_ != State::Off || !bytes_.empty()) off();
  state_ = State::Open;
  wanted_ = parses_unnamed_ = false;
  from_ = at;
}

void Batch::sent(char type, bool first) {
  if (state_ == State::Off) return;
  switch (type) {
    case fe::kParse:
    case fe::kBind:
    case fe::kDescribe:
    case fe::kExecute:
    case fe::kClose:
      if (open()) return;
      break;
    case fe::kSync:
      if (!open()) break;
      state_ = State::Whole;
      return;
    case fe::kQuery:
      if (!first) break;
      state_ = State::Whole;
      return;
    default:
      break;
  }
  // What is held stays so until the next answer.
  state_ = State::Off;
  bytes_.clear();
  changes_.clear();
}

void Batch::added(std::string_view name, StatementRef statement) {
  if (open()) changes_.push_back({std::string(name), std::move(statement), true});
}

void Batch::removed(std::string_view name, StatementRef statement) {
  if (open()) changes_.push_back({std::string(name), std::move(statement), false});
}

void Batch::keep(std::string_view chunk, std::size_t end, bool wanted) {
  if (!open() && !whole()) return;
  std::size_t from = std::exchange(from_, 0);
  if (end == from) return;
  if ((!wanted_ && !wanted) || end - from > kMax - bytes_.size()) {
    state_ = State::Off;
    bytes_.clear();
    changes_.clear();
    return;
  }
  wanted_ = true;  // all of what came before is kept
  bytes_.append(chunk.substr(from, end - from));
}

bool Batch::may_wait(char type) {
  switch (type) {
    case be::kParseComplete:
    case be::kBindComplete:
    case be::kCloseComplete:
    case be::kParameterDescription:
    case be::kNoData:
    case be::kRowDescription:
      return true;
    default:
      return false;
  }
}

void Batch::release(Pieces* out, ClientStatements* client) {
  if (out && !held_.empty()) out->copy(held_);
  if (client && freed_id_ != 0) client->remove(freed_, freed_id_);
  off();
}

void Batch::fail(std::string_view error, Why why) {
  held_ += error;
  why_ = why;
  state_ = State::Failed;
}

bool Batch::executes(const ClientStatements& client, std::vector<std::string>& texts) const {
  std::map<std::string, std::string, std::less<>> statements, portals;
  std::string_view rest = bytes_;
  wire::Header header{};
  while (!rest.empty()) {
    if (wire::read_header(rest, UINT32_MAX, header) != wire::HeaderState::Ok) return false;
    if (rest.size() - wire::kHeaderSize < header.body) return false;
    wire::Cursor cursor(rest.substr(wire::kHeaderSize, header.body));
    rest.remove_prefix(wire::kHeaderSize + header.body);
    switch (header.type) {
      case fe::kQuery:
        texts.emplace_back(cursor.cstring());
        break;
      case fe::kParse: {
        std::string name(cursor.cstring());
        auto text = cursor.ok() ? text_without_own_types(cursor.rest()) : std::nullopt;
        if (!text) return false;
        statements[name] = *text;
        break;
      }
      case fe::kBind: {
        std::string portal(cursor.cstring());
        std::string_view name = cursor.cstring();
        if (auto own = statements.find(name); own != statements.end()) {
          portals[portal] = own->second;
          break;
        }
        StatementRef known = name.empty() ? client.unnamed_shared() : client.find(name);
        const std::string* body = known          ? &known->body
                                  : name.empty() ? client.unnamed()
                                                 : nullptr;
        if (!body || (known && known->form != Statement::Form::Protocol)) return false;
        auto text = text_without_own_types(*body);
        if (!text) return false;
        portals[portal] = *text;
        break;
      }
      case fe::kExecute: {
        auto portal = portals.find(cursor.cstring());
        if (portal == portals.end()) return false;
        texts.push_back(portal->second);
        break;
      }
      default:
        continue;
    }
    if (!cursor.ok()) return false;
  }
  return true;
}

std::string Batch::take(ClientStatements& client) {
  std::string bytes = std::exchange(bytes_, {});
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    if (change->added) {
      client.remove(change->name, change->statement->id);
    } else if (!client.find(change->name)) {
      client.add(change->name, change->statement);
      client.describe(change->name);
    }
  }
  off();
  return bytes;
}

}  // namespace howdah::session
