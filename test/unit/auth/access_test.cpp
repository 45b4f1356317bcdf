// Which rule of an HBA file fits whom, and which files are refused.
#include "unit/auth/rules_fixture.h"

using namespace howdah;
using namespace howdah::auth;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Question {
  const char* line;
  Origin origin;
  const char* answer;
};

}  // namespace

TEST_CASE("a line fits by type, database, user and address") {
  const Question questions[] = {
      {"local all all trust", from("unix"), "trust"},
      {"local all all trust", from("127.0.0.1"), "none"},
      {"host all all all md5", from("127.0.0.1"), "md5"},
      {"host all all all md5", from("::1"), "md5"},
      {"host all all all md5", from("unix"), "none"},
      {"hostssl all all all md5", from("10.0.0.1", "bob", "shop", true), "md5"},
      {"hostssl all all all md5", from("10.0.0.1"), "none"},
      {"hostnossl all all all md5", from("10.0.0.1"), "md5"},
      {"hostnossl all all all md5", from("10.0.0.1", "bob", "shop", true), "none"},
      {"hostssl all all all md5", from("unix", "bob", "shop", true), "none"},
      // databases
      {"local shop all trust", from("unix"), "trust"},
      {"local Shop all trust", from("unix"), "none"},
      {"local shops all trust", from("unix"), "none"},
      {"local a,shop,b all trust", from("unix"), "trust"},
      {"local a , shop , b all trust", from("unix"), "trust"},
      {"local sameuser all trust", from("unix"), "none"},
      {"local sameuser all trust", from("unix", "bob", "bob"), "trust"},
      {"local \"sameuser\" all trust", from("unix", "bob", "bob"), "none"},
      {"local \"sameuser\" all trust", from("unix", "bob", "sameuser"), "trust"},
      {"local \"all\" all trust", from("unix"), "none"},
      {"local \"all\" all trust", from("unix", "bob", "all"), "trust"},
      {"local a\"ll\" all trust", from("unix"), "none"},
      {"local \"sho\"p all trust", from("unix"), "trust"},
      {"local \"a \"\"b\"\", c\" all trust", from("unix", "bob", "a \"b\", c"), "trust"},
      {"local \"+x\" \"+x\" trust", from("unix", "+x", "+x"), "trust"},
      {"local \"samerole\" all trust", from("unix", "bob", "samerole"), "trust"},
      {"local replication all trust", from("unix", "bob", "replication"), "none"},
      {"local \"replication\" all trust", from("unix", "bob", "replication"), "trust"},
      {"local /^sh all trust", from("unix"), "trust"},
      {"local /^op all trust", from("unix"), "none"},
      {"local /op$ all trust", from("unix"), "trust"},
      {"local \"/^(a,|sh)\" all trust", from("unix"), "trust"},
      {"local \"/^\\w{4}$\" all trust", from("unix"), "trust"},
      // users
      {"local all bob trust", from("unix"), "trust"},
      {"local all Bob trust", from("unix"), "none"},
      {"local all bo trust", from("unix"), "none"},
      {"local all bobby trust", from("unix"), "none"},
      {"local all eve,bob trust", from("unix"), "trust"},
      {"local all sameuser trust", from("unix", "sameuser"), "trust"},
      {"local all /^b.b$ trust", from("unix"), "trust"},
      {"local all /^b.b$ trust", from("unix", "bobb"), "none"},
      {"local all \"\"\"bob\"\"\" trust", from("unix", "\"bob\""), "trust"},
      // addresses
      {"host all all 10.0.0.0/8 md5", from("10.255.255.255"), "md5"},
      {"host all all 10.0.0.0/8 md5", from("11.0.0.0"), "none"},
      {"host all all 10.0.0.0/31 md5", from("10.0.0.1"), "md5"},
      {"host all all 10.0.0.0/31 md5", from("10.0.0.2"), "none"},
      {"host all all 10.0.0.7/32 md5", from("10.0.0.7"), "md5"},
      {"host all all 10.0.0.7/32 md5", from("10.0.0.6"), "none"},
      {"host all all 0.0.0.0/0 md5", from("255.255.255.255"), "md5"},
      {"host all all 0.0.0.0/0 md5", from("::1"), "none"},
      {"host all all ::/0 md5", from("1.2.3.4"), "none"},
      {"host all all ::/0 md5", from("fe80::1%eth0"), "md5"},
      {"host all all 10.0.0.0/8 md5", from("::ffff:10.1.1.1"), "md5"},
      {"host all all 2001:db8::/33 md5", from("2001:db8:7fff::1"), "md5"},
      {"host all all 2001:db8::/33 md5", from("2001:db8:8000::1"), "none"},
      {"host all all ::1/128 md5", from("::1"), "md5"},
      {"host all all 10.0.0.0 255.0.0.0 md5", from("10.1.2.3"), "md5"},
      {"host all all 10.0.0.0 255.0.0.0 md5", from("9.1.2.3"), "none"},
      {"host all all ::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff md5", from("::1"), "md5"},
      {"host all all 10.0.0.7 0.0.0.0 md5", from("1.2.3.4"), "md5"},
      {"host all all 10.9.9.9/8 md5", from("10.1.1.1"), "md5"},
      {"host all all samehost md5", from("192.168.7.5"), "md5"},
      {"host all all samehost md5", from("192.168.7.6"), "none"},
      {"host all all samenet md5", from("192.168.7.6"), "md5"},
      {"host all all samenet md5", from("192.168.8.6"), "none"},
      {"host all all samenet md5", from("fe80::77"), "md5"},
      {"host all all samenet md5", from("127.9.9.9"), "md5"},
      // spelling
      {"  local\tall  all \t trust  # with a remark", from("unix"), "trust"},
      {"local all all trust\r", from("unix"), "trust"},
      {"local all all TRUST", from("unix"), "trust"},
      {"local all all \"trust\"", from("unix"), "trust"},
      {"local all \\\n all \\\n trust", from("unix"), "trust"},
      {"\xEF\xBB\xBFlocal all all trust", from("unix"), "trust"},
      {"# local all all reject\nlocal all all trust", from("unix"), "trust"},
      {"local \"a#b\" all trust", from("unix", "bob", "a#b"), "trust"},
      {"local all all plain", from("unix"), "password"},
      {"local all all password", from("unix"), "password"},
      {"local all all scram-sha-256", from("unix"), "scram-sha-256"},
      {"local all all peer", from("unix"), "peer"},
      {"local all all pam", from("unix"), "pam"},
      {"local all all pam pamservice=other", from("unix"), "pam"},
      {"local all all ldap ldapserver=h ldapsuffix=@x", from("unix"), "ldap"},
      {"host all all all cert", from("10.0.0.1"), "cert"},
      {"", from("unix"), "none"},
      {"# nothing", from("10.0.0.1"), "none"},
  };
  for (const Question& question : questions) {
    INFO(question.line);
    CHECK(ask(*rules(question.line), question.origin) == question.answer);
  }
}

