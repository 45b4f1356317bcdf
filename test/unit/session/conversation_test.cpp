// Clients share one PostgreSQL server through the sessions, transaction by transaction, with every
// stream cut at random: each client gets its own answers, all of them, in order.
#include <doctest/doctest.h>

#include <deque>
#include <memory>

#include "bytes.h"
#include "fake_postgres.h"
#include "howdah/session/client_session.h"
#include "howdah/session/server_session.h"

using namespace howdah;
using namespace howdah::session;

namespace {

// A driver with a list of requests, sent in groups; a group is over when all its answers are there.
class Driver {
 public:
  Driver(int number, std::mt19937& random, bool triggers) : name_("c" + std::to_string(number)) {
    for (int i = 0; i < 12; ++i) {
      if (random() % 3 == 0) {
        add_copy(random, triggers);
      } else {
        add_group(random);
      }
    }
    send_next();
  }
  std::string out;
  std::vector<std::string> rows, expected_rows;
  int readies = 0, expected_readies = 0, expected_copied = 0;
  std::string trouble;
  const std::string& name() const { return name_; }
  bool done() const { return steps_.empty(); }

  void feed(std::string_view bytes) {
    in_ += bytes;
    wire::Header header;
    while (wire::read_header(in_, UINT32_MAX, header) == wire::HeaderState::Ok &&
           in_.size() - wire::kHeaderSize >= header.body) {
      std::string body = in_.substr(wire::kHeaderSize, header.body);
      in_.erase(0, wire::kHeaderSize + header.body);
      if (header.type == 'D') rows.push_back(body);
      if (header.type == 'E' && wire::read_error(body).fatal()) trouble = body;
      if (header.type == 'G' && !steps_.empty()) out += std::exchange(steps_.front().copy_data, "");
      // Before the copy began it can only be the late one of a copy that a trigger ended.
      if (header.type == 'Z' && !steps_.empty() && !steps_.front().copy_data.empty()) continue;
      if (header.type == 'Z') {
        ++readies;
        if (--wait_ == 0) {
          if (!steps_.empty()) steps_.pop_front();
          send_next();
        }
      }
    }
  }

