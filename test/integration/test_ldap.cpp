// Passwords judged by LDAP: a slapd of our own on the loopback, run as the service user.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

constexpr const char* kSlapd = "/usr/sbin/slapd";

// dc=example,dc=net with people alice, bob and two called double.
class Directory {
 public:
  Directory() : port_(free_port()), tls_port_(free_port()) {
    std::filesystem::create_directory(directory_ / "db");
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
         key(), "-out", certificate()});
    own(directory_ / "db");
    own(key());
    own(certificate());
    write_file(directory_ / "slapd.conf",
               "include /etc/ldap/schema/core.schema\n"
               "include /etc/ldap/schema/cosine.schema\n"
               "include /etc/ldap/schema/inetorgperson.schema\n"
               "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
               "pidfile " + (directory_ / "pid") + "\n"
               "TLSCertificateFile " + certificate() + "\nTLSCertificateKeyFile " + key() + "\n"
               "database mdb\nmaxsize 10485760\nsuffix \"dc=example,dc=net\"\n"
               "rootdn \"cn=admin,dc=example,dc=net\"\nrootpw admin-pw\n"
               "directory " + (directory_ / "db") + "\n"
               "access to attrs=userPassword by anonymous auth by * none\n"
               "access to dn.subtree=\"ou=hidden,dc=example,dc=net\" "
               "by dn=\"cn=admin,dc=example,dc=net\" read by anonymous auth by * none\n"
               "access to * by * read\n");
    std::string ldif =
        "dn: dc=example,dc=net\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n\n";
    for (const char* unit : {"people", "more", "hidden"}) {
      ldif += std::string("dn: ou=") + unit +
              ",dc=example,dc=net\nobjectClass: organizationalUnit\nou: " + unit + "\n\n";
    }
    ldif += person("alice", "people", "a-pw") + person("bob", "people", "bob's \"pw\"") +
            person("double", "people", "x") + person("double", "more", "x") +
            person("carol", "hidden", "c-pw") + person("odd\\2cname", "people", "o-pw");
    write_file(directory_ / "data.ldif", ldif);
    Process add({"/usr/sbin/slapadd", "-f", directory_ / "slapd.conf", "-l", directory_ / "data.ldif"},
                {.log = directory_ / "log"});
    if (add.wait() != 0) throw std::runtime_error("slapadd: " + read_file(directory_ / "log"));
    start();
  }

  void start() {
    slapd_ = Process({kSlapd, "-f", directory_ / "slapd.conf", "-d", "0", "-h",
                      "ldap://127.0.0.1:" + std::to_string(port_) + " ldaps://127.0.0.1:" +
                          std::to_string(tls_port_)},
                     {.log = directory_ / "log"});
    eventually("slapd listens", [this] {
      if (!slapd_.running()) throw std::runtime_error("slapd: " + read_file(directory_ / "log"));
      return connects(port_) && connects(tls_port_);
    });
  }
  void stop() { slapd_.kill_hard(); }
  std::string port() const { return std::to_string(port_); }
  std::string tls_port() const { return std::to_string(tls_port_); }
  std::string certificate() const { return directory_ / "cert.pem"; }

 private:
  static std::string person(const std::string& name, const std::string& unit,
                            const std::string& password) {
    std::string plain = name == "odd\\2cname" ? "odd,name" : name;
    return "dn: uid=" + name + ",ou=" + unit + ",dc=example,dc=net\nobjectClass: inetOrgPerson\nuid: " +
           plain + "\ncn: " + plain + "\nsn: x\nmail: " + plain + "@example.net\nuserPassword: " +
           password + "\n\n";
  }
  static void own(const std::string& path) {
    if (::getuid() == 0 && ::chown(path.c_str(), service_user().uid, service_user().gid) != 0) {
      throw std::runtime_error("chown " + path);
    }
  }
  static bool connects(int port) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool good = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    ::close(fd);
    return good;
  }
  std::string key() const { return directory_ / "key.pem"; }

  TempDir directory_;
  int port_, tls_port_;
  Process slapd_;
};

// A server that takes connections and never says a word.
class Silent {
 public:
  Silent() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port_(free_port()) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port_));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(fd_, 100) == 0);
  }
  ~Silent() { ::close(fd_); }
  std::string port() const { return std::to_string(port_); }

 private:
  int fd_, port_;
};

bool skipped() {
  if (on_pgbouncer()) return true;  // Debian's is built without LDAP
  if (std::filesystem::exists(kSlapd)) return false;
  MESSAGE("skipped: slapd is not installed (.ci/deps check installs it)");
  return true;
}

Directory& shared() {
  static Directory directory;
  return directory;
}

struct Rules {
  TempDir directory;
  std::string hba = directory / "hba.conf";
  explicit Rules(const std::string& text) {
    write_file(hba, "host pgbouncer admin 127.0.0.0/8 trust\n" + text);
  }
};