TEST_CASE("the first line that fits decides") {
  auto access = rules(
      "host  all   eve  all          reject\n"
      "host  shop  all  10.0.0.0/24  trust\n"
      "host  shop  all  10.0.0.0/8   md5\n"
      "host  all   all  all          scram-sha-256\n");
  CHECK(ask(*access, from("10.0.0.1", "eve")) == "reject");
  CHECK(ask(*access, from("10.0.0.1")) == "trust");
  CHECK(ask(*access, from("10.0.1.1")) == "md5");
  CHECK(ask(*access, from("10.0.0.1", "bob", "other")) == "scram-sha-256");
  CHECK(ask(*access, from("unix")) == "none");
  CHECK(access->match(from("10.0.1.1")).grant->source == "/etc/hba:3");
}

TEST_CASE("replication: a physical one fits only that word, a logical one is like any login") {
  auto all = rules("local all all trust");
  auto word = rules("local replication all md5");
  auto pattern = rules("local /. all trust");
  Origin origin = from("unix");
  origin.replication = Origin::Replication::Physical;
  CHECK(ask(*all, origin) == "none");
  CHECK(ask(*pattern, origin) == "none");
  CHECK(ask(*word, origin) == "md5");
  origin.replication = Origin::Replication::Logical;
  CHECK(ask(*all, origin) == "trust");
  CHECK(ask(*word, origin) == "none");
}

TEST_CASE("an address that cannot be read fits nothing, not even past a reject") {
  auto access = rules("host all all 10.0.0.0/8 reject\nhost all all all trust");
  for (const char* address : {"", "unknown", "10.0.0", "10.0.0.1.2", "0x0a000001", " 10.0.0.1"}) {
    Origin origin = from("10.0.0.1");
    origin.address = address;
    CHECK_MESSAGE(ask(*access, origin) == "none", address);
  }
}

