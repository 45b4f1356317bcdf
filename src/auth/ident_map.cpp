// Ident maps; see ident_map.h.
#include "auth/ident_map.h"

#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;

bool IdentMap::admits(std::string_view system, std::string_view user) const {
  for (const Line& line : lines_) {
    std::string group;
    if (line.pattern ? !line.pattern->found_in(system, &group) : line.system != system) continue;
    switch (line.to) {
      case Line::To::All:
        return true;
      case Line::To::Name:
        if (line.user == user) return true;
        break;
      case Line::To::Pattern:
        if (line.user_pattern->found_in(user)) return true;
        break;
      case Line::To::Template: {
        // Compared as it stands: a system user called "all" becomes that name and no keyword.
        std::string name = line.user;
        name.replace(name.find("\\1"), 2, group);
        if (name == user) return true;
        break;
      }
    }
  }
  return false;
}

IdentMaps read_ident_maps(const std::vector<RuleLine>& lines, RuleReader& reader) {
  std::map<std::string, std::shared_ptr<IdentMap>, std::less<>> maps;
  for (const RuleLine& line : lines) {
    bool shape = line.fields.size() == 3;
    for (const Field& field : line.fields) shape = shape && field.size() == 1;
    if (!shape) {
      reader.problem(line, "a line of a map has three words: MAP SYSTEM-USER DATABASE-USER");
      continue;
    }
    const Word& map = line.fields[0][0];
    const Word& system = line.fields[1][0];
    const Word& user = line.fields[2][0];
    if (map.text.empty() || system.text.empty() || user.text.empty()) {
      reader.problem(line, "an empty name");
      continue;
    }
    IdentMap::Line made;
    made.system = system.text;
    made.user = user.text;
    if (system.text.starts_with('/')) {
      auto pattern = Pattern::make(std::string_view(system.text).substr(1));
      if (!pattern) {
        reader.problem(line, cat(shown(system.text), ": ", pattern.error().text));
        continue;
      }
      made.pattern = std::move(*pattern);
    }
    if (user.text.starts_with('/')) {
      auto pattern = Pattern::make(std::string_view(user.text).substr(1));
      if (!pattern) {
        reader.problem(line, cat(shown(user.text), ": ", pattern.error().text));
        continue;
      }
      made.user_pattern = std::move(*pattern);
      made.to = IdentMap::Line::To::Pattern;
    } else if (!user.quoted && user.text == "all") {
      made.to = IdentMap::Line::To::All;
    } else if (!user.quoted && user.text.starts_with('+')) {
      reader.problem(line, cat(shown(user.text), ": howdah does not know who is a member of a role; "
                               "write the names"));
      continue;
    } else if (made.pattern && user.text.find("\\1") != std::string::npos) {
      if (!made.pattern->has_group()) {
        reader.problem(line, cat("\\1 stands for what a parenthesis matched, and ",
                                 shown(system.text), " has none"));
        continue;
      }
      made.to = IdentMap::Line::To::Template;
    }
    auto& into = maps[map.text];
    if (!into) into = std::make_shared<IdentMap>();
    into->add(std::move(made));
  }
  return {maps.begin(), maps.end()};
}

}  // namespace howdah::auth
