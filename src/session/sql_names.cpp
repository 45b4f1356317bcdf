// The names in SQL; see the header.
#include "session/sql_names.h"

#include <algorithm>
#include <map>
#include <utility>

#include "howdah/base/text.h"

namespace howdah::session {

namespace fe = wire::fe;
using route::StatementName;

namespace {
// The statement that DEALLOCATE names in place of a shared one; by no number, so none's name.
constexpr std::string_view kDummy = "howdah_d";
// For having the server say that a name is too long.
constexpr std::string_view kTeller = "howdah_n";

std::string nul(std::string_view text) { return std::string(text) + '\0'; }

// As PostgreSQL counts the position of an error: bytes that go on with a character of UTF-8 don't
// count.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

// A text in which names are replaced.
class Rewriting {
 public:
  Rewriting(std::string_view text, Owed::Detail& detail) : text_(text), detail_(detail) {}
  void rename(const StatementName& use, std::string_view to) {
    add(text_.substr(done_, use.at - done_));
    add(to);
    done_ = use.at + use.size;
    auto more = static_cast<std::ptrdiff_t>(characters(to)) -
                static_cast<std::ptrdiff_t>(characters(text_.substr(use.at, use.size)));
    if (more != 0) detail_.shifts.push_back({count_, more});
  }
  std::string finish() {
    add(text_.substr(done_));
    return std::move(out_);
  }