Pooler make_pooler(const Rules& rules, const std::string& ca = "") {
  for (const char* user : {"alice", "bob", "carol", "double", "\"odd,name\""}) {
    primary().sql(std::string("do $$ begin create role ") + user +
                  " login superuser; exception when duplicate_object then null; end $$");
  }
  PoolerConfig config{.settings = {{"auth_type", "hba"},
                                   {"auth_hba_file", rules.hba},
                                   {"client_login_timeout", "0"},
                                   {"pool_mode", "transaction"}},
                      .databases = {entry("db", primary(), "postgres")},
                      .userlist = {{"hashed", "h-pw"}, {"admin", "admin-password"}}};
  if (!ca.empty()) config.environment = {"LDAPTLS_CACERT=" + ca};
  return Pooler(config);
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

void in(const Pooler& pooler, const std::string& user, const std::string& password) {
  CAPTURE(user);
  CHECK_NOTHROW(CHECK(pooler.connect("db", quoted(user), "password=" + quoted(password))
                          .value("select current_user") == user));
}

void failed(const Pooler& pooler, const std::string& user, const std::string& password) {
  CAPTURE(user);
  ErrorReport report =
      refused(pooler.conninfo("db", quoted(user), "password=" + quoted(password)));
  CHECK(report.message == "LDAP authentication failed");
  CHECK(report.code == "28P01");
  CHECK(report.severity == "FATAL");
}

std::string at(const Directory& directory) {
  return "ldapserver=127.0.0.1 ldapport=" + directory.port() + " ";
}

}  // namespace

TEST_CASE("simple bind: the right password, and nothing else") {
  if (skipped()) return;
  Rules rules("host db all all ldap " + at(shared()) +
              "ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\"\n");
  Pooler pooler = make_pooler(rules);
  in(pooler, "alice", "a-pw");
  in(pooler, "bob", "bob's \"pw\"");
  in(pooler, "odd,name", "o-pw");  // escaped in its name
  failed(pooler, "alice", "wrong");
  failed(pooler, "alice", "bob's \"pw\"");
  failed(pooler, "nobody", "a-pw");
  failed(pooler, "alice,ou=people,dc=example,dc=net", "a-pw");
  failed(pooler, "alice\\2cou", "a-pw");
  failed(pooler, "*", "a-pw");
  CHECK(!pooler.logged("a-pw"));
}

TEST_CASE("an empty password is refused before LDAP takes it for an anonymous login") {
  if (skipped()) return;
  Rules rules("host db all all ldap " + at(shared()) +
              "ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\"\n");
  Pooler pooler = make_pooler(rules);
  for (const char* user : {"alice", "", "nobody"}) {
    if (!*user) continue;
    RawClient client = pooler.raw();
    client.send(msg::startup({{"user", user}, {"database", "db"}}));
    Message request = client.read();
    CHECK(request.type == 'R');
    CHECK(request.body == msg::i32(3));
    client.send(msg::password(""));
    CHECK(client.until_closed().message == "LDAP authentication failed");
  }
  CHECK(pooler.logged("empty password returned by client"));
}

TEST_CASE("search and bind: by attribute, filter and URL; exactly one entry") {
  if (skipped()) return;
  std::string base = "ldapbasedn=\"dc=example,dc=net\" ";
  std::string as_admin =
      "ldapbinddn=\"cn=admin,dc=example,dc=net\" ldapbindpasswd=\"admin-pw\"";
  Rules rules(
      "host db carol all ldap " + at(shared()) + base + as_admin + "\n" +
      "host db /@ all ldap ldapurl=\"ldap://127.0.0.1:" + shared().port() +
      "/dc=example,dc=net?mail?sub\"\n" +
      "host db bob all ldap " + at(shared()) + base + "ldapsearchfilter=\"(&(uid=$username)(sn=x))\"\n" +
      "host db alice ::1/128 trust\n" +
      "host db all all ldap " + at(shared()) + base + "\n");
  Pooler pooler = make_pooler(rules);
  primary().sql("do $$ begin create role \"alice@example.net\" login superuser; "
                "exception when duplicate_object then null; end $$");
  in(pooler, "alice", "a-pw");
  in(pooler, "bob", "bob's \"pw\"");
  in(pooler, "carol", "c-pw");
  in(pooler, "alice@example.net", "a-pw");
  failed(pooler, "alice", "wrong");
  failed(pooler, "double", "x");
  failed(pooler, "nobody", "x");
  for (const char* hostile : {"*", "al*", "alice)(uid=*", "*)(uid=alice", "alice\\", "(alice)", "a/b"}) {
    failed(pooler, hostile, "a-pw");
  }
  CHECK(pooler.logged("more than one entry is this user"));
  CHECK(!pooler.logged("admin-pw"));
}

TEST_CASE("a wrong ldapbindpasswd, and one that is right") {
  if (skipped()) return;
  Rules rules("host db all all ldap " + at(shared()) +
              "ldapbasedn=\"dc=example,dc=net\" ldapbinddn=\"cn=admin,dc=example,dc=net\" "
              "ldapbindpasswd=\"s3cret-wrong\"\n");
  Pooler pooler = make_pooler(rules);
  failed(pooler, "alice", "a-pw");
  CHECK(pooler.logged("cannot log in for the search"));
  CHECK(!pooler.logged("s3cret-wrong"));
}

