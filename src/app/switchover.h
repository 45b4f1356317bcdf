// SWITCHOVER: route::Switchover brought together with what it needs: the router, which holds the
// primary, the ledger, which counts connections, and the operator's command.
//
// Thread: the supervisor's, which calls look() every kLook while there is one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/child.h"
#include "app/router.h"
#include "howdah/base/log.h"
#include "howdah/config/config.h"
#include "howdah/pool/ledger.h"
#include "howdah/route/switchover.h"

namespace howdah::app {

class SwitchoverRun {
 public:
  static constexpr base::Duration kLook = std::chrono::milliseconds(20);
  using Done = std::function<void(base::Result<std::string>)>;  // who is the primary

  // An error has done nothing; otherwise the primary is held from now on, and `done` comes once.
  static base::Result<std::unique_ptr<SwitchoverRun>> begin(const config::Settings& settings,
                                                            const std::string& database,
                                                            const std::string& to, Router& router,
                                                            pool::Ledger& ledger, base::Log& log,
                                                            Done done);
  ~SwitchoverRun();  // holds nothing any more

  void look();
  void cancel() { canceled_ = true; }
  bool over() const { return machine_.over(); }
  // Once over: answers.
  void finish();

 private:
  SwitchoverRun(route::Switchover machine, std::string database, std::string command,
                Router& router, pool::Ledger& ledger, base::Log& log, Done done);
  std::size_t servers(const route::FleetView& view) const;
  void run_command(const route::FleetView& view);

  route::Switchover machine_;
  const std::string database_, command_;
  Router& router_;
  pool::Ledger& ledger_;
  base::Log& log_;
  Done done_;
  std::unique_ptr<Child> child_;
  std::string last_line_;
  bool canceled_ = false;
  bool not_started_ = false;
};

}  // namespace howdah::app