 private:
  void add(std::string_view part) {
    out_ += part;
    count_ += characters(part);
  }
  std::string_view text_;
  Owed::Detail& detail_;
  std::string out_;
  std::size_t done_ = 0, count_ = 0;
};

// The statement that PREPARE is to make of this text: not one that another name of this client's
// means, since the server has room for one of a name.
StatementRef to_prepare(Following& f, std::string_view body, const Owed::Detail& detail) {
  StatementRef statement = f.table.get(Statement::Form::Sql, body, f.reading.key());
  bool taken = f.client.means(statement->id);
  auto look = [&](const Owed::Detail& one) {
    for (const Owed::SqlEffect& effect : one.effects) {
      taken |= effect.prepare && effect.statement == statement;
    }
  };
  look(detail);
  f.owed.each([&](const Owed::Entry& entry) {
    if (entry.detail) look(*entry.detail);
  });
  return taken ? f.table.alone(*statement, {}) : statement;
}

// Has the server complain of a name that it cuts, as it would have done itself: at parsing. A text
// that may be parsed in any state of a transaction, and does nothing unless it is executed.
void tell_of_long(Following& f, std::string_view name) {
  Owed::Entry entry = ours(fe::kParse);
  entry.detail = std::make_unique<Owed::Detail>();
  entry.detail->tells = true;
  send_ours(f, std::move(entry),
            base::cat(nul(kTeller), "ROLLBACK TO ", nul(name), std::string(2, '\0')));
  send_ours(f, ours(fe::kClose), base::cat('S', nul(kTeller)));
}

// Of two portals that deallocate the same name only the one that is executed first finds it: the one
// that DEALLOCATE of this name is made to name already; empty: there is none.
std::string bound_dummy(const Following& f, std::string_view name) {
  if (!f.bound) return {};
  for (const BoundPortal& bound : *f.bound) {
    for (const Owed::Alias& alias : bound.effects->aliases) {
      if (alias.client == name && alias.server.starts_with(kDummy)) return alias.server;
    }
  }
  return {};
}

void append(Owed::Detail& to, Owed::Detail& from) {
  to.clears |= from.clears;
  for (auto& effect : from.effects) to.effects.push_back(std::move(effect));
  for (auto& alias : from.aliases) to.aliases.push_back(std::move(alias));
  for (auto& statement : from.executed) to.executed.push_back(std::move(statement));
}
}  // namespace

std::string follow_names_of(Following& f, const Statement& statement, Owed::Detail& detail,
                            bool visible) {
  std::string_view text(statement.body.c_str());
  std::string body = follow_sql_names(f, statement.names, text, false, detail, visible);
  return body += std::string_view(statement.body).substr(text.size());
}

std::string follow_sql_names(Following& f, const std::vector<StatementName>& names,
                             std::string_view text, bool query, Owed::Detail& detail,
                             bool visible) {
  // A batch that the Query itself ends: if it has failed, the Query is to be skipped.
  const bool in_batch = f.owed.open_batch();
  Rewriting out(text, detail);
  bool may_fail = false;
  std::size_t dummies = f.bound_number;  // each may still take one
  // What statements before in this very text did to the client's names; null: deallocated.
  std::map<std::string, StatementRef, std::less<>> here;
  bool all_gone = false;
  auto rename = [&](const StatementName& use, std::string_view to) {
    if (visible && use.size > ClientStatements::kNameSize) {
      tell_of_long(f, text.substr(use.at, use.size));
    }
    out.rename(use, to);
  };
  // A name that is not the client's must not hit one of ours. The server remarks on long ones in the
  // order of the text, so that none may be left to be remarked on later.
  auto leave = [&](const StatementName& use) {
    if (!std::string_view(use.name).starts_with(kServerPrefix)) {
      if (visible && use.size > ClientStatements::kNameSize) rename(use, quoted(use.name));
      return;
    }
    std::string other = base::cat(kServerPrefix, "x_", use.name).substr(0, 63);
    rename(use, base::cat('"', other, '"'));
    detail.aliases.push_back({other, use.name});
  };
  auto server_name = [&](const StatementName& use, const StatementRef& statement) {
    rename(use, statement->server_name);
    detail.aliases.push_back({statement->server_name, use.name});
  };
  for (const StatementName& use : names) {
    auto said = here.find(use.name);
    bool known_here = said != here.end();
    StatementRef statement = known_here ? said->second : all_gone ? nullptr : known_to(f, use.name);
    switch (use.verb) {
      case StatementName::Verb::DeallocateAll:
        detail.clears = true;  // its CommandComplete does it
        here.clear();
        all_gone = true;
        break;
      case StatementName::Verb::Execute:
        if (!statement) {
          leave(use);
          break;
        }
        if (!known_here) {
          std::unique_ptr<Owed::Detail> inner;
          may_fail |= ensure_on_server(f, statement, use.name, &inner);
          if (inner) append(detail, *inner);
        }
        detail.executed.push_back(statement);
        server_name(use, statement);
        if (!detail.statement) detail.statement = statement;
        break;
      case StatementName::Verb::Prepare:
        if (statement) {  // PostgreSQL shall say that it exists, or what else is wrong
          if (!known_here) may_fail |= ensure_on_server(f, statement, use.name);
        } else {
          std::size_t end = use.at + use.size;
          statement = to_prepare(f, text.substr(end, use.end - end), detail);
          if (f.server.has(statement->id) != ServerStatements::Has::No) {
            close_on_server(f, statement);
          }
          here[use.name] = statement;
          detail.effects.push_back({true, use.name, statement});
        }
        server_name(use, statement);
        break;
      case StatementName::Verb::Deallocate:
        if (!statement) {
          leave(use);
          break;
        }
        if (known_here) {
          rename(use, statement->server_name);
          detail.effects.push_back({false, use.name, statement});
        } else {
          std::string dummy = bound_dummy(f, use.name);
          const bool shared = !dummy.empty();
          if (!shared) dummy = kDummy;
          if (!shared && dummies++ > 0) dummy += base::cat(dummies);
          // A DEALLOCATE that is not answered yet may take the one that is there.
          if (!shared && (dummies > 1 || !query || f.owed.head() || !f.server.has_dummy)) {
            send_ours(f, ours(fe::kClose), base::cat('S', nul(dummy)));
            Owed::Entry entry = ours(fe::kParse);
            entry.detail = undoing(Owed::kDummyAdded, nullptr);
            send_ours(f, std::move(entry), base::cat(nul(dummy), '\0', std::string(2, '\0')));
            f.server.has_dummy = true;
          }
          rename(use, dummy);
          detail.aliases.push_back({dummy, use.name});
          detail.effects.push_back({false, use.name, nullptr});
        }
        here[use.name] = nullptr;
        break;
    }
  }
  // A Parse that fails makes the server skip up to a Sync: a Query does not end that.
  if (may_fail && query && !in_batch) send_ours(f, ours(fe::kSync), "");
  return out.finish();
}

}  // namespace howdah::session
