// What each console command does with its argument: checks it, calls Control, words the answer.
#include "admin/commands.h"

#include <charconv>

#include "admin/pool_view.h"
#include "admin/shows.h"
#include "howdah/admin/routes.h"
#include "howdah/base/text.h"
#include "howdah/wire/error.h"

namespace howdah::admin {
namespace {

void invalid(const Request& request, const Reply& reply) {
  reply(error_answer(base::cat("invalid command '", echo(request.query), "', use SHOW HELP;")));
}

void answer(const base::Status& status, std::string_view tag, const Reply& reply) {
  reply(status.ok() ? done_answer(tag) : error_answer(status.error().text));
}

// The answer of a command that waits: an error now, or the tag when it is done.
void refuse_if_failed(const base::Status& status, const Reply& reply) {
  if (!status.ok()) reply(error_answer(status.error().text));
}

bool has_no_argument(const Request& request, const Reply& reply) {
  if (!request.text.has_argument) return true;
  invalid(request, reply);
  return false;
}

// False, and answered, if the argument is the console itself: `text` says what cannot be done to
// it.
bool is_real_database(const Request& request, std::string_view text, const Reply& reply) {
  if (!is_console_database(request.text.argument)) return true;
  reply(error_answer(base::cat(text, " admin db: ", request.text.argument)));
  return false;
}

bool has_database(const Request& request, const Reply& reply) {
  if (request.text.has_argument) return true;
  reply(error_answer("a database is required"));
  return false;
}

// --- SHOW ----------------------------------------------------------------------------------------

base::Buffer help_answer() {
  std::string words;
  for (const Show* show : all_shows()) {
    if (show->kind == ShowKind::Unavailable) continue;
    words += words.empty() ? "\n\tSHOW " : "|";
    words += show->word;
  }
  for (const Command& command : commands()) {
    if (!command.usage.empty()) words += base::cat("\n\t", command.usage);
  }
  base::Buffer answer;
  wire::append_notice(
      answer, {.severity = "NOTICE", .code = "00000", .message = "Console usage", .detail = words});
  finish(answer, "SHOW");
  return answer;
}

void show(const Request& request, Control& control, const Reply& reply) {
  if (!request.text.has_argument) return invalid(request, reply);
  if (const DriverSetting* setting = find_driver_setting(request.text.argument)) {
    return reply(driver_setting_answer(*setting));
  }
  const Show* found = find_show(request.text.argument);
  if (found == nullptr) return invalid(request, reply);
  if (found->rights == Rights::Admin && request.rights != Rights::Admin) {
    return reply(error_answer("admin access needed"));
  }
  switch (found->kind) {
    case ShowKind::Notice:
      return reply(help_answer());
    case ShowKind::Unavailable:
      return reply(
          error_answer(base::cat("SHOW ", found->word, " is not available in this version")));
    case ShowKind::Rows:
    case ShowKind::SocketRows:
      break;
  }
  control.gather(found->kind == ShowKind::SocketRows, [found, reply](const State& state) {
    reply(state.config ? show_answer(*found, state) : error_answer("no configuration is loaded"));
  });
}

// --- settings and process
// -------------------------------------------------------------------------

// SET of a driver's setting never gets here; see run_command().
void set(const Request& request, Control& control, const Reply& reply) {
  if (request.text.kind != CommandText::Kind::Set) return invalid(request, reply);
  const std::string& key = request.text.argument;
  const std::string& value = request.text.value;
  base::Status status = control.set(key, value);
  reply(status.ok() ? done_answer(base::cat("SET ", key, "=", value))
                    : error_answer("SET failed", status.error().text));
}

void reload(const Request& request, Control& control, const Reply& reply) {
  if (!has_no_argument(request, reply)) return;
  constexpr std::string_view kFailed = "RELOAD failed, see logs for additional details";
  base::Status status = control.reload();
  if (status.ok()) return reply(done_answer("RELOAD"));
  std::string_view cause = status.error().text;
  reply(error_answer(kFailed, cause == kFailed ? "" : cause, wire::sqlstate::kConfigFile));
}

void shutdown(const Request& request, Control& control, const Reply& reply) {
  ShutdownMode mode = ShutdownMode::Immediate;
  if (request.text.has_argument) {
    if (base::iequal(request.text.argument, "wait_for_servers")) {
      mode = ShutdownMode::WaitForServers;
    } else if (base::iequal(request.text.argument, "wait_for_clients")) {
      mode = ShutdownMode::WaitForClients;
    } else {
      return invalid(request, reply);
    }
  }
  base::Status status = control.shutdown(mode);
  // An immediate shutdown has no answer: the connection just ends.
  if (status.ok() && mode == ShutdownMode::Immediate) return;
  answer(status, "SHUTDOWN", reply);
}

void suspend(const Request& request, Control&, const Reply& reply) {
  if (!has_no_argument(request, reply)) return;
  reply(error_answer("SUSPEND is not available in this version"));
}

// --- databases
// ------------------------------------------------------------------------------------

void pause(const Request& request, Control& control, const Reply& reply) {
  if (!is_real_database(request, "cannot pause", reply)) return;
  refuse_if_failed(control.pause(request.text.argument, [reply] { reply(done_answer("PAUSE")); }),
                   reply);
}

void resume(const Request& request, Control& control, const Reply& reply) {
  if (!is_real_database(request, "cannot resume", reply)) return;
  answer(control.resume(request.text.argument), "RESUME", reply);
}

void disable(const Request& request, Control& control, const Reply& reply) {
  if (!has_database(request, reply)) return;
  if (!is_real_database(request, "cannot disable", reply)) return;
  answer(control.disable(request.text.argument), "DISABLE", reply);
}

void enable(const Request& request, Control& control, const Reply& reply) {
  if (!has_database(request, reply)) return;
  if (!is_real_database(request, "cannot enable", reply)) return;
  answer(control.enable(request.text.argument), "ENABLE", reply);
}

void reconnect(const Request& request, Control& control, const Reply& reply) {
  if (!is_real_database(request, "cannot reconnect", reply)) return;
  answer(control.reconnect(request.text.argument), "RECONNECT", reply);
}

void kill(const Request& request, Control& control, const Reply& reply) {
  if (!is_real_database(request, "cannot kill", reply)) return;
  answer(control.kill(request.text.argument), "KILL", reply);
}

void kill_client(const Request& request, Control& control, const Reply& reply) {
  const std::string& text = request.text.argument;
  std::uint64_t id = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) {
    return reply(error_answer("invalid client pointer supplied"));
  }
  control.gather(true, [id, &control, reply](const State& state) {
    for (const WorkerReport& worker : state.workers) {
      for (const SocketRow& client : worker.clients) {
        if (client.id == id) return answer(control.kill_client(id), "KILL_CLIENT", reply);
      }
    }
    reply(error_answer("client not found"));
  });
}

void wait_close(const Request& request, Control& control, const Reply& reply) {
  if (!is_real_database(request, "cannot wait in", reply)) return;
  refuse_if_failed(
      control.wait_close(request.text.argument, [reply] { reply(done_answer("WAIT_CLOSE")); }),
      reply);
}

void switchover(const Request& request, Control& control, const Reply& reply) {
  if (!has_database(request, reply)) return;
  if (!is_real_database(request, "cannot switch", reply)) return;
  refuse_if_failed(control.switchover(request.text.argument, request.text.value,
                                      [reply](base::Result<std::string> primary) {
                                        reply(primary.ok()
                                                  ? done_answer("SWITCHOVER", *primary)
                                                  : error_answer(primary.error().text));
                                      }),
                   reply);
}

constexpr Command kCommands[] = {
    {"SHOW", Rights::Stats, show, ""},
    {"SELECT", Rights::Stats, show, ""},  // SELECT x is SHOW x
    {"SET", Rights::Admin, set, "SET key = value"},
    {"RELOAD", Rights::Admin, reload, "RELOAD"},
    {"PAUSE", Rights::Admin, pause, "PAUSE [<db>]"},
    {"RESUME", Rights::Admin, resume, "RESUME [<db>]"},
    {"DISABLE", Rights::Admin, disable, "DISABLE <db>"},
    {"ENABLE", Rights::Admin, enable, "ENABLE <db>"},
    {"RECONNECT", Rights::Admin, reconnect, "RECONNECT [<db>]"},
    {"KILL", Rights::Admin, kill, "KILL [<db>]"},
    {"KILL_CLIENT", Rights::Admin, kill_client, "KILL_CLIENT <client_id>"},
    {"SUSPEND", Rights::Admin, suspend, ""},
    {"SHUTDOWN", Rights::Admin, shutdown, "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"},
    {"SWITCHOVER", Rights::Admin, switchover, "SWITCHOVER <db> [<host>]"},
    {"WAIT_CLOSE", Rights::Admin, wait_close, "WAIT_CLOSE [<db>]"},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

Reply::Reply(std::function<void(base::Buffer&&)> send)
    : send_(std::make_shared<std::function<void(base::Buffer&&)>>(std::move(send))) {}

void Reply::operator()(base::Buffer&& answer) const {
  // Emptied first: what is called may come back here.
  auto send = std::exchange(*send_, nullptr);
  if (send) send(std::move(answer));
}

void run_command(std::string_view query, Rights rights, Control& control,
                 std::function<void(base::Buffer&& answer)> send) {
  Reply reply(std::move(send));
  if (auto sql = routed_text(query); sql && !sql->empty()) {
    control.explain(*sql, [reply](const State& state) { reply(route_answer(routes_of(state))); });
    return;
  }
  CommandText text = read_command(query);
  Request request{text, query, rights};
  switch (text.kind) {
    case CommandText::Kind::Empty: {
      base::Buffer answer;
      wire::Message(answer, wire::be::kEmptyQuery).end();
      wire::append_ready_for_query(answer, wire::TxStatus::Idle);
      return reply(std::move(answer));
    }
    case CommandText::Kind::Invalid:
      return invalid(request, reply);
    case CommandText::Kind::TooLong:
      return reply(error_answer("bad arguments"));
    case CommandText::Kind::Set:
      // Drivers set these when they connect, whatever their rights; nothing happens.
      if (find_driver_setting(text.argument) != nullptr) {
        base::Buffer answer;
        wire::append_notice(answer,
                            {.severity = "NOTICE", .code = "00000", .message = "SET ignored"});
        finish(answer, "SET");
        return reply(std::move(answer));
      }
      break;
    case CommandText::Kind::Plain:
      break;
  }
  for (const Command& command : kCommands) {
    if (!base::iequal(command.word, text.word)) continue;
    if (command.rights == Rights::Admin && rights != Rights::Admin) {
      return reply(error_answer("admin access needed"));
    }
    return command.handler(request, control, reply);
  }
  invalid(request, reply);
}

}  // namespace howdah::admin
