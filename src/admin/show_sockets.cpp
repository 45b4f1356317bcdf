// SHOW CLIENTS, SERVERS, SOCKETS, ACTIVE_SOCKETS: a row per connection.
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <tuple>
#include <vector>

#include "admin/shows.h"

namespace howdah::admin {
namespace {

constexpr wire::Column kSockets[] = {{"type", kText},
                                     {"user", kText},
                                     {"database", kText},
                                     {"replication", kText},
                                     {"state", kText},
                                     {"addr", kText},
                                     {"port", kInt},
                                     {"local_addr", kText},
                                     {"local_port", kInt},
                                     {"connect_time", kText},
                                     {"request_time", kText},
                                     {"wait", kInt},
                                     {"wait_us", kInt},
                                     {"close_needed", kInt},
                                     {"ptr", kText},
                                     {"link", kText},
                                     {"remote_pid", kInt},
                                     {"tls", kText},
                                     {"application_name", kText},
                                     {"prepared_statements", kInt},
                                     {"id", kInt},
                                     {"recv_pos", kInt},
                                     {"pkt_pos", kInt},
                                     {"pkt_remain", kInt},
                                     {"send_pos", kInt},
                                     {"send_remain", kInt},
                                     {"pkt_avail", kInt},
                                     {"send_avail", kInt}};
// SHOW SERVERS has the first 21 of them, SHOW CLIENTS one of ours behind.
constexpr Columns kConnections(kSockets, 21);
constexpr auto kClients = [] {
  std::array<wire::Column, 22> columns{};
  std::copy_n(kSockets, 21, columns.begin());
  columns[21] = {"pinned", kText};
  return columns;
}();

// Local time, as an operator reads it: 2026-07-01 12:00:00 CEST
std::string local_time(std::int64_t microseconds) {
  auto seconds = static_cast<std::time_t>(microseconds / 1000000);
  std::tm parts{};
  if (localtime_r(&seconds, &parts) == nullptr) return "";
  char text[64];
  std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &parts);
  return {text, length};
}

std::string pointer(std::uint64_t value) {
  if (value == 0) return "";
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

void add_connection(Row& row, const SocketRow& socket, std::string_view socket_state) {
  row.text(std::string_view(&socket.type, 1))
      .text(socket.user.empty() ? "(nouser)" : socket.user)
      .text(socket.database.empty() ? "(nodb)" : socket.database)
      .text(socket.replication)
      .text(socket_state)
      .text(socket.addr)
      .number(socket.port)
      .text(socket.local_addr)
      .number(socket.local_port)
      .text(local_time(socket.connect_time))
      .text(local_time(socket.request_time))
      .number(socket.wait_us / 1000000)
      .number(socket.wait_us % 1000000)
      .number(int{socket.close_needed})
      .text(pointer(socket.ptr))
      .text(pointer(socket.link))
      .number(socket.remote_pid)
      .text(socket.tls)
      .text(socket.application_name)
      .number(socket.prepared_statements)
      .number(socket.id);
}

// By pool, then by age, whichever worker has them.
std::vector<const SocketRow*> sorted(const State& state,
                                     std::vector<SocketRow> WorkerReport::*which) {
  std::vector<const SocketRow*> rows;
  for (const WorkerReport& worker : state.workers) {
    for (const SocketRow& row : worker.*which) rows.push_back(&row);
  }
  std::sort(rows.begin(), rows.end(), [](const SocketRow* a, const SocketRow* b) {
    return std::tie(a->database, a->user, a->id) < std::tie(b->database, b->user, b->id);
  });
  return rows;
}

void client_rows(const State& state, base::Buffer& to) {
  for (const SocketRow* socket : sorted(state, &WorkerReport::clients)) {
    if (socket->state == "login") continue;  // not listed until they are in
    Row row(to, kClients.size());
    add_connection(row, *socket, socket->state);
    row.text(socket->pinned);
  }
}

void server_rows(const State& state, base::Buffer& to) {
  for (const SocketRow* socket : sorted(state, &WorkerReport::servers)) {
    if (socket->state == "login") continue;
    Row row(to, kConnections.size());
    add_connection(row, *socket, socket->state);
  }
}

// Here a state is the name of a list of the pool: idle clients are in the active list, new servers
// are logging in.
std::string list_state(const SocketRow& socket) {
  if (socket.type == 'C') return "cl_" + (socket.state == "idle" ? "active" : socket.state);
  return "sv_" + (socket.state == "new" ? "login" : socket.state);
}

void socket_rows(const State& state, bool only_active, base::Buffer& to) {
  for (auto which : {&WorkerReport::clients, &WorkerReport::servers}) {
    for (const SocketRow* socket : sorted(state, which)) {
      if (only_active && socket->receive_buffered == 0 && socket->send_buffered == 0) continue;
      Row row(to, std::size(kSockets));
      add_connection(row, *socket, list_state(*socket));
      row.number(socket->receive_buffered)
          .number(0)
          .number(0)
          .number(0)
          .number(0)
          .number(socket->receive_buffered)
          .number(socket->send_buffered);
    }
  }
}

void all_socket_rows(const State& state, base::Buffer& to) { socket_rows(state, false, to); }
void active_socket_rows(const State& state, base::Buffer& to) { socket_rows(state, true, to); }

constexpr Show kShows[] = {
    {"CLIENTS", Rights::Stats, ShowKind::SocketRows, kClients, client_rows},
    {"SERVERS", Rights::Stats, ShowKind::SocketRows, kConnections, server_rows},
    {"SOCKETS", Rights::Stats, ShowKind::SocketRows, kSockets, all_socket_rows},
    {"ACTIVE_SOCKETS", Rights::Stats, ShowKind::SocketRows, kSockets, active_socket_rows},
};

}  // namespace

std::span<const Show> socket_shows() { return kShows; }

}  // namespace howdah::admin
