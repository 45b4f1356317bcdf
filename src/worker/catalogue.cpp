// What names of SQL mean is asked of the catalogue: a question of the classifier runs on a server
// of the primary that nobody else uses meanwhile; see split.cpp and route/classifier.h.
#include "howdah/base/text.h"
#include "worker/worker_impl.h"

namespace howdah::worker {

using base::cat;
using route::Reason;

void WorkerImpl::ask_catalogue(PoolView& pool, const route::ScopePtr& scope) {
  auto question = classifier_.question(scope, now());
  if (!question) return;
  std::uint64_t number = shared_.next_id.fetch_add(1, std::memory_order_relaxed);
  auto made = std::make_unique<Lookup>(number);
  Lookup& lookup = *made;
  lookup.entry = pool.entry;
  lookup.auth_user = pool.user;
  lookup.query = std::move(question->sql);
  lookup.scope = scope;
  lookup.question = question->id;
  lookup.deadline.owner = &lookup;
  lookup.deadline.kind = 3;
  lookups_.emplace(number, std::move(made));
  arm(lookup.deadline, now() + std::chrono::seconds(10));
  take_lookup(lookup,
              shared_.ledger.checkout(pool.id, {id_, number}, now(), actions_, pool::kPrimary));
}

// As a client whose session is as it began would see it. What the catalogue has not told yet is
// asked for: the next SHOW ROUTE knows.
route::Explanation WorkerImpl::explained(PoolView& pool, const std::string& sql) {
  route::ScopePtr scope = classifier_.scope(pool.entry->dbname, pool.user, std::nullopt);
  const route::Known known = classifier_.classify(sql, scope, now());
  route::Explanation why = classifier_.explain(*known.shape, scope, now());
  why.cls = known.cls;
  why.reason = known.reason;
  if (known.reason == Reason::Unknown) ask_catalogue(pool, scope);
  return why;
}

void WorkerImpl::catalogue_answered(Server& server) {
  session::ServerSession& session = *server.session;
  Lookup& lookup = *std::exchange(server.lookup, nullptr);
  lookup.server = nullptr;
  auto rows = session.take_rows();
  std::optional<std::vector<route::AnswerRow>> answer;
  if (session.stream().saw_error()) {
    log_server(base::Level::Warning, server,
               cat("the catalogue cannot be asked what reads: ", session.stream().error_text()));
  } else if (!rows->overflowed()) {
    answer.emplace();
    for (const auto& row : rows->rows()) {
      route::AnswerRow& each = answer->emplace_back();
      for (const auto& value : row) each.push_back(value.value_or(""));
    }
  }
  classifier_.learn(lookup.scope, lookup.question, answer, now());
  end_question(lookup);
  if (session.clean()) {
    free_server(server);
  } else {
    close_server(server, "a question to the catalogue left a transaction open");
  }
}

void WorkerImpl::end_question(Lookup& lookup) {
  lookup.dead = true;
  deadlines_.disarm(lookup.deadline);
  dead_lookups_.push_back(lookup.id);
}

}  // namespace howdah::worker