TEST_CASE("a host name is asked for only when a line with one is reached") {
  auto access = rules(
      "host all ann all trust\n"
      "host all all 10.0.0.0/8 md5\n"
      "host all all bad.example.net reject\n"
      "host all all .Example.NET scram-sha-256\n"
      "host all all web_1.other.org. password\n");
  CHECK(ask(*access, from("1.2.3.4", "ann")) == "trust");
  CHECK(ask(*access, from("10.1.1.1")) == "md5");
  CHECK(ask(*access, from("1.2.3.4")) == "ask");
  auto named = [&](const std::string& host, Origin::HostName state = Origin::HostName::Known) {
    Origin origin = from("1.2.3.4");
    origin.host_state = state;
    origin.host_name = host;
    return ask(*access, origin);
  };
  CHECK(named("bad.example.net") == "reject");
  CHECK(named("BAD.example.net.") == "reject");
  CHECK(named("good.example.net") == "scram-sha-256");
  CHECK(named("a.b.example.net") == "scram-sha-256");
  CHECK(named("example.net") == "none");
  CHECK(named("badexample.net") == "none");
  CHECK(named("bad.example.net.evil.org") == "none");
  CHECK(named("web_1.other.org") == "password");
  CHECK(named("", Origin::HostName::Absent) == "none");
  // Nobody knows who it is: the reject line counts, those that let in don't.
  CHECK(named("", Origin::HostName::Failed) == "reject");
  auto open = rules("host all all .example.net trust\nhost all all all md5");
  Origin origin = from("1.2.3.4");
  origin.host_state = Origin::HostName::Failed;
  CHECK(ask(*open, origin) == "md5");
}

TEST_CASE("lists come from files, which may hold files") {
  auto access = rules("local @dbs @sub/users trust\n", "",
                      {{"/etc/dbs", "shop, \"a b\"\n# remark\nother,\nthird\n@more\n"},
                       {"/etc/more", "deep"},
                       {"/etc/sub/users", "bob\n@list"},
                       {"/etc/sub/list", "eve \"@not a file\" all,"}});
  for (const char* database : {"shop", "a b", "other", "third", "deep"}) {
    CHECK_MESSAGE(ask(*access, from("unix", "bob", database)) == "trust", database);
  }
  CHECK(ask(*access, from("unix", "anybody", "shop")) == "trust");  // `all` in the list
  CHECK(ask(*access, from("unix", "bob", "remark")) == "none");
  auto quoted = rules("local all \"@x\" trust");
  CHECK(ask(*quoted, from("unix", "@x")) == "trust");
}

TEST_CASE("files are included where they stand, directories by name") {
  auto access = rules(
      "include first\ninclude_if_exists nowhere\ninclude_dir rules.d\nlocal all all md5\n", "",
      {{"/etc/first", "local a all trust"},
       {"/etc/rules.d/20.conf", "local b all reject"},
       {"/etc/rules.d/10.conf", "local b all trust\ninclude ../x"},
       {"/etc/rules.d/../x", "local c all reject"},
       {"/etc/rules.d/.hidden.conf", "broken"},
       {"/etc/rules.d/note.txt", "broken"}});
  CHECK(ask(*access, from("unix", "u", "a")) == "trust");
  CHECK(ask(*access, from("unix", "u", "b")) == "trust");
  CHECK(ask(*access, from("unix", "u", "c")) == "reject");
  CHECK(ask(*access, from("unix", "u", "d")) == "md5");
  CHECK(access->size() == 5);
}

