// Who may log in how: the rules of an HBA file with its ident maps, or the one rule that auth_type
// cert, ldap and pam amount to. Read whole, judged whole, then immutable.
//
//   TYPE       DATABASE  USER   ADDRESS [MASK]  METHOD  [OPTIONS]
//   local      all       all                    peer    map=staff
//   host       orders    /^t_   10.0.0.0/8      scram-sha-256
//   include FILE | include_if_exists FILE | include_dir DIRECTORY
//
// The first line that fits decides; no line, no login. A mistake anywhere refuses the whole file: a
// reject line that is left out would open a door. PostgreSQL 15 manual 21.1 and 21.2, compat 2.4.
// Thread: immutable, any; load_access reads files and belongs off the workers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/auth/directory.h"
#include "howdah/base/result.h"
#include "howdah/config/config.h"
#include "howdah/config/loader.h"

namespace howdah::auth {

// What a rule looks at: where a client comes from and what it asks for.
struct Origin {
  enum class Replication { No, Physical, Logical };
  // The client's host name: a reverse look-up whose name leads back to the address. Absent: there
  // is none. Failed: the name service did not answer, so nobody knows.
  enum class HostName { NotAsked, Absent, Failed, Known };

  std::string database, user;
  Replication replication = Replication::No;
  bool is_unix = false;
  std::string address;  // numeric, as net::Address::host
  bool tls = false;
  bool certificate = false;  // the client showed one and it was verified against the CA
  std::string common_name, distinguished_name;  // its subject; RFC 2253 form
  HostName host_state = HostName::NotAsked;
  std::string host_name;
};

enum class RuleMethod { Trust, Reject, Password, Md5, Scram, Cert, Peer, Ldap, Pam };
std::string_view name(RuleMethod method);  // as written in the file

class IdentMap;

// What the rule that fits demands.
struct Grant {
  enum class ClientCert { NotNeeded, VerifyCa, VerifyFull };

  RuleMethod method = RuleMethod::Reject;
  std::shared_ptr<const IdentMap> map;  // cert, peer; null: the names must be equal
  std::shared_ptr<const LdapOptions> ldap;
  std::string pam_service;
  ClientCert client_cert = ClientCert::NotNeeded;
  bool by_distinguished_name = false;
  std::string source;  // "hba.conf:12", for the log

  // May the system user (of a unix socket, or named by a certificate) log in as `user`?
  bool admits(std::string_view system_user, std::string_view user) const;
  // The same for the certificate of `origin`; false without a verified one.
  bool certificate_admits(const Origin& origin) const;
  // What clientcert= demands beside the method.
  bool certificate_suffices(const Origin& origin) const;
};

struct Verdict {
  enum class Kind {
    NoRule,         // no line fits
    NeedsHostName,  // a line with a host name is reached: look it up and ask again
    Use,            // grant says how
  } kind = Kind::NoRule;
  std::shared_ptr<const Grant> grant;
};

struct Rule;

class Access {
 public:
  explicit Access(std::vector<Rule> rules);
  ~Access();
  Verdict match(const Origin& origin) const;
  std::size_t size() const;

 private:
  std::vector<Rule> rules_;
};

// Are two numeric addresses the same, however they are written?
bool same_address(std::string_view a, std::string_view b);

// How the loader gets at the world.
struct Interface {
  std::string address, mask;  // numeric
};
struct Sources {
  // Error code "missing": there is no such file. Text: the system's reason.
  std::function<base::Result<std::string>(const std::string& path)> read;
  std::function<base::Result<std::vector<std::string>>(const std::string& directory)> list;
  std::function<std::vector<Interface>()> interfaces;  // for samehost and samenet
};
Sources disk_sources();

struct LoadedAccess {
  std::shared_ptr<const Access> access;  // null when auth_type needs none, or with a problem
  std::vector<config::Problem> problems;
  std::vector<std::string> warnings;
};

// Reads what auth_type of `config` needs: the HBA and ident files, the LDAP options.
LoadedAccess load_access(const config::Config& config, const Sources& sources);

}  // namespace howdah::auth