 private:
  struct Step {
    std::string bytes, copy_data;
    int readies = 1;
  };
  void send_next() {
    if (steps_.empty()) return;
    out += steps_.front().bytes;
    wait_ = steps_.front().readies;
  }
  std::string echo() {
    std::string text = name_ + "." + std::to_string(count_++);
    expected_rows.push_back(text + " as " + name_);
    return "echo " + text;
  }
  void add(Step step) {
    expected_readies += step.readies;
    steps_.push_back(std::move(step));
  }
  void add_group(std::mt19937& random) {
    Step step{"", "", 0};
    bool transaction = random() % 2;
    if (transaction) step.bytes += query("BEGIN"), ++step.readies;
    for (unsigned i = 0, n = 1 + random() % 4; i < n; ++i, ++step.readies) {
      switch (random() % (transaction ? 3 : 5)) {
        case 0:
          step.bytes += query(echo());
          break;
        case 1: {
          std::string first = echo();
          step.bytes += query(first + ";" + echo());
          break;
        }
        case 2:
          step.bytes += parse(echo()) + bind() + execute() + message('H') + sync_batch();
          break;
        case 3:
          step.bytes += parse("fail") + bind() + execute() + parse("echo never") + execute() + sync_batch();
          break;
        default:
          step.bytes += query("fail;echo never");
      }
    }
    if (transaction) step.bytes += query("COMMIT"), ++step.readies;
    add(std::move(step));
  }
  void add_copy(std::mt19937& random, bool triggers) {
    std::string data;
    int rows_sent = static_cast<int>(random() % 4);
    for (int i = 0; i < rows_sent; ++i) data += message('d', std::string(random() % 90, 'r'));
    std::string_view sql = triggers && random() % 3 == 0 ? "copytrigger" : random() % 3 ? "copy"
                                                                                        : "copybad";
    if (sql == "copybad" && rows_sent == 0) data += message('d', "x");
    bool fails = random() % 4 == 0;
    data += fails ? message('f', z("no")) : message('c');
    if (sql == "copy" && !fails) expected_copied += rows_sent;
    if (random() % 2) {
      add({query(sql), data});
    } else {
      add({batch(sql), data + sync_batch()});
    }
  }
  std::string name_, in_;
  std::deque<Step> steps_;
  int wait_ = 0, count_ = 0;
};

// The worker's pump in small: one server, clients in line, everything else as in src/worker.
struct House {
  struct Guest {
    std::unique_ptr<Driver> driver;
    ClientSession session;
    std::string in, to_pooler, to_driver;
  };
  House(unsigned seed, int guests, bool triggers)
      : random(seed), names(std::make_shared<const TrackedNames>(std::vector<std::string>{})),
        server({{}, {{"user", "u"}}}, names) {
    server.start();
    flush_server();
    for (int i = 0; i < guests; ++i) {
      auto guest = std::make_unique<Guest>();
      guest->driver = std::make_unique<Driver>(i, random, triggers);
      auto step = guest->session.feed(startup_packet({{"user", "u"}}), settings);
      REQUIRE(step.want == ClientSession::Want::LookUp);
      LoginPlan plan;
      plan.proof = LoginPlan::Proof::None;
      guest->session.begin(plan, keyring, settings);
      Parameters own(names->size());
      own.set(*names->find("application_name"), guest->driver->name());
      guest->session.set_parameters(own);
      guest->session.welcome({}, "12345678", *names);
      guest->session.out().clear();
      all.push_back(std::move(guest));
    }
  }
  void flush_server() {
    to_postgres += server.out().view();
    server.out().clear();
  }
  void flush(Guest& guest) {
    guest.to_driver += guest.session.out().view();
    guest.session.out().clear();
  }
  void process(Guest& guest) {
    for (;;) {
      if (guest.session.state() == ClientSession::State::Linked) {
        auto taken = guest.session.stream().forward(guest.in, settings.max_packet_size, server.owed());
        REQUIRE(taken.stop == ClientStream::Stop::Bytes);
        to_postgres += guest.in.substr(0, taken.forward);
        guest.in.erase(0, taken.forward);
        if (!server.owed().nothing() || !release_if_clean()) return;
        continue;
      }
      if (guest.in.empty()) return;
      auto step = guest.session.feed(guest.in, settings);
      guest.in.erase(0, step.consumed);
      REQUIRE(step.want != ClientSession::Want::Close);
      if (step.want == ClientSession::Want::Server) {
        line.push_back(&guest);
        serve_next();
      } else if (step.consumed == 0) {
        return;
      }
    }
  }
  void serve_next() {
    if (server.state() != ServerSession::State::Idle || holder || line.empty()) return;
    holder = line.front();
    line.pop_front();
    if (server.parameters().satisfies(holder->session.parameters())) return link();
    server.run(Purpose::SetParameters,
               server.parameters().changes_to(holder->session.parameters(), *names));
    flush_server();
  }
  void link() {
    holder->session.link();
    server.link();
  }
  bool release_if_clean() {
    if (!server.clean() || !holder->session.stream().at_boundary()) return false;
    holder->session.unlink();
    server.unlink();
    holder = nullptr;
    if (server.owed().doubtful()) {
      ++probes;
      server.run(Purpose::Reset, "");
      flush_server();
    } else {
      serve_next();
    }
    return true;
  }
  void process_server() {
    while (!from_postgres.empty()) {
      if (server.state() == ServerSession::State::Linked) {
        Guest& guest = *holder;
        auto taken = server.stream().forward(from_postgres, {*names, server.parameters(),
                                             &guest.session.parameters(), server.owed()});
        REQUIRE_MESSAGE(taken.event != ServerStream::Event::Violation, std::string(server.stream().error()));
        guest.to_driver += from_postgres.substr(0, taken.forward);
        from_postgres.erase(0, taken.forward);
        if (taken.event == ServerStream::Event::Settled && release_if_clean()) process(guest);
        if (taken.forward == 0) return;
        continue;
      }
      auto step = server.feed(from_postgres);
      from_postgres.erase(0, step.consumed);
      REQUIRE_MESSAGE(step.want != ServerSession::Want::Close, server.close_reason().text);
      if (step.want == ServerSession::Want::Ready) {
        serve_next();
      } else if (step.want == ServerSession::Want::Done) {
        if (server.purpose() == Purpose::SetParameters) {
          link();
        } else {
          serve_next();
        }
      } else if (step.consumed == 0) {
        return;
      }
      if (holder && server.state() == ServerSession::State::Linked) process(*holder);
    }
  }
  std::string some(std::string& from) {
    std::size_t size = std::min<std::size_t>(from.size(), 1 + random() % (random() % 2 ? 9 : 400));
    std::string piece = from.substr(0, size);
    from.erase(0, size);
    return piece;
  }
  // Moves one fragment of one stream; false when none has any.
  bool move_something() {
    struct Stream {
      std::string* bytes;
      Guest* guest;
    };
    std::vector<Stream> streams;
    if (!to_postgres.empty()) streams.push_back({&to_postgres, nullptr});
    if (!postgres.out.empty()) streams.push_back({&postgres.out, nullptr});
    for (auto& guest : all) {
      flush(*guest);
      if (!guest->driver->out.empty()) streams.push_back({&guest->driver->out, guest.get()});
      if (!guest->to_driver.empty()) streams.push_back({&guest->to_driver, guest.get()});
    }
    if (streams.empty()) return false;
    Stream pick = streams[random() % streams.size()];
    std::string piece = some(*pick.bytes);
    if (pick.bytes == &to_postgres) {
      postgres.feed(piece);
    } else if (pick.bytes == &postgres.out) {
      from_postgres += piece;
      process_server();
    } else if (pick.bytes == &pick.guest->driver->out) {
      pick.guest->in += piece;
      process(*pick.guest);
    } else {
      pick.guest->driver->feed(piece);
    }
    return true;
  }