TEST_CASE("a mistake in any line refuses the whole file and says where") {
  const std::pair<const char*, const char*> mistakes[] = {
      {"loca all all trust", "unknown type 'loca'"},
      {"\"local\" all all trust", "is quoted"},
      {"hostgssenc all all all trust", "no GSSAPI"},
      {"local", "ends before its database"},
      {"local all", "ends before its user"},
      {"local all all", "ends before its method"},
      {"host all all", "ends before its address"},
      {"host all all all", "ends before its method"},
      {"host all all 10.0.0.1 md5", "mask"},
      {"host all all 10.0.0.0/33 md5", "from 0 to 32"},
      {"host all all ::/129 md5", "from 0 to 128"},
      {"host all all 10.0.0.0/-1 md5", "from 0 to 32"},
      {"host all all 10.0.0.0/ md5", "from 0 to 32"},
      {"host all all 10.0.0.0/8x md5", "from 0 to 32"},
      {"host all all 10.0.0.0/+8 md5", "from 0 to 32"},
      {"host all all 10/8 md5", "no numeric address"},
      {"host all all 10 md5", "no host name"},
      {"host all all 10.0.0 md5", "no host name"},
      {"host all all 010.0.0.0/8 md5", "no numeric address"},
      {"host all all a..b md5", "no host name"},
      {"host all all * md5", "no host name"},
      {"host all all *.example.net md5", "no host name"},
      {"host all all . md5", "no host name"},
      {"host all all a,b md5", "cannot be a list"},
      {"host all all host.example.net/24 md5", "takes no /"},
      {"host all all 10.0.0.0 255.0.255.0 md5", "a one behind a zero"},
      {"host all all 10.0.0.0 ffff:: md5", "mask"},
      {"host all all ::ffff:10.0.0.0/104 md5", "write it as IPv4"},
      {"local all all trusty", "unknown method 'trusty'"},
      {"local all all md5,trust", "cannot be a list"},
      {"local all all gss", "unknown method"},
      {"local all all trust map=x", "option 'map'"},
      {"local all all peer map=x", "no map 'x'"},
      {"local all all peer x", "name=value"},
      {"local all all pam pamservice=../x", "pamservice"},
      {"local all all pam pamservice=", "pamservice"},
      {"local all all cert", "needs TLS"},
      {"hostnossl all all all cert", "needs TLS"},
      {"host all all all peer", "local lines only"},
      {"host all all all md5 clientcert=verify-full", "option 'clientcert'"},
      {"hostssl all all all md5 clientcert=maybe", "verify-ca or verify-full"},
      {"hostssl all all all cert clientcert=verify-ca", "verify-full with cert"},
      {"hostssl all all all cert clientname=XN", "CN or DN"},
      {"local samerole all trust", "member of a role"},
      {"local samegroup all trust", "member of a role"},
      {"local all +staff trust", "member of a role"},
      {"local all \"\" trust", "empty"},
      {"local \"all all trust", "never closed"},
      {"local a,,b all trust", "comma"},
      {"local all , trust , md5", "ends before its user"},
      {"local all all trust,", "comma with nothing behind"},
      {", local all all trust", "a comma with nothing before it"},
      {"local , all all trust", "the type cannot be a list"},
      {"local /( all trust", "cannot be read"},
      {"local / all trust", "empty"},
      {"local /(a)\\1 all trust", "back references"},
      {"local /(((a{100}){100}){100}) all trust", "too long"},
      {"local @nowhere all trust", "cannot read '/etc/nowhere'"},
      {"include nowhere", "cannot read '/etc/nowhere'"},
      {"include_dir nowhere", "cannot read directory"},
      {"include", "takes one name"},
      {"include a b", "takes one name"},
      {"include /etc/hba", "circle"},
      {"# remark \\\nlocal all all trust", "backslash"},
      {"local all all ldap", "must be there"},
      {"local all all ldap ldapserver=h", "must be there"},
      {"local all all ldap ldapsuffix=,x ldapserver=h ldapbasedn=x", "cannot be used with"},
      {"local all all ldap nonsense=1", "option 'nonsense'"},
      {"local all all ldap ldapserver=a ldapserver=b ldapsuffix=x", "twice"},
  };
  for (const auto& [line, text] : mistakes) {
    INFO(line);
    std::string said = problems(std::string("host all all 10.0.0.0/8 reject\n") + line +
                                "\nlocal all all trust\n");
    CHECK_MESSAGE(has(said, text), said);
    CHECK_MESSAGE((has(said, "/etc/hba:2: ") || has(said, "circle")), said);
  }
  CHECK(has(problems(std::string("local all a\0ll trust", 20)), "zero byte"));
}

TEST_CASE("all mistakes of all files are said at once") {
  std::string said = problems("local all all bad1\nlocal all all trust\ninclude more\nnonsense\n", "",
                              {{"/etc/more", "\n\nhost all all 1.2.3.4/99 md5\n"}});
  CHECK(has(said, "/etc/hba:1: unknown method"));
  CHECK(has(said, "/etc/more:3: "));
  CHECK(has(said, "/etc/hba:4: unknown type"));
}

