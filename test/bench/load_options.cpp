#include "load_options.h"

#include <cmath>
#include <cstring>

#include "pg_bytes.h"
#include "sockets.h"

namespace howdah::bench {
namespace {

constexpr char kUsage[] =
    "usage: %s [--host IPv4] [--port N] [--db NAME] [--user NAME] [--clients N]\n"
    "  [--mode simple|extended|prepared|pipeline10|connect] [--depth N] [--query TEXT]\n"
    "  [--seconds S | --queries N] [--warmup S] [--timeout S] [--pid POOLER] [--tls] [--json]\n";

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr, kUsage, program);
  std::exit(2);
}

std::int64_t seconds(const char* text, const char* program) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !std::isfinite(value) || value < 0 || value > 86400) {
    usage(program);
  }
  return static_cast<std::int64_t>(value * 1e9);
}

bool read_mode(const std::string& name, LoadOptions& options) {
  options.mode_name = name;
  if (name == "simple")
    options.mode = Mode::kSimple;
  else if (name == "extended")
    options.mode = Mode::kExtended;
  else if (name == "prepared")
    options.mode = Mode::kPrepared;
  else if (name == "pipeline10")
    options.mode = Mode::kPipeline;
  else if (name == "connect")
    options.mode = Mode::kConnect;
  else
    return false;
  return true;
}

void put_parse(std::string& out, std::string_view name, std::string_view text) {
  MessageWriter(out, 'P').text(name).text(text).u16(0);
}

void put_run(std::string& out, std::string_view statement) {
  // No parameter formats, no parameters, one result format: text.
  MessageWriter(out, 'B').text("").text(statement).u16(0).u16(0).u16(1).u16(0);
  MessageWriter(out, 'D').u8('P').text("");
  MessageWriter(out, 'E').text("").u32(0);
}

constexpr char kStatement[] = "bench_statement";

}  // namespace

LoadOptions read_options(int argc, char** argv) {
  LoadOptions o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--json") {
      o.json = true;
      continue;
    }
    if (name == "--tls") {
      o.tls = true;
      continue;
    }
    if (i + 1 >= argc) usage(argv[0]);
    const char* value = argv[++i];
    if (name == "--host")
      o.host = value;
    else if (name == "--port")
      o.port = static_cast<int>(parse_number(name, value, 1, 65535));
    else if (name == "--db")
      o.database = value;
    else if (name == "--user")
      o.user = value;
    else if (name == "--query")
      o.query = value;
    else if (name == "--clients")
      o.clients = static_cast<int>(parse_number(name, value, 1, 100000));
    else if (name == "--depth")
      o.depth = static_cast<int>(parse_number(name, value, 1, 1000));
    else if (name == "--queries")
      o.queries = parse_number(name, value, 1, 1L << 40);
    else if (name == "--pid")
      o.pid = static_cast<pid_t>(parse_number(name, value, 1, 1 << 22));
    else if (name == "--seconds")
      o.run_ns = seconds(value, argv[0]);
    else if (name == "--warmup")
      o.warmup_ns = seconds(value, argv[0]);
    else if (name == "--timeout")
      o.timeout_ns = seconds(value, argv[0]);
    else if (name != "--mode" || !read_mode(value, o))
      usage(argv[0]);
  }
  if (o.run_ns == 0 && o.queries == 0) o.run_ns = 3'000'000'000;
  return o;
}

std::string ssl_request() {
  std::string out;
  MessageWriter(out, 0).u32(80877103);
  return out;
}

std::string startup_packet(const LoadOptions& options) {
  std::string out;
  MessageWriter(out, 0)
      .u32(3 << 16)
      .text("user")
      .text(options.user)
      .text("database")
      .text(options.database)
      .text("application_name")
      .text("bench_load")
      .text("client_encoding")
      .text("UTF8")
      .u8(0);
  return out;
}

std::string prepare_bytes(const LoadOptions& options) {
  std::string out;
  if (options.mode != Mode::kPrepared) return out;
  put_parse(out, kStatement, options.query);
  MessageWriter(out, 'S');
  return out;
}

std::string query_bytes(const LoadOptions& options) {
  std::string out;
  switch (options.mode) {
    case Mode::kSimple:
    case Mode::kConnect:
      MessageWriter(out, 'Q').text(options.query);
      return out;
    case Mode::kPrepared:
      put_run(out, kStatement);
      break;
    case Mode::kExtended:
    case Mode::kPipeline:
      for (int i = 0; i < queries_per_step(options); ++i) {
        put_parse(out, "", options.query);
        put_run(out, "");
      }
      break;
  }
  MessageWriter(out, 'S');
  return out;
}

int queries_per_step(const LoadOptions& options) {
  return options.mode == Mode::kPipeline ? options.depth : 1;
}

}  // namespace howdah::bench
