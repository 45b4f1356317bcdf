// A batch that can be run once more; see the header.
#include "howdah/session/batch.h"

#include "howdah/wire/message.h"

namespace howdah::session {

namespace fe = wire::fe;
namespace be = wire::be;

void Batch::off() {
  state_ = State::Off;
  bytes_.clear();
  held_.clear();
  changes_.clear();
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
      return true;
    default:
      return false;
  }
}

void Batch::release(Pieces* out) {
  if (out && !held_.empty()) out->copy(held_);
  off();
}

void Batch::fail(std::string_view error) {
  held_ += error;
  state_ = State::Failed;
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