  std::mt19937 random;
  config::Settings settings;
  auth::ServerKeyring keyring;
  std::shared_ptr<const TrackedNames> names;
  ServerSession server;
  FakePostgres postgres;
  std::string to_postgres, from_postgres;
  std::vector<std::unique_ptr<Guest>> all;
  std::deque<Guest*> line;
  Guest* holder = nullptr;
  int probes = 0;
};

}  // namespace

TEST_CASE("1,000 seeds: clients that share a server get their own answers, in order, complete") {
  int probes = 0;
  for (unsigned seed = 1; seed <= 1000; ++seed) {
    CAPTURE(seed);
    bool triggers = seed % 2 == 0;
    House house(seed, 1 + static_cast<int>(seed % 4), triggers);
    int steps = 0, copied = 0;
    while (house.move_something()) REQUIRE(++steps < 1'000'000);
    for (auto& guest : house.all) {
      const Driver& driver = *guest->driver;
      CAPTURE(driver.name());
      REQUIRE(driver.trouble == "");
      REQUIRE(driver.done());
      REQUIRE(driver.rows == driver.expected_rows);
      // With triggers a Sync behind Execute may be answered or not.
      if (!triggers) REQUIRE(driver.readies == driver.expected_readies);
      copied += driver.expected_copied;
    }
    REQUIRE_FALSE(house.postgres.lost);
    if (!triggers) REQUIRE(house.postgres.copied == copied);
    REQUIRE(house.holder == nullptr);
    REQUIRE(house.server.clean());
    probes += house.probes;
  }
  CHECK(probes > 100);
}
