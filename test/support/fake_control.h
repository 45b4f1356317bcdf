// A Control that notes what it is asked and answers what the test tells it to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/admin/console.h"
#include "howdah/base/text.h"

namespace howdah::test {

class FakeControl : public admin::Control {
 public:
  FakeControl() {
    auto config = std::make_shared<config::Config>();
    state.config = config;
    state.version = "PgBouncer 1.25.2 (howdah 0.1.0)";
  }

  void explain(const std::string&, std::function<void(const admin::State&)> ready) override {
    gather(false, std::move(ready));
  }
  void gather(bool rows, std::function<void(const admin::State&)> ready) override {
    calls.push_back(rows ? "gather rows" : "gather");
    if (hold) {
      held_gather = std::move(ready);
    } else {
      ready(state);
    }
  }
  base::Status reload() override { return note("reload"); }
  base::Status set(const std::string& key, const std::string& value) override {
    return note(base::cat("set ", key, "=", value));
  }
  base::Status shutdown(admin::ShutdownMode mode) override {
    switch (mode) {
      case admin::ShutdownMode::Immediate:
        return note("shutdown now");
      case admin::ShutdownMode::WaitForServers:
        return note("shutdown servers");
      case admin::ShutdownMode::WaitForClients:
        return note("shutdown clients");
    }
    return note("shutdown ?");
  }
  base::Status pause(const std::string& database, std::function<void()> done) override {
    return wait("pause", database, std::move(done));
  }
  base::Status resume(const std::string& database) override { return note("resume", database); }
  base::Status disable(const std::string& database) override { return note("disable", database); }
  base::Status enable(const std::string& database) override { return note("enable", database); }
  base::Status reconnect(const std::string& database) override {
    return note("reconnect", database);
  }
  base::Status kill(const std::string& database) override { return note("kill", database); }
  base::Status kill_client(std::uint64_t id) override {
    return note(base::cat("kill_client ", id));
  }
  base::Status switchover(const std::string& database, const std::string& to,
                          std::function<void(base::Result<std::string>)> done) override {
    base::Status status = note(base::cat("switchover(", database, ",", to, ")"));
    if (!status.ok()) return status;
    done(switched);
    return status;
  }
  base::Status wait_close(const std::string& database, std::function<void()> done) override {
    return wait("wait_close", database, std::move(done));
  }

  base::Status result = base::Done{};
  base::Result<std::string> switched = std::string("b is the primary");
  bool hold = false;  // gather and the waiting commands are answered by the test
  std::function<void(const admin::State&)> held_gather;
  std::function<void()> held_done;
  std::vector<std::string> calls;
  admin::State state;

 private:
  base::Status note(std::string call) {
    calls.push_back(std::move(call));
    return result;
  }
  base::Status note(std::string_view verb, const std::string& database) {
    return note(base::cat(verb, "(", database, ")"));
  }
  base::Status wait(std::string_view verb, const std::string& database,
                    std::function<void()> done) {
    base::Status status = note(verb, database);
    if (!status.ok()) return status;
    if (hold) {
      held_done = std::move(done);
    } else {
      done();
    }
    return status;
  }
};

// All answers that a query got, as bytes.
struct Answers {
  std::vector<std::string> bytes;
  std::function<void(base::Buffer&&)> receiver() {
    return [this](base::Buffer&& answer) { bytes.emplace_back(answer.view()); };
  }
};

}  // namespace howdah::test
