// Builds one Config from what the reader hands it, line by line, then from the whole.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/entries.h"
#include "config/keys.h"
#include "config/problems.h"
#include "howdah/config/loader.h"

namespace howdah::config {

class Builder {
 public:
  Builder(const std::string& file, const ReadFile& read, Problems& problems);

  void section(std::string_view name, const Place& place);
  void pair(std::string_view section, std::string_view key, std::string_view value,
            const Place& place);
  void set(std::string_view key, std::string_view value, const Place& place);

  // Checks what needs the whole file, reads the userlist, and gives the Config away.
  std::shared_ptr<const Config> finish();

 private:
  void add_database(std::string_view name, std::string_view value, const Place& place);
  template <typename Map, typename Id, typename Entry>
  void add_entry(Map& map, const Id& id, Entry entry, std::string_view what, const Place& place);
  void warn(const Place& place, const std::string& text);
  void warn_of_line(const DatabaseLine& line, const Place& place);
  void check_settings();
  void check_tls_files(std::string_view side);
  void fill_default_hosts();
  void load_userlist();
  Place place_of(std::string_view key) const;

  const ReadFile& read_;
  Problems& problems_;
  std::shared_ptr<Config> config_;
  bool seen_main_section_ = false;
  std::map<std::string, Place, std::less<>> set_at_;            // where a key was set last
  std::map<std::string, Place, std::less<>> named_at_;          // "database x" and the like
  std::map<std::string, DatabaseLine, std::less<>> databases_;  // with `*`
  std::map<std::string, Place, std::less<>> database_at_;
  std::vector<std::string> warned_;  // keys that have their warning
};

}  // namespace howdah::config