TEST_CASE("a missing file, and none at all, is a mistake") {
  config::Config config;
  config.file = "ini";
  config.settings.auth_type = config::AuthType::Hba;
  config.settings.auth_pam_service = "pgbouncer";
  LoadedAccess none = load_access(config, memory({}));
  REQUIRE(none.problems.size() == 1);
  CHECK(has(none.problems[0].text, "needs auth_hba_file"));
  config.settings.auth_hba_file = "/etc/hba";
  config.settings.auth_pam_service = "pgbouncer";
  LoadedAccess missing = load_access(config, memory({}));
  REQUIRE(missing.problems.size() == 1);
  CHECK(has(missing.problems[0].text, "cannot read '/etc/hba'"));
  CHECK(!missing.access);
  config.settings.auth_type = config::AuthType::Md5;  // then nobody looks
  LoadedAccess unused = load_access(config, memory({}));
  CHECK(unused.problems.empty());
  CHECK(!unused.access);
}

TEST_CASE("an empty file lets nobody in, and says so") {
  LoadedAccess loaded = load("# nothing\n");
  REQUIRE(loaded.access);
  CHECK(ask(*loaded.access, from("127.0.0.1")) == "none");
  REQUIRE(loaded.warnings.size() == 1);
  CHECK(has(loaded.warnings[0], "nobody can log in"));
  CHECK(load("host all all 10.1.1.1/8 md5").warnings.size() == 1);
}

TEST_CASE("circles and floods of includes end") {
  CHECK(has(problems("include a", "", {{"/etc/a", "include b"}, {"/etc/b", "include a\ninclude a"}}),
            "circle"));
  CHECK(has(problems("local all @a trust", "", {{"/etc/a", "@a @a @a @a"}}), "circle"));
}

TEST_CASE("auth_type cert, ldap and pam are one rule for everybody") {
  config::Config config;
  config.settings.auth_type = config::AuthType::Pam;
  config.settings.auth_pam_service = "pgbouncer";
  LoadedAccess pam = load_access(config, memory({}));
  REQUIRE(pam.access);
  CHECK(ask(*pam.access, from("unix")) == "pam");
  CHECK(ask(*pam.access, from("10.0.0.1")) == "pam");
  CHECK(pam.access->match(from("unix")).grant->pam_service == "pgbouncer");
  config.settings.auth_pam_service = "../evil";
  CHECK(load_access(config, memory({})).problems.size() == 1);
  config.settings.auth_type = config::AuthType::Cert;
  CHECK(load_access(config, memory({})).problems.size() == 1);
  config.settings.client_tls.mode = config::TlsMode::VerifyFull;
  CHECK(load_access(config, memory({})).problems.size() == 1);
  config.settings.client_tls.ca_file = "/ca";
  CHECK(ask(*load_access(config, memory({})).access, from("10.0.0.1")) == "cert");
  config.settings.auth_type = config::AuthType::Ldap;
  CHECK(load_access(config, memory({})).problems.size() == 1);
  config.settings.auth_ldap_options = "ldapserver=h ldapprefix=\"cn=\"";
  CHECK(ask(*load_access(config, memory({})).access, from("10.0.0.1")) == "ldap");
}

TEST_CASE("the sample file loads, also with every example in use") {
  std::string path = __FILE__;
  for (int up = 0; up < 4; ++up) path.resize(path.rfind('/'));
  auto sample = disk_sources().read(path + "/etc/hba.conf");
  REQUIRE(sample);
  auto access = rules(*sample);
  CHECK(ask(*access, from("unix", "postgres")) == "peer");
  CHECK(ask(*access, from("127.0.0.1")) == "scram-sha-256");
  CHECK(ask(*access, from("10.1.0.1")) == "none");
  std::string all;
  for (auto line : base::split(*sample, '\n')) {
    bool example = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    all += std::string(example ? line.substr(1) : line) + "\n";
  }
  CHECK(rules(all)->size() == access->size() + 4);
}

TEST_CASE("the disk is read as the tests pretend") {
  Sources disk = disk_sources();
  auto none = disk.read("/nowhere/at/all");
  REQUIRE(!none);
  CHECK(none.error().code == "missing");
  CHECK(!disk.read("/"));
  CHECK(!disk.read(std::string("/etc/passwd\0x", 13)));
  CHECK(disk.list("/etc"));
  CHECK(!disk.list("/nowhere"));
  bool loopback = false;
  for (const Interface& one : disk.interfaces()) loopback = loopback || one.address == "127.0.0.1";
  CHECK(loopback);
}
