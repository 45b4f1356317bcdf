// What a client says; see fake_client.h.
#include <algorithm>
#include <utility>

#include "howdah/base/buffer.h"
#include "howdah/base/text.h"
#include "howdah/wire/appender.h"
#include "sim/fake_client.h"

namespace howdah::sim {

using base::cat;
namespace fe = wire::fe;

std::string FakeClient::mark() { return cat("c", id_, ".", ++sequence_); }

void FakeClient::say(Message message) {
  if (expected_.empty()) progress_ = world_.now;
  Messages answers;
  engine_.feed(message, answers);
  // ParameterStatus depends on the server's value before; rows show the one that counts.
  for (Message& answer : answers)
    if (answer.type != wire::be::kParameterStatus) expected_.push_back(std::move(answer));
  emit(encode(message));
}

void FakeClient::think() {
  if (acting_) return;
  acting_ = true;
  std::int64_t most = random_.chance(20) ? 200'000 : random_.chance(50) ? 5'000 : 1;
  later(microseconds(random_.between(0, most)), [this] {
    acting_ = false;
    if (state_ == State::Talk && expected_.empty()) act();
  });
}

void FakeClient::answered() {
  ++around_.totals.answers;
  ++round_;
  // A cancel that is still under way may hit the next statement: libpq's users wait for its end.
  if (canceller_ && !canceller_->done) {
    later(milliseconds(1), [this] {
      if (expected_.empty()) answered();
    });
    return;
  }
  canceller_.reset();
  cancelled_ = false;
  sleeping_mark_.clear();
  if (then_) {
    auto next = std::exchange(then_, {});
    next();
    if (state_ == State::Talk && expected_.empty() && !then_) think();
    return;
  }
  think();
}

std::string FakeClient::statement() {
  switch (random_.below(10)) {
    case 0:
      return cat("ERROR ", mark());
    case 1:
      return "";
    case 2:
      return cat("COPYOUT ", mark(), " ", random_.below(4), " ", random_.below(300));
    case 3:
      return cat("SET application_name = 'app", random_.below(3), "' ", mark());
    default:
      return cat("ROWS ", mark(), " ", random_.below(5), " ", random_.below(200));
  }
}

void FakeClient::act() {
  if (habits_.wind_down) {
    if (engine_.tx() == 'I') return leave();
    return query(cat("COMMIT ", mark()));
  }
  if (random_.chance(habits_.leave_percent)) return leave();
  ++around_.totals.requests;
  if (random_.chance(4)) {
    socket_->set_reading(false);
    later(milliseconds(random_.between(1, 300)), [this] {
      socket_->set_reading(true);
      progress_ = world_.now;
    });
  }
  std::uint64_t what = random_.below(100);
  if (engine_.tx() != 'I' && what < 30) {
    query(cat(random_.chance(60) ? "COMMIT " : "ROLLBACK ", mark()));
  } else if (what < 50) {
    talk_simple();
  } else if (what < 65) {
    talk_transaction();
  } else if (what < 80) {
    talk_batch();
  } else if (what < 88) {
    talk_copy_in(random_.chance(40));
  } else if (what < 96) {
    talk_sleep();
  } else if (random_.chance(25)) {
    ++around_.totals.big;
    query(cat("ROWS ", mark(), " ", 100 + random_.below(200), " ", random_.below(3000)));
  } else {
    talk_simple();
  }
  if (state_ == State::Talk && random_.chance(habits_.leave_percent / 2))
    later(microseconds(random_.between(0, 20'000)), [this] { leave(); });
}

void FakeClient::talk_simple() {
  std::uint64_t count = random_.chance(25) ? 2 + random_.below(5) : 1;  // a pipeline
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string sql = statement();
    while (random_.chance(20)) sql += cat(";", statement());
    query(sql);
  }
}

void FakeClient::talk_transaction() {
  if (habits_.statement && !random_.chance(3)) return talk_simple();
  begged_ = habits_.statement;
  ++around_.totals.transactions;
  if (random_.chance(20)) {  // whole, in one message or in a pipeline
    query(cat("BEGIN ", mark(), ";", statement()));
    query(cat(random_.chance(50) ? "COMMIT " : "ROLLBACK ", mark()));
  } else {
    query(cat("BEGIN ", mark()));
  }
}

void FakeClient::talk_batch() {
  ++around_.totals.batches;
  auto parse = [&](const std::string& sql) {
    say({fe::kParse, cat(std::string(1, '\0'), sql, std::string(3, '\0'))});
    say({fe::kBind, std::string(8, '\0')});
    if (random_.chance(60)) say({fe::kDescribe, std::string("P\0", 2)});
    say({fe::kExecute, std::string(5, '\0')});
  };
  std::uint64_t count = 1 + random_.below(3);
  for (std::uint64_t i = 0; i < count; ++i) parse(statement());
  if (random_.chance(30)) {  // looks at the answers first
    say({fe::kFlush, ""});
    then_ = [this, parse] {
      if (random_.chance(40)) parse(statement());
      say({fe::kSync, ""});
    };
    return;
  }
  say({fe::kSync, ""});
}

void FakeClient::talk_copy_in(bool extended) {
  ++around_.totals.copies;
  std::string sql = cat("COPYIN ", mark(), random_.chance(20) ? cat(" ", random_.below(4)) : "");
  if (extended) {
    say({fe::kParse, cat(std::string(1, '\0'), sql, std::string(3, '\0'))});
    say({fe::kBind, std::string(8, '\0')});
    say({fe::kExecute, std::string(5, '\0')});
    // Drivers that do not know a COPY when they see one send the Sync at once.
    if (random_.chance(50)) say({fe::kSync, ""});
  } else {
    if (random_.chance(30)) sql += cat(";", statement());
    query(sql);
  }
  if ((!extended && random_.chance(20)) || expected_.empty()) {
    finish_copy(extended);  // without waiting for the server to ask for data
  } else {
    then_ = [this, extended] { finish_copy(extended); };
  }
}

void FakeClient::finish_copy(bool extended) {
  std::uint64_t count = random_.below(6);
  std::size_t size = random_.chance(3) ? 60'000 : random_.below(500);
  for (std::uint64_t i = 0; i < count; ++i) say({fe::kCopyData, std::string(size, 'i')});
  if (random_.chance(85)) {
    say({fe::kCopyDone, ""});
  } else {
    say({fe::kCopyFail, query_body("enough")});
  }
  if (extended) say({fe::kSync, ""});
}

void FakeClient::talk_sleep() {
  std::string the_mark = mark();
  std::int64_t rest = random_.between(1, 60);
  Message message{fe::kQuery, query_body(cat("SLEEP ", the_mark, " ", rest))};
  before_sleep_ = engine_;
  sleep_query_ = message;
  say(std::move(message));
  if (!random_.chance(50) || engine_.tx() == 'E') return;
  // At any time, or about when the statement ends: then it may come too late.
  std::int64_t least = random_.chance(50) ? 0 : std::max<std::int64_t>(rest - 5, 0) * 1000;
  std::int64_t most = least + (least ? 5'000 : 80'000);
  later(microseconds(random_.between(least, most)), [this, the_mark, round = round_] {
    if (state_ != State::Talk || expected_.empty() || cancelled_) return;
    if (round != round_) return;  // it has long been answered
    ++around_.totals.cancels;
    cancelled_ = true;
    sleeping_mark_ = the_mark;
    around_.cancel_asked(the_mark);
    canceller_ = std::make_unique<Canceller>();
    canceller_->socket = around_.dial();
    canceller_->socket->set_user(canceller_.get());
    base::Buffer bytes;
    wire::append_cancel_request(bytes, key_);
    canceller_->socket->send(bytes.view());
  });
}

}  // namespace howdah::sim