TEST_CASE("StartTLS and ldaps, with a certificate that is believed and one that is not") {
  if (skipped()) return;
  std::string tail = " ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\"\n";
  Rules rules("host db alice all ldap ldapserver=127.0.0.1 ldaptls=1 ldapport=" + shared().port() +
              tail + "host db bob all ldap ldapserver=127.0.0.1 ldapscheme=ldaps ldapport=" +
              shared().tls_port() + tail);
  {
    Pooler pooler = make_pooler(rules, shared().certificate());
    in(pooler, "alice", "a-pw");
    in(pooler, "bob", "bob's \"pw\"");
    failed(pooler, "alice", "wrong");
  }
  Pooler stranger = make_pooler(rules);
  failed(stranger, "alice", "a-pw");
  failed(stranger, "bob", "bob's \"pw\"");
}

TEST_CASE("a server that is down or silent fails the login; the next of the list is asked") {
  if (skipped()) return;
  Directory own;
  Silent silent;
  std::string tail = " ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\"\n";
  Rules rules("host db carol all ldap ldapserver=127.0.0.1 ldapport=" + silent.port() + tail +
              "host db bob all ldap ldapserver=\"127.0.0.1:1 127.0.0.1:" + own.port() + "\"" + tail +
              "host db all all ldap " + at(own) + tail);
  Pooler pooler = make_pooler(rules);
  in(pooler, "alice", "a-pw");
  failed(pooler, "carol", "c-pw");  // after 3 s
  own.stop();
  failed(pooler, "alice", "a-pw");
  own.start();
  in(pooler, "alice", "a-pw");
}

TEST_CASE("auth_type = ldap: everybody by auth_ldap_options, also on the console") {
  if (skipped()) return;
  primary().create_role("alice");
  Rules rules("");
  Pooler pooler({.settings = {{"auth_type", "hba"}, {"auth_hba_file", rules.hba}},
                 .databases = {entry("db", primary(), "postgres")}});
  pooler.console("SET auth_ldap_options = '" + at(shared()) +
                 "ldapbasedn=\"dc=example,dc=net\" ldapbinddn=\"cn=admin,dc=example,dc=net\" "
                 "ldapbindpasswd=\"admin-pw\"'");
  pooler.console("SET admin_users = 'admin, alice'");
  CHECK_THROWS_AS(pooler.console("SET auth_type = 'ldapp'"), SqlError);
  pooler.console("SET auth_type = 'ldap'");
  in(pooler, "alice", "a-pw");
  failed(pooler, "alice", "wrong");
  Client console(pooler.conninfo("pgbouncer", "alice", "password=a-pw"));
  Result shown = console.exec("SHOW CONFIG");
  bool found = false;
  for (int i = 0; i < shown.rows(); ++i) {
    CHECK(shown.at(i, 1).find("admin-pw") == std::string::npos);
    found = found || shown.at(i, 1).find("ldapbindpasswd=***") != std::string::npos;
  }
  CHECK(found);
  CHECK(!pooler.logged("admin-pw"));
}

TEST_CASE("a storm of LDAP logins does not slow down queries, nor logins by password") {
  if (skipped()) return;
  Silent silent;
  std::string tail = " ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\"\n";
  Rules rules("host db hashed all scram-sha-256\nhost db carol all ldap ldapserver=127.0.0.1 ldapport=" +
              silent.port() + tail + "host db all all ldap " + at(shared()) + tail);
  Pooler pooler = make_pooler(rules);
  primary().create_role("hashed");
  Client busy = pooler.connect("db", "hashed", "password=h-pw");
  auto storm = [&](const char* user, const char* password, int count) {
    std::vector<RawClient> clients;
    for (int i = 0; i < count; ++i) {
      clients.push_back(pooler.raw());
      clients.back().send(msg::startup({{"user", user}, {"database", "db"}}));
    }
    for (RawClient& client : clients) {
      CHECK(client.read().body == msg::i32(3));
      client.send(msg::password(password));
    }
    return clients;
  };
  auto worst_query = [&](int count) {
    Clock::duration worst{};
    for (int i = 0; i < count; ++i) {
      auto start = Clock::now();
      CHECK(busy.value("select 1") == "1");
      worst = std::max(worst, Clock::now() - start);
    }
    return worst;
  };
  // A directory that hangs holds every check for 3 s; a loop that waited for it would, too.
  std::vector<RawClient> hanging = storm("carol", "c-pw", 200);
  CHECK(worst_query(300) < Millis{2000});
  // SCRAM from a plain secret needs a helper thread: LDAP leaves some.
  auto start = Clock::now();
  CHECK(pooler.connect("db", "hashed", "password=h-pw").value("select 1") == "1");
  CHECK(Clock::now() - start < Millis{2500});
  hanging.clear();  // they give up: their turns pass on to the next
  std::vector<RawClient> logins = storm("alice", "a-pw", 200);
  CHECK(worst_query(300) < Millis{2000});
  for (RawClient& client : logins) {
    CHECK(client.read().body == msg::i32(0));
    client.until('Z');
    client.send(msg::query("select 1"));
    CHECK(client.types_until('Z') == "TDCZ");
  }
}
